package event

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Pattern matches event types: "*" stands for exactly one segment, "**" for any number, also none.
type Pattern string

var patternForm = regexp.MustCompile(`^(\*\*?|[a-z][a-z0-9_]*)(\.(\*\*?|[a-z][a-z0-9_]*))*$`)

// Validate says what is wrong with the pattern's form, or nil.
func (p Pattern) Validate() error {
	if !patternForm.MatchString(string(p)) {
		return fmt.Errorf("pattern %q: segments are lower-case names, * or **, joined by dots", string(p))
	}
	return nil
}

// Match reports whether the type matches.
func (p Pattern) Match(typ string) bool {
	return matchSegments(strings.Split(string(p), "."), strings.Split(typ, "."))
}

// matchSegments goes back only to the last "**" that it passed: the ones before it have no more to give. So a pattern of
// many takes no longer than its length times the type's.
func matchSegments(pattern, typ []string) bool {
	p, last, given := 0, -1, 0 // The place of the last "**", and how far into the type it reaches.
	for t := 0; t < len(typ); {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			last, given = p, t
			p++
		case p < len(pattern) && (pattern[p] == "*" || pattern[p] == typ[t]):
			p++
			t++
		case last >= 0:
			given++
			p, t = last+1, given
		default:
			return false
		}
	}
	return !slices.ContainsFunc(pattern[p:], func(seg string) bool { return seg != "**" })
}
