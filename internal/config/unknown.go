package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

const (
	prefix = "CAREWIRE_"
	// maxTypos is the edit distance up to which an unknown variable is taken for a misspelt setting.
	maxTypos = 2
)

// foreign are the prefixes of variables that others set: Kubernetes for a Service named carewire,
// and the tests.
var foreign = []string{prefix + "SERVICE_", prefix + "PORT", prefix + "TEST_"}

// settingNames returns the names of all settings.
func settingNames() (names []string) {
	for f := range reflect.TypeFor[Config]().Fields() {
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// checkNames looks for variables that begin like settings but are none. One that is close to the
// name of a setting is an error, because the setting would silently keep its default. Any other is
// returned with a warning: it may belong to another release or to an extension.
func checkNames(environ []string) (warnings []string, err error) {
	known := settingNames()
	var errs []error
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || slices.Contains(known, name) ||
			slices.ContainsFunc(foreign, func(f string) bool { return strings.HasPrefix(name, f) }) {
			continue
		}
		nearest, typos := nearestName(name, known)
		base, isFile := strings.CutSuffix(name, "_FILE")
		switch {
		case isFile && slices.Contains(known, base):
			errs = append(errs, fmt.Errorf("%s: %s cannot be read from a file; set %[2]s itself", name, base))
		case typos <= maxTypos:
			errs = append(errs, fmt.Errorf("%s: unknown setting; did you mean %s?", name, nearest))
		default:
			warnings = append(warnings, fmt.Sprintf("unknown setting %s is ignored; the most similar one is %s", name, nearest))
		}
	}
	return warnings, errors.Join(errs...)
}

// nearestName returns the known name with the smallest edit distance.
func nearestName(name string, known []string) (nearest string, distance int) {
	distance = len(name) + 1
	for _, candidate := range known {
		if d := editDistance(name, candidate); d < distance {
			nearest, distance = candidate, d
		}
	}
	return nearest, distance
}

// editDistance returns the number of inserted, deleted, replaced or swapped neighboring bytes that
// turn a into b (optimal string alignment).
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
