package rule

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"carewire/internal/yamlnode"
)

// maxSource is the largest rule set that is read, in bytes; the default one has 2,000.
const maxSource = 256 << 10

// maxEntries is above what a source of maxSource can list, which bounds the lists.
const maxEntries = maxSource

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
	r := newReader()
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
	ttl        text

	schedules   []rawSchedule
	digest      *rawDigest
	throttle    *rawThrottle
	escalations []rawEscalation
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
	yaml yamlnode.Reader
	errs Errors
	rule string
}

func newReader() *reader {
	r := &reader{}
	r.yaml = yamlnode.Reader{MaxSource: maxSource, Empty: noRules, Fail: r.fail}
	return r
}

const noRules = "begin with `rules:` and a list below it, or `rules: []` for none"

func (r *reader) fail(line int, field, format string, args ...any) {
	r.errs = append(r.errs, Error{Line: max(line, 1), Rule: r.rule, Field: field, Message: fmt.Sprintf(format, args...)})
}

// set reads the whole source.
func (r *reader) set(src []byte) []*rawRule {
	root := r.yaml.Parse(src)
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
		r.fail(1, "rules", "is missing: "+noRules)
	}
	return raws
}

func (r *reader) readRule(i int, node ast.Node) *rawRule {
	raw := &rawRule{label: label(i, node), line: yamlnode.Line(node)}
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
			raw.imported = r.yaml.Bool(value, key)
		case "unverified":
			raw.unverified = r.yaml.Bool(value, key)
		case "ttl":
			if number, ok := value.(*ast.IntegerNode); ok {
				r.fail(yamlnode.Line(value), key, notDuration, number.String())
				return true
			}
			raw.ttl = r.text(value, key)
		case "schedule":
			raw.schedules = r.schedules(value)
		case "digest":
			raw.digest = r.digest(value)
		case "throttle":
			raw.throttle = r.throttle(value)
		case "escalate":
			raw.escalations = r.escalations(value)
		default:
			return false
		}
		return true
	}, "name", "on", "when", "recipients", "channels", "fallback", "priority", "category", "template", "imported", "unverified", "ttl",
		"schedule", "digest", "throttle", "escalate")
	return raw
}

// label returns the rule's name, in whichever position it is written, so that every error contains
// it; or "#3" for the third rule.
func label(i int, node ast.Node) string {
	if m, ok := node.(ast.MapNode); ok {
		for it := m.MapRange(); it.Next(); {
			if s, ok := it.Value().(*ast.StringNode); ok && yamlnode.Key(it.Key()) == "name" && nameForm.MatchString(s.Value) {
				return s.Value
			}
		}
	}
	return fmt.Sprintf("#%d", i+1)
}

func (r *reader) recipient(i int, node ast.Node) rawRecipient {
	return r.recipientIn(fmt.Sprintf("recipients[%d]", i), node)
}

func (r *reader) recipientIn(field string, node ast.Node) rawRecipient {
	raw := rawRecipient{field: field, line: yamlnode.Line(node)}
	r.each(node, raw.field, func(key string, value ast.Node) bool {
		raw.has = append(raw.has, key)
		switch key {
		case "user":
			raw.user = r.text(value, raw.field+".user")
		case "role":
			raw.roles = r.texts(value, raw.field+".role")
		case "careTeam":
			if _, ok := value.(*ast.BoolNode); ok {
				r.fail(yamlnode.Line(value), raw.field+".careTeam", "want a list of roles, such as careTeam: [doctor, nurse]")
				return true
			}
			raw.team = r.texts(value, raw.field+".careTeam")
		case "actor":
			if raw.actor = r.yaml.Bool(value, raw.field+".actor"); !raw.actor {
				r.fail(yamlnode.Line(value), raw.field+".actor", "want true; remove it otherwise")
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
	r.yaml.Each(node, field, func(key string, _ int, value ast.Node) bool { return fn(key, value) }, known...)
}

// list returns the entries of the list of rules, which may be empty.
func (r *reader) list(node ast.Node, field string) []ast.Node {
	if s, ok := node.(*ast.SequenceNode); ok && len(s.Values) == 0 {
		return nil
	}
	return r.filled(node, field)
}

// filled returns the entries of a list, and records an error for an empty one.
func (r *reader) filled(node ast.Node, field string) []ast.Node {
	return r.yaml.List(node, field, maxEntries)
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
	t := r.yaml.Text(node, field)
	if t.Line == 0 {
		return text{}
	}
	return text{value: strings.TrimSpace(t.Value), line: yamlnode.Line(node)}
}
