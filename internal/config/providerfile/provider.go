package providerfile

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// kind is a kind of provider.
type kind struct {
	channel string
	// settings and secrets are the keys, with true for the required ones.
	settings, secrets map[string]bool
}

// kinds are the kinds by name.
var kinds = map[string]kind{
	"ses": {
		channel:  "email",
		settings: map[string]bool{"from": true, "region": false, "endpoint": false, "configurationSet": false},
		secrets:  map[string]bool{"accessKeyId": false, "secretAccessKey": false},
	},
	"smtp": {
		channel:  "email",
		settings: map[string]bool{"from": true, "host": true, "port": false, "tls": false},
		secrets:  map[string]bool{"username": false, "password": false},
	},
	"fcm": {
		channel:  "push",
		settings: map[string]bool{"project": true, "endpoint": false},
		secrets:  map[string]bool{"credentials": false},
	},
	"aws-sms": {
		channel:  "sms",
		settings: map[string]bool{"origination": true, "region": false, "endpoint": false, "configurationSet": false, "maxPrice": false},
		secrets:  map[string]bool{"accessKeyId": false, "secretAccessKey": false},
	},
	"twilio": {
		channel:  "sms",
		settings: map[string]bool{"accountSid": true, "keySid": false, "from": true, "endpoint": false},
		secrets:  map[string]bool{"secret": true},
	},
	"whatsapp": {
		channel:  "whatsapp",
		settings: map[string]bool{"phoneNumberId": true, "version": false, "endpoint": false},
		secrets:  map[string]bool{"token": true},
	},
}

// Channels returns the channels that a file can have providers of.
func Channels() []string {
	var all []string
	for _, k := range kinds {
		if !slices.Contains(all, k.channel) {
			all = append(all, k.channel)
		}
	}
	slices.Sort(all)
	return all
}

var (
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)
	envForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// common are the keys of every provider.
var common = []string{"name", "kind", "order", "weight", "maxRate"}

func (f *file) provider(channel, field string, n ast.Node) Provider {
	p := Provider{Channel: channel, Settings: map[string]string{}, Secrets: map[string]Secret{}, Line: n.GetToken().Position.Line}
	entries := f.entries(n, field)
	if entries == nil {
		return p
	}
	for _, e := range entries {
		f.common(&p, join(field, e.Key.String()), e)
	}
	if !nameForm.MatchString(p.Name) {
		f.add(n, join(field, "name"), "want a short name of lower-case letters, digits and dashes, such as ses-eu")
	}
	k, ok := kinds[p.Kind]
	if !ok || k.channel != channel {
		var fit []string
		for name, k := range kinds {
			if k.channel == channel {
				fit = append(fit, name)
			}
		}
		slices.Sort(fit)
		f.add(n, join(field, "kind"), "unknown kind %q of channel %s; want one of %s", p.Kind, channel, strings.Join(fit, ", "))
		return p
	}
	for _, e := range entries {
		f.setting(&p, k, field, e)
	}
	f.required(&p, k, field, n)
	return p
}

// common reads a key that every provider has.
func (f *file) common(p *Provider, field string, e *ast.MappingValueNode) {
	switch e.Key.String() {
	case "name":
		p.Name = f.text(field, e.Value)
	case "kind":
		p.Kind = f.text(field, e.Value)
	case "order":
		p.Order = int(f.number(field, e.Value, 1, 100, true))
	case "weight":
		p.Weight = f.number(field, e.Value, 0.001, 1000, false)
	case "maxRate":
		p.MaxRate = f.number(field, e.Value, 0, 10_000, false)
	}
}

func (f *file) setting(p *Provider, k kind, field string, e *ast.MappingValueNode) {
	key := e.Key.String()
	_, setting := k.settings[key]
	_, secret := k.secrets[key]
	switch {
	case slices.Contains(common, key):
	case setting:
		p.Settings[key] = f.text(join(field, key), e.Value)
	case secret:
		p.Secrets[key] = f.secret(join(field, key), e.Value)
	default:
		known := slices.Concat(common, slices.Sorted(maps.Keys(k.settings)), slices.Sorted(maps.Keys(k.secrets)))
		f.add(e.Key, join(field, key), "unknown key; want one of %s", strings.Join(known, ", "))
	}
}

func (f *file) required(p *Provider, k kind, field string, n ast.Node) {
	for key, required := range k.settings {
		if required && p.Settings[key] == "" {
			f.add(n, join(field, key), "required for the kind %s", p.Kind)
		}
	}
	for key, required := range k.secrets {
		if _, ok := p.Secrets[key]; required && !ok {
			f.add(n, join(field, key), "required for the kind %s; write {env: NAME} or {file: PATH}", p.Kind)
		}
	}
	for _, pair := range [][2]string{{"accessKeyId", "secretAccessKey"}, {"username", "password"}} {
		_, one := p.Secrets[pair[0]]
		_, other := p.Secrets[pair[1]]
		if one != other {
			f.add(n, join(field, pair[0]), "%s and %s must be set together", pair[0], pair[1])
		}
	}
	if port, ok := p.Settings["port"]; ok {
		if number, err := strconv.Atoi(port); err != nil || number < 1 || number > 65535 {
			f.add(n, join(field, "port"), "must be 1 to 65535")
		}
	}
}

// text returns the value of a scalar.
func (f *file) text(field string, n ast.Node) string {
	s, ok := n.(ast.ScalarNode)
	if _, null := n.(*ast.NullNode); !ok || null {
		f.add(n, field, "want a text")
		return ""
	}
	if text, ok := n.(*ast.StringNode); ok {
		return text.Value
	}
	return s.GetToken().Value
}

func (f *file) number(field string, n ast.Node, low, high float64, whole bool) float64 {
	s, ok := n.(ast.ScalarNode)
	if ok {
		v, err := strconv.ParseFloat(s.GetToken().Value, 64)
		if err == nil && v >= low && v <= high && (!whole || v == float64(int(v))) {
			return v
		}
	}
	what := "number"
	if whole {
		what = "whole number"
	}
	f.add(n, field, "want a %s from %v to %v", what, low, high)
	return 0
}

// secret reads a reference. A credential in the file itself is an error, which does not repeat it.
func (f *file) secret(field string, n ast.Node) Secret {
	const want = "credentials are references; write {env: NAME} or {file: PATH}"
	var s Secret
	if _, ok := n.(ast.ScalarNode); ok {
		f.add(n, field, want)
		return s
	}
	entries := f.entries(n, field)
	for _, e := range entries {
		switch e.Key.String() {
		case "env":
			if s.Env = f.text(join(field, "env"), e.Value); !envForm.MatchString(s.Env) {
				f.add(e.Value, join(field, "env"), "want the name of an environment variable")
			}
		case "file":
			s.File = f.text(join(field, "file"), e.Value)
		default:
			f.add(e.Key, field, want)
		}
	}
	if len(entries) != 1 {
		f.add(n, field, want)
	}
	return s
}
