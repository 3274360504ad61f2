// Package yamlnode reads YAML sources that people write, with the line of every value, and reports
// every mistake instead of the first one.
package yamlnode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
)

// Reader reads a source of at most MaxSource bytes.
type Reader struct {
	MaxSource int
	// Empty is the mistake of an empty source: how it begins.
	Empty string
	// Fail records a mistake. The line counts from 1; the field is a path such as "email.subject".
	Fail func(line int, field, format string, args ...any)
}

// Text is a value with its line; line 0 means that it is missing.
type Text struct {
	Value string
	Line  int
	// Literal reports that the lines of the value are lines of the source, and Line is the first.
	Literal bool
}

// Parse returns the source's only document, or nil after a mistake. A source that makes the YAML
// parser panic is reported as invalid YAML.
func (r *Reader) Parse(src []byte) (root ast.Node) {
	defer func() {
		if recover() != nil {
			r.Fail(1, "", "invalid YAML")
			root = nil
		}
	}()
	if len(src) > r.MaxSource {
		r.Fail(1, "", "the set has %d bytes; want at most %d", len(src), r.MaxSource)
		return nil
	}
	tokens := lexer.Tokenize(string(src))
	if !r.bounded(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if syntax, ok := errors.AsType[yaml.Error](err); ok && syntax.GetToken() != nil {
			r.Fail(syntax.GetToken().Position.Line, "", "invalid YAML: %s (quote a text that begins with * or {, or contains a colon)", syntax.GetMessage())
		} else {
			r.Fail(1, "", "invalid YAML: %v", err)
		}
		return nil
	}
	var docs []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil {
			docs = append(docs, d.Body)
		}
	}
	switch len(docs) {
	case 0:
		r.Fail(1, "", "the source is empty: %s", r.Empty)
		return nil
	case 1:
		return docs[0]
	default:
		r.Fail(Line(docs[1]), "", "second document; put everything into the first")
		return nil
	}
}

// Each calls fn for every key of a mapping, with the line of the key. fn reports whether it knows the
// key; known are the keys for the error message.
func (r *Reader) Each(node ast.Node, field string, fn func(key string, line int, value ast.Node) bool, known ...string) {
	m, ok := node.(ast.MapNode)
	if !ok {
		r.Fail(Line(node), field, "want fields, got %s; use %s", kind(node), strings.Join(known, ", "))
		return
	}
	seen := map[string]bool{}
	for it := m.MapRange(); it.Next(); {
		key := Key(it.Key())
		at := strings.TrimPrefix(field+"."+key, ".")
		if seen[key] {
			r.Fail(Line(it.Key()), at, "duplicate field")
			continue
		}
		seen[key] = true
		if !fn(key, Line(it.Key()), it.Value()) {
			r.Fail(Line(it.Key()), at, "unknown field; want one of %s", strings.Join(known, ", "))
		}
	}
}

// List returns the entries of a list, and records an error for an empty one or one with more than
// most entries.
func (r *Reader) List(node ast.Node, field string, most int) []ast.Node {
	s, ok := node.(*ast.SequenceNode)
	switch {
	case !ok:
		r.Fail(Line(node), field, "want a list, got %s", kind(node))
		return nil
	case len(s.Values) == 0:
		r.Fail(Line(node), field, "is empty; want at least one entry")
	case len(s.Values) > most:
		r.Fail(Line(node), field, "has %d entries; want at most %d", len(s.Values), most)
		return nil
	}
	return s.Values
}

// Texts returns the texts of a list of at most most entries.
func (r *Reader) Texts(node ast.Node, field string, most int) []Text {
	var all []Text
	for i, item := range r.List(node, field, most) {
		if t := r.Text(item, fmt.Sprintf("%s[%d]", field, i)); t.Line > 0 {
			all = append(all, t)
		}
	}
	return all
}

// Text returns a text that is not empty.
func (r *Reader) Text(node ast.Node, field string) Text {
	t := Text{Line: Line(node)}
	switch n := node.(type) {
	case *ast.StringNode:
		t.Value = n.Value
	case *ast.LiteralNode:
		t.Value, t.Literal = n.Value.Value, n.Start.Value == "|"
		if t.Literal {
			t.Line++
		}
	default:
		r.Fail(Line(node), field, "want text, got %s; quote it if it is meant as text", kind(node))
		return Text{}
	}
	if strings.TrimSpace(t.Value) == "" {
		r.Fail(Line(node), field, "is empty; write a value or remove the field")
		return Text{}
	}
	return t
}

// Int returns a number between least and most.
func (r *Reader) Int(node ast.Node, field string, least, most uint64) int {
	n, ok := node.(*ast.IntegerNode)
	if ok {
		if v, ok := n.Value.(uint64); ok && v >= least && v <= most {
			return int(v) // most is small.
		}
	}
	r.Fail(Line(node), field, "want a whole number from %d to %d", least, most)
	return 0
}

// Bool returns a truth value.
func (r *Reader) Bool(node ast.Node, field string) bool {
	b, ok := node.(*ast.BoolNode)
	if !ok {
		r.Fail(Line(node), field, "want true or false, got %s", kind(node))
		return true
	}
	return b.Value
}

// Has reports whether a mapping has one of the keys.
func Has(node ast.Node, keys ...string) bool {
	m, ok := node.(ast.MapNode)
	if !ok {
		return false
	}
	for it := m.MapRange(); it.Next(); {
		if slices.Contains(keys, Key(it.Key())) {
			return true
		}
	}
	return false
}

// Key returns the name of a key.
func Key(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return key.String()
}

// Line returns the line of a node.
func Line(node ast.Node) int {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return Line(m.Values[0].Key) // The mapping's own token is its first colon.
	}
	if node == nil || node.GetToken() == nil {
		return 1
	}
	return node.GetToken().Position.Line
}

func kind(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case *ast.AliasNode, *ast.AnchorNode, *ast.MergeKeyNode:
		return "an anchor or alias, which is not supported"
	case *ast.TagNode:
		return "a tag, which is not supported"
	case ast.MapNode:
		return "fields"
	case *ast.SequenceNode:
		return "a list"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "a number"
	default:
		return "a " + node.Type().YAMLName()
	}
}
