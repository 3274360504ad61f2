package httpapi

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"carewire/internal/care"
	"carewire/internal/httpapi/problem"
)

// checkQuery refuses an invalid query string, a parameter that cannot be stored, a duplicate
// parameter, and one without a value, which would otherwise count as left out: a filter that a
// client computed as empty must not list everything. The socket ignores duplicates.
func checkQuery(u *url.URL) error {
	if u.RawQuery == "" {
		return nil
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return care.Errorf(care.Malformed, "invalid query string: it has an incomplete escape or a semicolon")
	}
	for name, all := range values {
		for _, value := range append(all, name) {
			if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				return care.InvalidField(problem.FieldName(name), "contains a NUL character or invalid UTF-8")
			}
		}
		if u.Path == SocketPath {
			continue
		}
		if len(all) > 1 {
			return care.InvalidField(problem.FieldName(name), "has %d values; send one", len(all))
		}
		if all[0] == "" && name != "cursor" && name != "after" { // Without a value, the first page.
			return care.InvalidField(problem.FieldName(name), "has no value; send one, or leave the parameter out")
		}
	}
	return nil
}
