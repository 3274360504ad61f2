package ehr

import (
	"fmt"
	"slices"
	"strings"

	"carewire/internal/care"
)

// maxList bounds the lists inside a body, because every reader of the record pays for their length.
const maxList = 100

// noteLength bounds remarks; longer texts belong in clinical notes.
const noteLength = 10_000

// Quantity is an amount with its unit.
type Quantity struct {
	Value Decimal `json:"value"`
	Unit  string  `json:"unit,omitempty" maxLength:"50" doc:"The unit, in UCUM; a counted unit in braces or plain: {tablet}." example:"mg"`
}

// checkQuantity ignores nil.
func checkQuantity(errs *care.FieldErrors, path string, q *Quantity) {
	if q == nil {
		return
	}
	q.Value.check(errs, path+".value")
	checkUnit(errs, path+".unit", q.Unit)
}

// Period is the time from Start to End; a nil side is open.
type Period struct {
	Start *Time `json:"start,omitempty"`
	End   *Time `json:"end,omitempty"`
}

// checkPeriod ignores nil.
func checkPeriod(errs *care.FieldErrors, path string, period *Period) {
	if period == nil {
		return
	}
	checkTime(errs, path+".start", period.Start)
	if period.End != nil && period.End.fault != nil {
		errs.Add(path+".end", "%s", period.End.fault.Error())
	}
	if period.End != nil && period.Start != nil && period.End.before(*period.Start) {
		errs.Add(path+".end", "must not be before the start")
	}
}

// checkPast ignores nil.
func checkPast(errs *care.FieldErrors, path string, period *Period) {
	if period != nil {
		checkHappened(errs, path+".start", period.Start)
		checkHappened(errs, path+".end", period.End)
	}
}

// oneOf adds an error unless the value is in the set or empty.
func oneOf(errs *care.FieldErrors, path, value string, set ...string) {
	if value != "" && !slices.Contains(set, value) {
		errs.Add(path, "must be one of %s", strings.Join(set, ", "))
	}
}

// each checks the items of a list of at most limit items, each with its path. A longer list adds
// one error instead of up to a million.
func each[T any](errs *care.FieldErrors, path string, list []T, limit int, check func(errs *care.FieldErrors, path string, item T)) {
	if len(list) > limit {
		errs.Add(path, "must have at most %d items", limit)
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

// eachOf checks that all values of a list are in the set.
func eachOf(errs *care.FieldErrors, path string, list []string, set ...string) {
	each(errs, path, list, maxList, func(errs *care.FieldErrors, path, value string) {
		if !slices.Contains(set, value) {
			errs.Add(path, "must be one of %s", strings.Join(set, ", "))
		}
	})
}
