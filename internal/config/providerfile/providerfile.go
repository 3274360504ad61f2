// Package providerfile parses and checks the file of CAREWIRE_PROVIDERS: for each channel an ordered
// list of providers. Credentials are references to environment variables or files. Parse reads
// nothing but its argument; Secret.Read reads a credential.
package providerfile

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// MaxSize bounds the file, in bytes.
const MaxSize = 1 << 20

// maxProviders bounds the providers of a channel.
const maxProviders = 16

// Provider is one entry of the file.
type Provider struct {
	Channel, Name, Kind string
	// Line is its line in the file.
	Line int
	// Order is when it is tried; 0 means its position in the list. Weight is its share among those of
	// the same order; 0 means 1. MaxRate is in messages a second; 0 means as many as it accepts.
	Order           int
	Weight, MaxRate float64
	// Settings are the values of the kind's settings that are set, by key.
	Settings map[string]string
	// Secrets are the kind's credentials that are set, by key.
	Secrets map[string]Secret
}

// Secret is a reference to a credential: the name of an environment variable, or the path of a file.
type Secret struct{ Env, File string }

// String returns the reference, without the credential.
func (s Secret) String() string {
	if s.Env != "" {
		return "env " + s.Env
	}
	return "file " + s.File
}

// maxSecret bounds a credential, in bytes.
const maxSecret = 64 << 10

// Read returns the credential. Its error has the reference alone.
func (s Secret) Read() (string, error) {
	value := os.Getenv(s.Env)
	if s.File != "" {
		info, err := os.Stat(s.File)
		if err != nil || info.IsDir() || info.Size() > maxSecret {
			return "", fmt.Errorf("cannot read the file %q; want a readable file of at most %d bytes", s.File, maxSecret)
		}
		text, err := os.ReadFile(s.File)
		if err != nil {
			return "", fmt.Errorf("cannot read the file %q; check its permissions", s.File)
		}
		value = strings.TrimRight(string(text), "\r\n")
	}
	if value == "" {
		return "", fmt.Errorf("%s is empty; set it to the credential", s)
	}
	return value, nil
}

// Error is an error in the file.
type Error struct {
	Line    int
	Field   string
	Message string
}

// Error implements error.
func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Message)
	}
	return fmt.Sprintf("line %d: %s: %s", e.Line, e.Field, e.Message)
}

// file is a file that is being parsed.
type file struct {
	errs      []error
	providers []Provider
}

func (f *file) add(n ast.Node, field, format string, args ...any) {
	line := 1
	if n != nil && n.GetToken() != nil {
		line = n.GetToken().Position.Line
	}
	f.errs = append(f.errs, &Error{line, field, fmt.Sprintf(format, args...)})
}

// Parse returns the providers of each channel in their order, or every error with its line, field
// and remedy.
func Parse(src []byte) (map[string][]Provider, error) {
	if len(src) > MaxSize {
		return nil, fmt.Errorf("the file is larger than %d bytes", MaxSize)
	}
	parsed, err := parser.ParseBytes(src, 0)
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fmt.Errorf("invalid YAML: %s", first)
	}
	f := &file{}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		return nil, errors.New("want one YAML document such as {email: [{name: ses, kind: ses, from: clinic@example.org}]}")
	}
	f.channels(parsed.Docs[0].Body)
	if len(f.errs) > 0 {
		return nil, errors.Join(f.errs...)
	}
	all := map[string][]Provider{}
	for _, p := range f.providers {
		all[p.Channel] = append(all[p.Channel], p)
	}
	return all, nil
}

// entries returns the entries of a mapping. It reports duplicate keys.
func (f *file) entries(n ast.Node, field string) []*ast.MappingValueNode {
	var all []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		all = m.Values
	case *ast.MappingValueNode:
		all = []*ast.MappingValueNode{m}
	default:
		f.add(n, field, "want a mapping of keys to values")
		return nil
	}
	seen := map[string]bool{}
	for _, e := range all {
		key := e.Key.String()
		if seen[key] {
			f.add(e.Key, join(field, key), "duplicate key; remove one of them")
		}
		seen[key] = true
	}
	return all
}

func join(field, key string) string {
	if field == "" {
		return key
	}
	return field + "." + key
}

func (f *file) channels(body ast.Node) {
	for _, e := range f.entries(body, "") {
		channel := e.Key.String()
		if !slices.Contains(Channels(), channel) {
			f.add(e.Key, channel, "unknown channel; want one of %s", strings.Join(Channels(), ", "))
			continue
		}
		list, ok := e.Value.(*ast.SequenceNode)
		if !ok || len(list.Values) == 0 || len(list.Values) > maxProviders {
			f.add(e.Value, channel, "want a list of 1 to %d providers", maxProviders)
			continue
		}
		names := map[string]bool{}
		for i, n := range list.Values {
			p := f.provider(channel, fmt.Sprintf("%s[%d]", channel, i), n)
			if names[p.Name] && p.Name != "" {
				f.add(n, join(fmt.Sprintf("%s[%d]", channel, i), "name"), "duplicate provider name %q; names must differ within a channel", p.Name)
			}
			names[p.Name] = true
			f.providers = append(f.providers, p)
		}
	}
}
