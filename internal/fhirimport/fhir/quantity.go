package fhir

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"carewire/internal/clinic/ehr"
)

// EHRQuantity returns the value and its unit, or nil if there is no value.
func (q *Quantity) EHRQuantity() *ehr.Quantity {
	if q == nil || q.Value == nil {
		return nil
	}
	return &ehr.Quantity{Value: *q.Value, Unit: q.UCUM()}
}

// Text returns the quantity as text, or "" if there is no value.
func (q *Quantity) Text() string {
	if q == nil || q.Value == nil {
		return ""
	}
	return strings.TrimSpace(q.Comparator + string(*q.Value) + " " + cmp.Or(q.Unit, q.Code))
}

// Duration returns FHIR's Duration with UCUM's units of time, or 0 if it has none.
func (q *Quantity) Duration() time.Duration {
	if q == nil || q.Value == nil {
		return 0
	}
	n, err := strconv.ParseFloat(string(*q.Value), 64)
	unit := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "wk": 7 * 24 * time.Hour}[q.Code]
	if err != nil || n <= 0 || n*float64(unit) > float64(366*24*time.Hour) {
		return 0
	}
	return time.Duration(n * float64(unit))
}

// Range is a range of amounts, of which either end may be missing.
type Range struct {
	Low  *Quantity `json:"low"`
	High *Quantity `json:"high"`
}

// Ratio is a ratio of two amounts.
type Ratio struct {
	Numerator   *Quantity `json:"numerator"`
	Denominator *Quantity `json:"denominator"`
}

// Text returns the range as text, or "" if it has no end.
func (r *Range) Text() string {
	if r == nil {
		return ""
	}
	low, high := r.Low.Text(), r.High.Text()
	switch {
	case low == "" && high == "":
		return ""
	case high == "":
		return "at least " + low
	case low == "":
		return "at most " + high
	}
	return low + " - " + high
}

// Text returns the ratio as text, or "" if it is empty.
func (r *Ratio) Text(per string) string {
	if r == nil || (r.Numerator.Text() == "" && r.Denominator.Text() == "") {
		return ""
	}
	return r.Numerator.Text() + per + r.Denominator.Text()
}
