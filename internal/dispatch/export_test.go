package dispatch

// WithMaxItems returns the source with another bound of the items of one transaction.
func (d Digests) WithMaxItems(n int) Digests {
	d.maxItems = n
	return d
}
