package ehr

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"carewire/internal/care"
)

// maxList bounds the lists inside a body: a list without end costs everybody who reads the record.
const maxList = 100

// noteLength bounds remarks in words; longer texts are what clinical notes are for.
const noteLength = 10_000

// Quantity is an amount with its unit.
type Quantity struct {
	Value Decimal `json:"value"`
	Unit  string  `json:"unit,omitempty" maxLength:"50" doc:"The unit, in UCUM; what is counted in braces or as it is: {tablet}." example:"mg"`
}

// checkQuantity accepts nil.
func checkQuantity(errs *care.FieldErrors, path string, q *Quantity) {
	if q == nil {
		return
	}
	q.Value.check(errs, path+".value")
	checkUnit(errs, path+".unit", q.Unit)
}

// Period is from one time to another; what is left out is open.
type Period struct {
	Start *time.Time `json:"start,omitempty" format:"date-time"`
	End   *time.Time `json:"end,omitempty" format:"date-time"`
}

// checkPeriod accepts nil.
func checkPeriod(errs *care.FieldErrors, path string, period *Period) {
	if period == nil {
		return
	}
	checkTime(errs, path+".start", period.Start)
	if period.End != nil && period.Start != nil && period.End.Before(*period.Start) {
		errs.Add(path+".end", "must not be before the start")
	}
}

// checkPast accepts nil.
func checkPast(errs *care.FieldErrors, path string, period *Period) {
	if period != nil {
		checkHappened(errs, path+".start", period.Start)
		checkHappened(errs, path+".end", period.End)
	}
}

// checkTime accepts nil. What is planned may be far ahead.
func checkTime(errs *care.FieldErrors, path string, t *time.Time) {
	if t != nil && (t.Before(earliest) || t.After(time.Now().AddDate(50, 0, 0))) {
		errs.Add(path, "must be from %s to fifty years from now", earliest.Format(time.RFC3339))
	}
}

// oneOf notes a problem unless the value is one of the set; an empty text is no value at all.
func oneOf(errs *care.FieldErrors, path, value string, set ...string) {
	if value != "" && !slices.Contains(set, value) {
		errs.Add(path, "must be one of %s", strings.Join(set, ", "))
	}
}

// each checks the items of a list of at most limit, each with its path. A longer list is one problem, not a message for
// each of what may be a million.
func each[T any](errs *care.FieldErrors, path string, list []T, limit int, check func(errs *care.FieldErrors, path string, item T)) {
	if len(list) > limit {
		errs.Add(path, "must be at most %d", limit)
		return
	}
	for i, item := range list {
		check(errs, fmt.Sprintf("%s[%d]", path, i), item)
	}
}

// eachCode checks a list of codes.
func eachCode(errs *care.FieldErrors, path string, list []Coding) {
	each(errs, path, list, maxList, func(errs *care.FieldErrors, path string, c Coding) { c.check(errs, path) })
}

// eachOf checks a list of words of a set.
func eachOf(errs *care.FieldErrors, path string, list []string, set ...string) {
	each(errs, path, list, maxList, func(errs *care.FieldErrors, path, value string) {
		if !slices.Contains(set, value) {
			errs.Add(path, "must be one of %s", strings.Join(set, ", "))
		}
	})
}
