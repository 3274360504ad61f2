package fhir

// Phrases are parts of a text.
type Phrases []string

// Add adds a text with its prefix, unless it is empty.
func (p *Phrases) Add(prefix, text string) {
	if text != "" {
		*p = append(*p, prefix+text)
	}
}

// Concept adds the label of a concept with its prefix, unless it is empty.
func (p *Phrases) Concept(prefix string, c *CodeableConcept) {
	if c.EHRCoding() != nil {
		p.Add(prefix, c.Label())
	}
}
