package rule

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

// maxSource is the largest rule set that is read, in bytes; the default one has 2,000.
const maxSource = 256 << 10

// Known holds the names that a set is checked against, in addition to the event catalog.
type Known struct {
	// Channels names the channels that a rule may use.
	Channels []string
	// Template reports whether there is a template of that name for the channel. Nil accepts every
	// name.
	Template func(name, channel string) bool
}

// Parse returns a rule set after checking all of it. The error is of type Errors and contains every
// mistake.
func Parse(src []byte, known Known) (*Set, error) { return load(src, known, false) }

// Load is Parse for a set that was published: it leaves out the checks that only predict that a
// condition fails on events, so that a new check does not block a set in force. Such a condition
// fails when it is evaluated, and is counted then.
func Load(src []byte, known Known) (*Set, error) { return load(src, known, true) }

func load(src []byte, known Known, published bool) (*Set, error) {
	r := &reader{}
	raws := r.set(src)
	c := checker{reader: r, known: known, published: published, names: map[string]int{}}
	set := c.check(raws)
	if len(r.errs) > 0 {
		return nil, r.errs.sorted()
	}
	return set, nil
}

// text is a value with its line; line 0 means that it is missing.
type text struct {
	value string
	line  int
}

// rawRule is a rule of the right structure that is not checked yet.
type rawRule struct {
	label      string // Its name, or "#3".
	line       int
	has        []string // The fields that are present, valid or not.
	name       text
	on         text
	when       text
	recipients []rawRecipient
	channels   []text
	fallback   []text
	priority   text
	category   text
	template   text
	imported   bool
	unverified bool
}

type rawRecipient struct {
	field  string // "recipients[0]"
	line   int
	has    []string
	user   text
	roles  []text
	team   []text
	actor  bool
	unless text
}

// reader reads raw rules from YAML. It records an error for unknown fields and continues, to find
// every mistake.
type reader struct {
	errs Errors
	rule string
}

func (r *reader) fail(line int, field, format string, args ...any) {
	r.errs = append(r.errs, Error{Line: max(line, 1), Rule: r.rule, Field: field, Message: fmt.Sprintf(format, args...)})
}

// set reads the whole source.
func (r *reader) set(src []byte) []*rawRule {
	root := r.parse(src)
	if root == nil {
		return nil
	}
	var raws []*rawRule
	found := false
	r.each(root, "", func(key string, value ast.Node) bool {
		if key != "rules" {
			return false
		}
		found = true
		for i, item := range r.list(value, "rules") {
			raws = append(raws, r.readRule(i, item))
		}
		return true
	}, "rules")
	if !found && len(r.errs) == 0 {
		r.fail(1, "rules", "is missing: begin with `rules:` and a list below it, or `rules: []` for none")
	}
	return raws
}

// parse returns the source's only document. A source that makes the YAML parser panic is reported
// as invalid YAML.
func (r *reader) parse(src []byte) (root ast.Node) {
	defer func() {
		if recover() != nil {
			r.fail(1, "", "invalid YAML")
			root = nil
		}
	}()
	if len(src) > maxSource {
		r.fail(1, "", "the set has %d bytes; want at most %d", len(src), maxSource)
		return nil
	}
	tokens := lexer.Tokenize(string(src))
	if !r.bounded(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if syntax, ok := errors.AsType[yaml.Error](err); ok && syntax.GetToken() != nil {
			r.fail(syntax.GetToken().Position.Line, "", "invalid YAML: %s (quote a pattern that begins with *)", syntax.GetMessage())
		} else {
			r.fail(1, "", "invalid YAML: %v", err)
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
		r.fail(1, "rules", "is missing: begin with `rules:` and a list below it, or `rules: []` for none")
		return nil
	case 1:
		return docs[0]
	default:
		r.fail(line(docs[1]), "", "second document; put all rules into the first")
		return nil
	}
}

func (r *reader) readRule(i int, node ast.Node) *rawRule {
	raw := &rawRule{label: label(i, node), line: line(node)}
	r.rule = raw.label
	defer func() { r.rule = "" }()
	r.each(node, "", func(key string, value ast.Node) bool {
		raw.has = append(raw.has, key)
		switch key {
		case "name":
			raw.name = r.text(value, key)
		case "on":
			raw.on = r.text(value, key)
		case "when":
			raw.when = r.text(value, key)
		case "recipients":
			for j, item := range r.filled(value, key) {
				raw.recipients = append(raw.recipients, r.recipient(j, item))
			}
		case "channels":
			raw.channels = r.texts(value, key)
		case "fallback":
			if s, ok := value.(*ast.SequenceNode); !ok || len(s.Values) > 0 {
				raw.fallback = r.texts(value, key)
			}
		case "priority":
			raw.priority = r.text(value, key)
		case "category":
			raw.category = r.text(value, key)
		case "template":
			raw.template = r.text(value, key)
		case "imported":
			raw.imported = r.boolean(value, key)
		case "unverified":
			raw.unverified = r.boolean(value, key)
		case "schedule", "digest", "escalate":
			r.fail(line(value), key, "is not supported yet; remove it")
		default:
			return false
		}
		return true
	}, "name", "on", "when", "recipients", "channels", "fallback", "priority", "category", "template", "imported", "unverified")
	return raw
}

// label returns the rule's name, in whichever position it is written, so that every error contains
// it; or "#3" for the third rule.
func label(i int, node ast.Node) string {
	if m, ok := node.(ast.MapNode); ok {
		for it := m.MapRange(); it.Next(); {
			if s, ok := it.Value().(*ast.StringNode); ok && keyOf(it.Key()) == "name" && nameForm.MatchString(s.Value) {
				return s.Value
			}
		}
	}
	return fmt.Sprintf("#%d", i+1)
}

func (r *reader) recipient(i int, node ast.Node) rawRecipient {
	raw := rawRecipient{field: fmt.Sprintf("recipients[%d]", i), line: line(node)}
	r.each(node, raw.field, func(key string, value ast.Node) bool {
		raw.has = append(raw.has, key)
		switch key {
		case "user":
			raw.user = r.text(value, raw.field+".user")
		case "role":
			raw.roles = r.texts(value, raw.field+".role")
		case "careTeam":
			if _, ok := value.(*ast.BoolNode); ok {
				r.fail(line(value), raw.field+".careTeam", "want a list of roles, such as careTeam: [doctor, nurse]")
				return true
			}
			raw.team = r.texts(value, raw.field+".careTeam")
		case "actor":
			if raw.actor = r.boolean(value, raw.field+".actor"); !raw.actor {
				r.fail(line(value), raw.field+".actor", "want true; remove it otherwise")
			}
		case "unless":
			raw.unless = r.text(value, raw.field+".unless")
		default:
			return false
		}
		return true
	}, "user", "role", "careTeam", "actor", "unless")
	return raw
}

// each calls fn for every key of a mapping. fn reports whether it knows the key; known are the keys
// for the error message.
func (r *reader) each(node ast.Node, field string, fn func(key string, value ast.Node) bool, known ...string) {
	m, ok := node.(ast.MapNode)
	if !ok {
		r.fail(line(node), field, "want fields, got %s; use one or more of %s", kind(node), strings.Join(known, ", "))
		return
	}
	var seen []string
	for it := m.MapRange(); it.Next(); {
		key := keyOf(it.Key())
		at := strings.TrimPrefix(field+"."+key, ".")
		if slices.Contains(seen, key) {
			r.fail(line(it.Key()), at, "duplicate field")
			continue
		}
		seen = append(seen, key)
		if !fn(key, it.Value()) {
			r.fail(line(it.Key()), at, "unknown field; want one of %s", strings.Join(known, ", "))
		}
	}
}

func (r *reader) list(node ast.Node, field string) []ast.Node {
	s, ok := node.(*ast.SequenceNode)
	if !ok {
		r.fail(line(node), field, "want a list, got %s", kind(node))
		return nil
	}
	return s.Values
}

// filled returns the entries of a list, and records an error for an empty one.
func (r *reader) filled(node ast.Node, field string) []ast.Node {
	values := r.list(node, field)
	if s, ok := node.(*ast.SequenceNode); ok && len(s.Values) == 0 {
		r.fail(line(node), field, "empty list; want at least one entry")
	}
	return values
}

func (r *reader) texts(node ast.Node, field string) []text {
	var all []text
	for i, item := range r.filled(node, field) {
		if t := r.text(item, fmt.Sprintf("%s[%d]", field, i)); t.line > 0 {
			all = append(all, t)
		}
	}
	return all
}

func (r *reader) text(node ast.Node, field string) text {
	var value string
	switch n := node.(type) {
	case *ast.StringNode:
		value = n.Value
	case *ast.LiteralNode:
		value = n.Value.Value
	default:
		r.fail(line(node), field, "want text, got %s; quote it if it is meant as text", kind(node))
		return text{}
	}
	if value = strings.TrimSpace(value); value == "" {
		r.fail(line(node), field, "empty; write a value or remove the field")
		return text{}
	}
	return text{value: value, line: line(node)}
}

func (r *reader) boolean(node ast.Node, field string) bool {
	b, ok := node.(*ast.BoolNode)
	if !ok {
		r.fail(line(node), field, "want true or false, got %s", kind(node))
		return true
	}
	return b.Value
}

func keyOf(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return key.String()
}

func line(node ast.Node) int {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return line(m.Values[0].Key) // The mapping's own token is its first colon.
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
