// Package providerfile parses and checks the file of CAREWIRE_PROVIDERS: for each channel an ordered
// list of providers. Credentials are references to environment variables or files. Parse reads
// nothing but its argument; Secret.Read reads a credential.
package providerfile

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"carewire/internal/yamlnode"
)

// MaxSize bounds the file, in bytes.
const MaxSize = 1 << 20

// maxProviders bounds the providers of a channel.
const maxProviders = 16

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
	reader *yamlnode.Reader
	errs   []*Error
}

func (f *file) add(e *Error) { f.errs = append(f.errs, e) }

func (f *file) fail(line int, field, format string, args ...any) {
	f.add(&Error{line, field, fmt.Sprintf(format, args...)})
}

// Parse returns the providers of each channel in their order, or every error with its line, field
// and remedy, by line. Each is an *Error.
func Parse(src []byte) (map[string][]Provider, error) {
	f := &file{}
	f.reader = &yamlnode.Reader{MaxSource: MaxSize, Empty: "begin with a channel such as `email:` and a list of providers below it", Fail: f.fail}
	all := map[string][]Provider{}
	if len(src) > MaxSize {
		f.fail(1, "", "the file has %d bytes; want at most %d", len(src), MaxSize)
	} else if root := f.reader.Parse(src); root != nil {
		f.reader.Each(root, "", func(channel string, line int, list ast.Node) bool {
			f.channel(all, channel, line, list)
			return true
		}, Channels()...)
	}
	if len(f.errs) == 0 {
		return all, nil
	}
	return nil, Join(f.errs)
}

// Join returns the errors as one, by line.
func Join(errs []*Error) error {
	slices.SortStableFunc(errs, func(a, b *Error) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field)) })
	all := make([]error, len(errs))
	for i, err := range errs {
		all[i] = err
	}
	return errors.Join(all...)
}

// channel reads the providers of a channel.
func (f *file) channel(all map[string][]Provider, channel string, line int, list ast.Node) {
	if !slices.Contains(Channels(), channel) {
		f.fail(line, channel, "unknown channel; want one of %s", strings.Join(Channels(), ", "))
		return
	}
	names := map[string]bool{}
	for i, n := range f.reader.List(list, channel, maxProviders) {
		p := f.provider(channel, fmt.Sprintf("%s[%d]", channel, i), n)
		if names[p.Name] && p.Name != "" {
			f.add(p.Errorf("name", "duplicate provider name %q; names must differ within a channel", p.Name))
		}
		names[p.Name] = true
		all[channel] = append(all[channel], p)
	}
	f.oneProject(all[channel])
}

// oneProject adds an error for each provider of another Firebase project than the first. A device's
// token belongs to one project: another would report it as unknown, and the device would be removed.
func (f *file) oneProject(providers []Provider) {
	project := ""
	for _, p := range providers {
		own := p.Settings["project"]
		if project = cmp.Or(project, own); own != "" && own != project {
			f.add(p.Errorf("project", "another project than %q; want one for all providers, because a device's token belongs to one project", project))
		}
	}
}

func join(field, key string) string {
	return strings.Trim(field+"."+key, ".")
}
