package event

import (
	"fmt"
	"regexp"
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

func matchSegments(pattern, typ []string) bool {
	for i, seg := range pattern {
		if seg == "**" {
			for skip := 0; i+skip <= len(typ); skip++ {
				if matchSegments(pattern[i+1:], typ[i+skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(typ) || (seg != "*" && seg != typ[i]) {
			return false
		}
	}
	return len(pattern) == len(typ)
}
