package template

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	yamlparser "github.com/goccy/go-yaml/parser"

	"carewire/internal/care"
)

// maxSource bounds the source of a set, in bytes.
const maxSource = 1 << 20

// Options are what a set is checked against.
type Options struct {
	// Channels are those of the messages; none means care.BuiltinChannels.
	Channels care.Channels
	// ImageHosts are the hosts from which a message may show images.
	ImageHosts []string
}

// Brand is how a clinic's messages look. An empty field has the look of the service.
type Brand struct {
	// DisplayName is the name that the clinic chose for its messages.
	DisplayName string
	// LogoURL is an https URL on an allowed host.
	LogoURL string
	// Color is #rrggbb.
	Color string
	// ReplyTo is the address for answers to emails.
	ReplyTo string
}

// Error is one mistake in a template set.
type Error struct {
	// File is the file's name, if set by Errors.In.
	File string
	// Line counts from 1.
	Line int
	// Template is the template's name; empty for an error outside the templates.
	Template string
	// Field is the path inside the template, such as "email.subject".
	Field string
	// Message describes the mistake and its correction.
	Message string
}

// Error implements error. The format is FILE:LINE: template NAME: FIELD: message.
func (e Error) Error() string {
	where := fmt.Sprintf("line %d: ", e.Line)
	if e.File != "" {
		where = fmt.Sprintf("%s:%d: ", e.File, e.Line)
	}
	if e.Template != "" {
		where += "template " + e.Template + ": "
	}
	if e.Field != "" {
		where += e.Field + ": "
	}
	return where + e.Message
}

// Errors lists every mistake in a template set, in the order of its lines.
type Errors []Error

// Error implements error. It returns one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// In returns a copy of the errors with the name of their file.
func (e Errors) In(file string) Errors {
	named := slices.Clone(e)
	for i := range named {
		named[i].File = file
	}
	return named
}

// Source returns the built-in set as one YAML text.
func Source() []byte { return slices.Clone(builtinSource()) }

var builtinSource = sync.OnceValue(func() []byte {
	sub, err := fs.Sub(embedded, "builtin")
	if err != nil {
		panic(err)
	}
	names, err := fs.Glob(sub, "*.yaml")
	if err != nil {
		panic(err)
	}
	var b, frame bytes.Buffer
	b.WriteString("templates:\n")
	for _, name := range names {
		src, err := fs.ReadFile(sub, name)
		if err != nil {
			panic(err)
		}
		key := strings.TrimSuffix(name, ".yaml")
		if key == frameName {
			fmt.Fprintf(&frame, "frame:\n%s", indent(src, "  "))
			continue
		}
		fmt.Fprintf(&b, "  %s:\n%s", key, indent(src, "    "))
	}
	return append(b.Bytes(), frame.Bytes()...)
})

func indent(src []byte, by string) string {
	var b strings.Builder
	for line := range strings.Lines(string(src)) {
		b.WriteString(by + line)
	}
	return b.String()
}

// Parse returns a set after checking all of it. The error is of type Errors.
func Parse(src []byte, options Options) (*Set, error) {
	if len(src) > maxSource {
		return nil, Errors{{Line: 1, Message: fmt.Sprintf("the set has %d bytes; want at most %d", len(src), maxSource)}}
	}
	var file struct {
		Templates map[string]any `yaml:"templates"`
		Frame     any            `yaml:"frame"`
	}
	if err := yaml.UnmarshalWithOptions(src, &file, yaml.Strict()); err != nil {
		return nil, Errors{yamlError(err, "", 0)}
	}
	t := &Set{channels: options.Channels, byKey: map[string]*wording{}, frames: map[string]*frame{}}
	if len(t.channels) == 0 {
		t.channels = care.BuiltinChannels
	}
	sub, err := fs.Sub(embedded, "builtin")
	if err != nil {
		return nil, err
	}
	t.layoutHTML = htmltemplate.Must(htmltemplate.New("layout.html").Option("missingkey=error").ParseFS(sub, "layout.html"))
	t.layoutText = texttemplate.Must(texttemplate.New("layout.txt").Option("missingkey=error").ParseFS(sub, "layout.txt"))
	return t, t.fill(file.Templates, file.Frame, linesOf(src))
}

func (t *Set) fill(templates map[string]any, frameValue any, lines map[string]int) error {
	var errs Errors
	fail := func(name string, err error) {
		errs = append(errs, yamlError(err, name, cmp.Or(lines[name], 1)))
	}
	if len(templates) == 0 {
		errs = append(errs, Error{Line: 1, Field: "templates", Message: "is missing: begin with `templates:` and a template below it"})
	}
	encoded, err := yaml.Marshal(frameValue)
	if err == nil {
		t.frames[""], err = parseFrame(encoded)
	}
	if err != nil {
		fail("", err)
	}
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		encoded, err := yaml.Marshal(templates[name])
		if err == nil {
			t.byKey[strings.ToLower(name)], err = parseWording(encoded)
		}
		if err != nil {
			fail(name, err)
		}
	}
	if len(errs) == 0 {
		if err := t.check(); err != nil {
			fail("", err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	slices.SortStableFunc(errs, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
	return errs
}

func yamlError(err error, name string, line int) Error {
	if syntax, ok := errors.AsType[yaml.Error](err); ok && syntax.GetToken() != nil {
		if line == 0 {
			line = syntax.GetToken().Position.Line
		}
		return Error{Line: line, Template: name, Message: syntax.GetMessage()}
	}
	return Error{Line: max(line, 1), Template: name, Message: err.Error()}
}

// linesOf returns the line of each template.
func linesOf(src []byte) map[string]int {
	lines := map[string]int{}
	file, err := yamlparser.ParseBytes(src, 0)
	if err != nil || len(file.Docs) == 0 {
		return lines
	}
	root, ok := file.Docs[0].Body.(ast.MapNode)
	if !ok {
		return lines
	}
	for it := root.MapRange(); it.Next(); {
		all, ok := it.Value().(ast.MapNode)
		if !ok || it.Key().String() != "templates" {
			continue
		}
		for each := all.MapRange(); each.Next(); {
			lines[each.Key().String()] = each.Key().GetToken().Position.Line
		}
	}
	return lines
}

// Difference is a template that differs between two sets.
type Difference struct {
	// Name is the template's name, and Change is added, removed or changed.
	Name, Change string
}

// Compare returns the templates that differ, sorted by name.
func Compare(a, b *Set) []Difference {
	var all []Difference
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(a.Names(), b.Names()...)))) {
		inA, inB := slices.Contains(a.Names(), name), slices.Contains(b.Names(), name)
		switch {
		case !inA:
			all = append(all, Difference{name, "added"})
		case !inB:
			all = append(all, Difference{name, "removed"})
		case a.fingerprint(name) != b.fingerprint(name):
			all = append(all, Difference{name, "changed"})
		}
	}
	return all
}

func (t *Set) fingerprint(name string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(t.byKey)) {
		if base, _, _ := strings.Cut(key, "."); base != name {
			continue
		}
		w := t.byKey[key]
		fmt.Fprintln(&b, key)
		if w.email != nil {
			for _, one := range append([]*texttemplate.Template{w.email.subject, w.email.button}, w.email.paragraphs...) {
				fmt.Fprintf(&b, "%q\n", one.Root.String())
			}
		}
		if w.push != nil {
			fmt.Fprintf(&b, "%q %q\n", w.push.title.Root.String(), w.push.body.Root.String())
		}
	}
	return b.String()
}
