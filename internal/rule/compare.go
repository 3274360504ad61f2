package rule

import (
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"carewire/internal/textdiff"
	"carewire/internal/yamlnode"
)

// Comparison describes the differences between two rule sets.
type Comparison struct {
	// Text is a unified diff; empty where the sources are the same.
	Text string
	// Added, Removed and Changed are the names of rules, in the order of their set (Changed: of the
	// second). A rule with different values counts as changed; different lines or comments alone do
	// not. Never nil.
	Added, Removed, Changed []string
}

// Compare returns the differences between two sources; fromName and toName are the headers of the
// unified diff. The sources need not pass the checks. For a source that is not a YAML list of rules
// it returns an error, and only Text is set.
func Compare(fromName, toName string, from, to []byte) (Comparison, error) {
	c := Comparison{Added: []string{}, Removed: []string{}, Changed: []string{}}
	var err error
	if c.Text, err = textdiff.Unified(fromName, toName, from, to); err != nil {
		return c, err
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

// writtenSet holds the unchecked rules of a source by name.
type writtenSet struct {
	names []string
	rules map[string]any
}

func written(name string, src []byte) (set writtenSet, err error) {
	unreadable := fmt.Errorf("%s: want YAML with a list of rules", name)
	defer func() { // The parser may panic.
		if recover() != nil {
			err = unreadable
		}
	}()
	set.rules = map[string]any{}
	r := newReader()
	root, ok := r.yaml.Parse(src).(ast.MapNode)
	if !ok {
		return set, unreadable
	}
	for it := root.MapRange(); it.Next(); {
		if yamlnode.Key(it.Key()) != "rules" {
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
