package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	texttemplate "text/template"
	"text/template/parse"

	"carewire/internal/yamlnode"
)

// text is a compiled text in one locale.
type text struct {
	template *texttemplate.Template
	source   string
	line     int
	field    string
	// uses are the values that the text depends on.
	uses map[string]bool
	// words translates in the function word.
	words map[string]string
}

// render returns the text in one line: no template can add a second header to an email.
func (t *text) render(v *view) (string, error) {
	if t.uses == nil { // No action.
		return t.source, nil
	}
	var b strings.Builder
	if err := t.template.Execute(&b, v); err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(b.String()), " "), nil
}

const (
	// maxText bounds the source of one text, in bytes.
	maxText = 4_000
	// functionList is what a text can call, for error messages.
	functionList = "article, title, word, plural, list, date, day, and, or, not, eq, ne, lt, le, gt, ge"
)

// parseError is the form of the errors of text/template: its line within the text, and the mistake.
var parseError = regexp.MustCompile(`^template: [^:]*:(\d+):(?:\d+:)? ?(?:executing "[^"]*" at )?(.*)$`)

// compile returns the text, or nil after recording its mistakes.
func (c *compiler) compile(raw yamlnode.Text, field string, l *localeInfo) *text {
	if raw.Line == 0 {
		return nil
	}
	if len(raw.Value) > maxText {
		c.fail(raw.Line, field, "has %d bytes; want at most %d", len(raw.Value), maxText)
		return nil
	}
	t := &text{source: strings.Join(strings.Fields(raw.Value), " "), line: raw.Line, field: field, words: l.words}
	if !strings.Contains(raw.Value, "{{") {
		return t
	}
	parsed, err := texttemplate.New("text").Option("missingkey=error").Funcs(l.funcs).Parse(raw.Value)
	if err != nil {
		line, message := 1, err.Error()
		if m := parseError.FindStringSubmatch(message); m != nil {
			line, message = atoi(m[1]), m[2]
		}
		if strings.Contains(message, "function") && strings.Contains(message, "not defined") {
			message += "; want one of " + functionList
		}
		c.fail(lineAt(raw, line), field, "invalid template: %s", message)
		return nil
	}
	t.template, t.uses = parsed, map[string]bool{}
	check := &textChecker{compiler: c, raw: raw, field: field, locale: l, uses: t.uses, tree: parsed.Tree}
	for _, one := range parsed.Templates() {
		if one.Name() != "text" {
			check.fail(one.Root, "includes are not available; write the text out instead of {{template}}, {{define}} and {{block}}")
		}
	}
	if parsed.Tree == nil || parsed.Root == nil {
		c.fail(raw.Line, field, "is empty; write a text")
		return nil
	}
	check.list(parsed.Root)
	if check.failed {
		return nil
	}
	c.dated = c.dated || t.uses["Time"] || t.uses["StartsAt"] || t.uses["DueOn"]
	return t
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 1
	}
	return n
}

// lineAt returns the source's line of a line of the text, which counts from 1.
func lineAt(raw yamlnode.Text, line int) int {
	if raw.Literal {
		return raw.Line + line - 1
	}
	return raw.Line
}

// textChecker checks that a text has nothing but Values and the functions: no loops, so that its
// length is bounded, and no includes.
type textChecker struct {
	*compiler
	raw    yamlnode.Text
	field  string
	locale *localeInfo
	uses   map[string]bool
	tree   *parse.Tree
	failed bool
}

func (c *textChecker) fail(at parse.Node, format string, args ...any) {
	c.failed = true
	line := 1
	if at != nil {
		line += strings.Count(c.raw.Value[:min(int(at.Position()), len(c.raw.Value))], "\n")
	}
	c.compiler.fail(lineAt(c.raw, line), c.field, format, args...)
}

func (c *textChecker) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.TextNode, *parse.CommentNode:
		case *parse.ActionNode:
			c.pipe(n.Pipe, false)
		case *parse.IfNode:
			c.pipe(n.Pipe, true)
			c.list(n.List)
			c.list(n.ElseList)
		case *parse.TemplateNode:
			c.fail(n, "includes are not available; write the text out instead of {{template}}, {{define}} and {{block}}")
		case *parse.RangeNode:
			c.fail(n, "{{range}} is not available; write the text out")
		case *parse.WithNode:
			c.fail(n, "{{with}} is not available; use {{if}}")
		default:
			c.fail(n, "%s is not available; use values, {{if}} and the functions %s", n, functionList)
		}
	}
}

// pipe checks a pipeline. A condition may test dates.
func (c *textChecker) pipe(p *parse.PipeNode, condition bool) {
	if p == nil {
		return
	}
	if len(p.Decl) > 0 {
		c.fail(p, "variables are not available; use the values themselves")
	}
	for _, command := range p.Cmds {
		c.command(command, condition)
	}
}

func (c *textChecker) command(n *parse.CommandNode, condition bool) {
	function := ""
	if id, ok := n.Args[0].(*parse.IdentifierNode); ok {
		function = id.Ident
	}
	switch function {
	case "plural":
		c.plural(n)
	case "date", "day":
		c.date(n, function)
		return
	case "list":
		c.items(n)
		return
	case "and", "or", "not", "article", "title", "word", "eq", "ne", "lt", "le", "gt", "ge", "":
	default:
		c.fail(n, "function %s is not available; want one of %s", function, functionList)
		return
	}
	dates := condition && slices.Contains([]string{"", "and", "or", "not"}, function)
	for _, arg := range n.Args {
		switch arg := arg.(type) {
		case *parse.FieldNode:
			c.value(arg, dates)
		case *parse.PipeNode:
			c.pipe(arg, dates)
		case *parse.IdentifierNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
		default:
			c.fail(arg, "%s is not available; want one of %s", arg, valueList())
		}
	}
}

// value checks that the field is one of Values.
func (c *textChecker) value(n *parse.FieldNode, dates bool) {
	v, ok := valueOf(n.Ident[0])
	switch {
	case !ok || len(n.Ident) > 1:
		c.fail(n, "unknown value %s; want one of %s", n, valueList())
	case v.list:
		c.fail(n, "%s is a list: write {{list %s}}", n, n)
	case v.date && !dates:
		c.fail(n, "%s is a time: write {{if %s}}…{{date %s}}…{{end}}", n, n, n)
	}
	c.uses[n.Ident[0]] = true
}

func (c *textChecker) date(n *parse.CommandNode, function string) {
	if len(n.Args) == 2 {
		if field, ok := n.Args[1].(*parse.FieldNode); ok {
			if v, known := valueOf(field.Ident[0]); !known || v.date {
				if field.Ident[0] == "DueOn" && function == "date" {
					c.fail(n, "DueOn has no time of day; use {{day .DueOn}}")
				}
				c.value(field, true)
				return
			}
		}
	}
	c.fail(n, "want {{%s .StartsAt}}: one of the values .StartsAt, .DueOn and .Time", function)
}

// items checks {{list .Items}}.
func (c *textChecker) items(n *parse.CommandNode) {
	if len(n.Args) == 2 {
		if field, ok := n.Args[1].(*parse.FieldNode); ok && len(field.Ident) == 1 && field.Ident[0] == "Items" {
			c.uses["Items"] = true
			return
		}
	}
	c.fail(n, "want {{list .Items}}")
}

// plural checks {{plural .Count "one" "# result" "other" "# results"}}.
func (c *textChecker) plural(n *parse.CommandNode) {
	const want = `want {{plural .Count "one" "# item" "other" "# items"}}`
	if len(n.Args) < 2 || len(n.Args)%2 != 0 {
		c.fail(n, "plural: a category is without its text; %s", want)
		return
	}
	if field, ok := n.Args[1].(*parse.FieldNode); !ok || len(field.Ident) != 1 || field.Ident[0] != "Count" {
		c.fail(n, "plural: the number is not .Count; %s", want)
	}
	known := c.locale.categories()
	var seen []string
	for _, arg := range n.Args[2:] {
		if _, ok := arg.(*parse.StringNode); !ok {
			c.fail(n, "plural: categories and texts are in quotation marks; %s", want)
			return
		}
	}
	for i := 2; i < len(n.Args); i += 2 {
		category := n.Args[i].(*parse.StringNode).Text //nolint:forcetypeassert // Checked above.
		switch {
		case !slices.Contains(known, category):
			c.fail(n, "plural: unknown category %q in the locale %s; want one of %s", category, c.locale.name, strings.Join(known, ", "))
		case slices.Contains(seen, category):
			c.fail(n, "plural: duplicate category %q", category)
		}
		seen = append(seen, category)
	}
	if !slices.Contains(seen, "other") {
		c.fail(n, `plural: the category "other" is missing; %s`, want)
	}
}

func valueList() string {
	names := make([]string, len(Values))
	for i, v := range Values {
		names[i] = "." + v.Name
	}
	return strings.Join(names, ", ")
}

// executionError returns the mistake without the position that text/template adds.
func executionError(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		if deeper := errors.Unwrap(inner); deeper != nil {
			return deeper.Error()
		}
	}
	return fmt.Sprint(err)
}
