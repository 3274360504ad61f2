package meaning

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"carewire/internal/fhirimport/fhir"
)

// modifier is an element that may change the meaning of everything around it, at any depth of a
// resource.
type modifier struct {
	name   string
	reason string
	// changes reports whether this value changes the meaning.
	changes func(value any) bool
}

// modifiers are the elements that FHIR R4 marks as modifiers and that no record of carewire can
// express. A resource that contains one is refused. The other modifiers are mapped by the tables
// of status.go and by the readers; Modifiers lists them.
var modifiers = []modifier{
	{"modifierExtension", "is an unknown extension that changes the meaning of the resource; export the resource without it if it does not", isNotEmpty},
	{"implicitRules", "refers to rules that the meaning depends on and that are not supported; export the resource without it if it does not", isNotEmpty},
	{"doNotPerform", "is true: a prohibition is not imported, because it could be read as an order; record it in carewire", func(value any) bool { return value == true || value == "true" }},
}

func isNotEmpty(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	default:
		return true
	}
}

// CheckModifiers returns a fhir.Error with the path of the first element that changes the meaning
// of the resource, also in contained resources.
//
// The text is searched for the names first: almost no resource contains one, and a search costs
// less than a thousandth of decoding. A name can also be written with escapes, which JSON decoders
// treat the same.
func CheckModifiers(typ string, raw []byte) error {
	if !mayContainModifier(raw) {
		return nil
	}
	w := modifierWalk{json.NewDecoder(bytes.NewReader(raw))}
	return w.value(typ)
}

func mayContainModifier(raw []byte) bool {
	for i := range modifiers {
		if bytes.Contains(raw, []byte(modifiers[i].name)) {
			return true
		}
	}
	// All names consist of ASCII letters, so an escape of one starts with \u00.
	return bytes.Contains(raw, []byte(`\u00`))
}

type modifierWalk struct{ dec *json.Decoder }

func (w *modifierWalk) value(path string) error {
	t, err := w.dec.Token()
	if err != nil {
		return fhir.NewError(path, "is not valid JSON")
	}
	switch t {
	case json.Delim('{'):
		err = w.members(path)
	case json.Delim('['):
		for i := 0; w.dec.More() && err == nil; i++ {
			err = w.value(path + "[" + strconv.Itoa(i) + "]")
		}
	default:
		return nil
	}
	if err == nil {
		_, err = w.dec.Token()
	}
	return err
}

func (w *modifierWalk) members(path string) error {
	for w.dec.More() {
		t, err := w.dec.Token()
		if err != nil {
			return fhir.NewError(path, "is not valid JSON")
		}
		name, _ := t.(string)
		inner := path + "." + name
		m := lookUpModifier(name)
		if m == nil {
			if err := w.value(inner); err != nil {
				return err
			}
			continue
		}
		var value any
		if err := w.dec.Decode(&value); err != nil {
			return fhir.NewError(inner, "is not valid JSON")
		}
		if m.changes(value) {
			return fhir.NewError(inner, m.reason)
		}
	}
	return nil
}

// Labels returns notes on labels that restrict who may see a resource, and on the one that marks an
// incomplete resource (FHIR R4, summary searches).
func Labels(r *fhir.Resource) (notes []fhir.Error) {
	secured, subsetted := bytes.Contains(r.Raw, []byte(`"security"`)), bytes.Contains(r.Raw, []byte("SUBSETTED"))
	if !secured && !subsetted {
		return nil
	}
	var labels struct {
		Meta struct {
			Security []fhir.Coding `json:"security"`
			Tag      []fhir.Coding `json:"tag"`
		} `json:"meta"`
	}
	if fhir.Decode(r.Type, r.Raw, &labels) != nil {
		return nil
	}
	for _, c := range append(labels.Meta.Tag, labels.Meta.Security...) {
		if c.Code == "SUBSETTED" {
			notes = append(notes, fhir.Error{Path: r.Type + ".meta.tag", Reason: "is SUBSETTED: the export has only a part of the resource"})
		}
	}
	isLabel := func(c fhir.Coding) bool { return c.Code != "SUBSETTED" && c.Code != "N" && c.Code != "" }
	if slices.ContainsFunc(labels.Meta.Security, isLabel) {
		notes = append(notes, fhir.Error{Path: r.Type + ".meta.security", Reason: "is not kept: carewire's own rules decide who may read the record"})
	}
	return notes
}

func lookUpModifier(name string) *modifier {
	for i := range modifiers {
		if modifiers[i].name == name {
			return &modifiers[i]
		}
	}
	return nil
}

// ModifierRow is a modifier element of a mapped type and what the import does with it.
type ModifierRow struct{ Type, Element, Effect string }

// Modifiers returns the elements that FHIR R4 marks as modifiers in the mapped types and in their
// data types, and the elements of the same effect that R4 does not mark. docs/fhir.md has the same
// table.
func Modifiers() []ModifierRow {
	const byStatus = "decided by the table of statuses; an unknown code is refused"
	return []ModifierRow{
		{"every type", "modifierExtension", "refused, also in parts and contained resources"},
		{"every type", "implicitRules", "refused"},
		{"every type", "status", byStatus},
		{"HumanName, ContactPoint, Identifier", "use, period", "an old or ended one is never used"},
		{"Quantity", "comparator", "the value becomes a text, such as `<5 mg/dL`"},
		{"Organization", "active", "a closed organization is skipped"},
		{"Organization", "type", "an insurer, a payer, a pharmacy and the like are skipped"},
		{"Practitioner", "active", "the account of an inactive practitioner is disabled"},
		{"PractitionerRole", "active, period", "an inactive or ended role is a former one"},
		{"PractitionerRole", "code", "the role; anyone who is neither a doctor nor a nurse gets none"},
		{"Patient", "active", "the account of an inactive patient is disabled"},
		{"Patient", "deceased[x]", "the death is recorded; without a day, the account is disabled"},
		{"Patient", "link", "a patient that another one replaces is that other one"},
		{"Encounter", "participant.type, participant.period", "the doctor is the main participant who was there to the end"},
		{"Appointment", "participant.status", "a participant who declined does not take part"},
		{"Observation", "dataAbsentReason", "kept in place of the value"},
		{"Observation", "focus", "one about anything else than the patient is skipped, and left out of reports"},
		{"AllergyIntolerance, Condition", "clinicalStatus, verificationStatus", byStatus},
		{"AllergyIntolerance, Condition", "code", "the absence of allergies or problems becomes an entry of the medical history"},
		{"MedicationRequest", "intent, reported[x]", "a proposal, plan or option is skipped; what was only reported becomes an entry of the medical history"},
		{"MedicationRequest", "doNotPerform", "refused"},
		{"MedicationRequest", "asNeeded[x], doseRange, rate[x], maxDose…", "kept in the dosage instructions"},
		{"Immunization", "isSubpotent, subpotentReason", "kept as such"},
		{"Claim", "use", "a predetermination and a preauthorization are skipped"},
		{"Invoice", "recipient", "an invoice to anybody else than the patient is skipped"},
		{"Communication", "recipient", "a message that is neither from nor to a patient is skipped"},
		{"every type", "meta.security, meta.tag", "a security label is not kept, and a resource with SUBSETTED is incomplete: `partly`"},
	}
}
