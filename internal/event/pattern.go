package event

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Pattern matches event types: "*" matches exactly one segment, "**" any number, including none.
type Pattern string

var patternForm = regexp.MustCompile(`^(\*\*?|[a-z][a-z0-9_]*)(\.(\*\*?|[a-z][a-z0-9_]*))*$`)

// Validate returns an error if the pattern is malformed.
func (p Pattern) Validate() error {
	if !patternForm.MatchString(string(p)) {
		return fmt.Errorf("invalid pattern %q; want lower-case names, * or **, joined by dots", string(p))
	}
	return nil
}

// Match reports whether the type matches.
func (p Pattern) Match(typ string) bool {
	return matchSegments(strings.Split(string(p), "."), strings.Split(typ, "."))
}

// matchSegments backtracks only to the last "**": the earlier ones cannot change the result. The
// time is thus at most the pattern's length times the type's.
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
