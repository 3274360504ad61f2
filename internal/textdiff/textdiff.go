// Package textdiff compares texts by line.
package textdiff

import (
	"fmt"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// contextLines is the number of unchanged lines around each change, as in diff -u.
const contextLines = 3

// Unified returns the unified diff of two texts, with the names as its headers; empty where they are
// the same. A missing line end at the end of a text is no difference.
func Unified(fromName, toName string, from, to []byte) (string, error) {
	text, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(from), B: lines(to), FromFile: fromName, ToFile: toName, Context: contextLines,
	})
	if err != nil {
		return "", fmt.Errorf("compare %s with %s: %w", fromName, toName, err)
	}
	return text, nil
}

// lines returns the lines of a text, each with a line end, also the last.
func lines(src []byte) []string {
	all := strings.SplitAfter(string(src), "\n")
	last := len(all) - 1
	if all[last] == "" {
		return all[:last]
	}
	all[last] += "\n"
	return all
}
