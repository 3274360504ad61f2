package rule

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/pmezard/go-difflib/difflib"
)

// contextLines is how many lines that are alike stand around each change, as diff -u has it.
const contextLines = 3

// Comparison is how two rule sets differ.
type Comparison struct {
	// Text is a unified diff; empty where the sources are the same.
	Text string
	// Added, Removed and Changed name the rules, in the order of the set that they stand in (Changed: of the second). A
	// rule counts as changed when it says something else, not when only its lines or comments do. Never nil.
	Added, Removed, Changed []string
}

// Compare tells how one source differs from another; fromName and toName head the unified diff. The sources need not
// pass the checks. One that is no YAML list of rules has none to name: the error then says which, and only Text counts.
func Compare(fromName, toName string, from, to []byte) (Comparison, error) {
	c := Comparison{Added: []string{}, Removed: []string{}, Changed: []string{}}
	var err error
	c.Text, err = difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: lines(from), B: lines(to), FromFile: fromName, ToFile: toName, Context: contextLines,
	})
	if err != nil {
		return c, fmt.Errorf("compare rule sets: %w", err)
	}
	before, err := written(fromName, from)
	if err != nil {
		return c, err
	}
	after, err := written(toName, to)
	if err != nil {
		return c, err
	}
	for _, name := range before.names {
		if _, still := after.rules[name]; !still {
			c.Removed = append(c.Removed, name)
		}
	}
	for _, name := range after.names {
		switch old, was := before.rules[name]; {
		case !was:
			c.Added = append(c.Added, name)
		case !reflect.DeepEqual(old, after.rules[name]):
			c.Changed = append(c.Changed, name)
		}
	}
	return c, nil
}

// lines splits a source, each line with its end. The last has one too: whether the file does is no difference.
func lines(src []byte) []string {
	all := strings.SplitAfter(string(src), "\n")
	last := len(all) - 1
	if all[last] == "" {
		return all[:last]
	}
	all[last] += "\n"
	return all
}

// writtenSet is what a source says, rule by rule, whether it may or not.
type writtenSet struct {
	names []string
	rules map[string]any
}

func written(name string, src []byte) (set writtenSet, err error) {
	unreadable := fmt.Errorf("%s is no YAML with a list of rules", name)
	defer func() { // The parser is not ours.
		if recover() != nil {
			err = unreadable
		}
	}()
	set.rules = map[string]any{}
	r := &reader{}
	root, ok := r.parse(src).(ast.MapNode)
	if !ok {
		return set, unreadable
	}
	for it := root.MapRange(); it.Next(); {
		if keyOf(it.Key()) != "rules" {
			continue
		}
		for i, node := range r.list(it.Value(), "rules") {
			var value any
			if yaml.NodeToValue(node, &value) != nil {
				return set, unreadable
			}
			name := label(i, node)
			if _, twice := set.rules[name]; !twice {
				set.names = append(set.names, name)
			}
			set.rules[name] = value
		}
	}
	if len(r.errs) > 0 {
		return set, unreadable
	}
	return set, nil
}
