// Package etag formats versions as entity tags and evaluates the preconditions that name them (RFC
// 9110, sections 8.8.3 and 13.1).
package etag

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// maxTags bounds the tags of one header.
const maxTags = 100

// errForm is the error of a header that is not a list of entity tags.
var errForm = errors.New(`must be *, or entity tags in quotes separated by commas, such as "3"`)

// Of returns a version as a strong entity tag.
func Of(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// List is the value of an If-Match or If-None-Match header.
type List struct {
	// Any is true for *, which matches every current version.
	Any bool
	// Strong and Weak are the versions that the tags name. Tags that this service did not make match
	// no version and are left out.
	Strong, Weak []int64
}

// Parse returns the tags of a header. Several header lines are joined with commas. The error
// describes the form; it does not repeat the value.
func Parse(header string) (List, error) {
	if strings.TrimSpace(header) == "*" {
		return List{Any: true}, nil
	}
	var list List
	rest, found := header, 0
	for {
		rest = strings.TrimLeft(rest, " \t,") // Empty elements are ignored (section 5.6.1.2).
		if rest == "" {
			break
		}
		weak := strings.HasPrefix(rest, "W/")
		opaque, after, ok := cutTag(strings.TrimPrefix(rest, "W/"))
		if found++; !ok || found > maxTags {
			return List{}, errForm
		}
		if after = strings.TrimLeft(after, " \t"); after != "" && after[0] != ',' {
			return List{}, errForm
		}
		rest = after
		if version, ok := versionIn(opaque); ok && weak {
			list.Weak = append(list.Weak, version)
		} else if ok {
			list.Strong = append(list.Strong, version)
		}
	}
	if found == 0 {
		return List{}, errForm
	}
	return list, nil
}

// cutTag returns the text between the quotes at the beginning of s, and the rest after them.
func cutTag(s string) (opaque, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	end := strings.IndexByte(s[1:], '"')
	if end < 0 {
		return "", "", false
	}
	opaque = s[1 : 1+end]
	for i := range len(opaque) {
		if c := opaque[i]; c < '!' || c == 0x7f {
			return "", "", false
		}
	}
	return opaque, s[end+2:], true
}

// versionIn returns the version in the text of a tag of this service.
func versionIn(opaque string) (int64, bool) {
	version, err := strconv.ParseInt(opaque, 10, 64)
	return version, err == nil && version > 0 && Of(version) == `"`+opaque+`"`
}

// Matches reports whether the tags name the version by strong comparison, as If-Match requires
// (section 13.1.1): a weak tag never matches.
func (l List) Matches(version int64) bool { return l.Any || slices.Contains(l.Strong, version) }

// MatchesWeakly reports whether the tags name the version by weak comparison, as If-None-Match
// requires (section 13.1.2).
func (l List) MatchesWeakly(version int64) bool {
	return l.Matches(version) || slices.Contains(l.Weak, version)
}
