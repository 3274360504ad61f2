package providerfile

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"carewire/internal/yamlnode"
)

// Provider is one entry of the file.
type Provider struct {
	Channel, Name, Kind string
	// Line is its line in the file; Field is its place, such as "email[0]".
	Line  int
	Field string
	// Order is when it is tried; 0 means its position in the list. Weight is its share among those of
	// the same order; 0 means 1. MaxRate is in messages a second; 0 means as many as it accepts.
	Order           int
	Weight, MaxRate float64
	// Settings are the values of the kind's settings that are set, by key.
	Settings map[string]string
	// Secrets are the kind's credentials that are set, by key.
	Secrets map[string]Secret
	// lines are the lines of the keys.
	lines map[string]int
}

// Errorf returns an error about the provider's key, with its line and field.
func (p *Provider) Errorf(key, format string, args ...any) *Error {
	line, ok := p.lines[key]
	if !ok {
		line = p.Line
	}
	return &Error{line, join(p.Field, key), fmt.Sprintf(format, args...)}
}

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)
	envForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// common are the keys of every provider.
var common = []string{"name", "kind", "order", "weight", "maxRate"}

// provider reads an entry of the list of a channel.
func (f *file) provider(channel, field string, n ast.Node) Provider {
	p := Provider{
		Channel: channel, Line: yamlnode.Line(n), Field: field,
		Settings: map[string]string{}, Secrets: map[string]Secret{}, lines: map[string]int{},
	}
	m, ok := n.(ast.MapNode)
	if !ok {
		f.fail(p.Line, field, "want fields; use %s", strings.Join(common, ", "))
		return p
	}
	// The kind decides which keys there are.
	for it := m.MapRange(); it.Next(); {
		if it.Key().String() == "kind" {
			p.Kind = scalar(it.Value())
			p.lines["kind"] = yamlnode.Line(it.Key())
		}
	}
	k, ok := kinds[p.Kind]
	if !ok || k.channel != channel {
		f.add(p.Errorf("kind", "unknown kind %q of channel %s; want one of %s", p.Kind, channel, strings.Join(Kinds(channel), ", ")))
		return p
	}
	f.reader.Each(n, field, func(key string, line int, value ast.Node) bool {
		p.lines[key] = line
		return f.key(&p, k, key, value)
	}, k.keys()...)
	if !nameForm.MatchString(p.Name) {
		f.add(p.Errorf("name", "want a short name of lower-case letters, digits and dashes, such as ses-eu"))
	}
	f.required(&p, k)
	return p
}

// key reads one key. It reports whether the kind has it.
func (f *file) key(p *Provider, k kind, key string, value ast.Node) bool {
	field := join(p.Field, key)
	switch key {
	case "kind":
	case "name":
		p.Name = scalar(value)
	case "order":
		p.Order = int(f.number(field, value, 1, 100, true))
	case "weight":
		p.Weight = f.number(field, value, 0.001, 1000, false)
	case "maxRate":
		p.MaxRate = f.number(field, value, 0, 10_000, false)
	default:
		if s, ok := k.settings[key]; ok {
			p.Settings[key] = scalar(value)
			if !s.valid(p.Settings[key]) {
				f.add(p.Errorf(key, "invalid value; want %s", s.want))
			}
			return true
		}
		if _, ok := k.secrets[key]; !ok {
			return false
		}
		p.Secrets[key] = f.secret(field, value)
	}
	return true
}

// required adds the errors of keys that are missing, or do not fit each other.
func (f *file) required(p *Provider, k kind) {
	for key, s := range k.settings {
		if _, ok := p.lines[key]; s.required && !ok {
			f.add(p.Errorf(key, "required for the kind %s; want %s", p.Kind, s.want))
		}
	}
	for key, required := range k.secrets {
		if _, ok := p.lines[key]; required && !ok {
			f.add(p.Errorf(key, "required for the kind %s; write {env: NAME} or {file: PATH}", p.Kind))
		}
	}
	if one, other := k.together[0], k.together[1]; one != "" {
		_, hasOne := p.Secrets[one]
		_, hasOther := p.Secrets[other]
		switch {
		case hasOne && !hasOther:
			f.add(p.Errorf(one, "%s and %s must be set together; add %s", one, other, other))
		case hasOther && !hasOne:
			f.add(p.Errorf(other, "%s and %s must be set together; add %s", one, other, one))
		}
	}
	if p.Kind != "smtp" || p.Settings["tls"] != "none" {
		return
	}
	if !loopback(p.Settings["host"]) {
		f.add(p.Errorf("tls", "none is only for a server on this host, because addresses and messages would be sent in clear text; use starttls or implicit"))
	}
	if _, ok := p.Secrets["username"]; ok {
		f.add(p.Errorf("username", "credentials need TLS; set tls to starttls or implicit, or remove them"))
	}
}

// scalar returns the text of a value as it is written, or "" for anything else. A number is a text
// too: the ID of a phone number has only digits.
func scalar(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return strings.TrimRight(n.Value.Value, "\n")
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value
	}
	return ""
}

func (f *file) number(field string, n ast.Node, low, high float64, whole bool) float64 {
	v, err := strconv.ParseFloat(scalar(n), 64)
	if err == nil && v >= low && v <= high && (!whole || v == float64(int(v))) {
		return v
	}
	what := "number"
	if whole {
		what = "whole number"
	}
	f.fail(yamlnode.Line(n), field, "want a %s from %v to %v", what, low, high)
	return 0
}

// secret reads a reference. A credential in the file itself is an error, which does not repeat it.
func (f *file) secret(field string, n ast.Node) (s Secret) {
	const want = "credentials are references; write {env: NAME} or {file: PATH}"
	m, ok := n.(ast.MapNode)
	if !ok {
		f.fail(yamlnode.Line(n), field, want)
		return s
	}
	var keys []string
	for it := m.MapRange(); it.Next(); {
		key, value := it.Key().String(), scalar(it.Value())
		keys = append(keys, key)
		switch key {
		case "env":
			s.Env = value
		case "file":
			s.File = value
		}
	}
	switch {
	case !slices.Equal(keys, []string{"env"}) && !slices.Equal(keys, []string{"file"}):
		f.fail(yamlnode.Line(n), field, want)
	case keys[0] == "env" && !envForm.MatchString(s.Env):
		f.fail(yamlnode.Line(n), field+".env", "want the name of an environment variable")
	case keys[0] == "file" && s.File == "":
		f.fail(yamlnode.Line(n), field+".file", "want the path of a file with the credential")
	}
	return s
}
