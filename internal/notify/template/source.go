package template

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"slices"
	"strings"
	"sync"
	texttemplate "text/template"

	"carewire/internal/care"
)

//go:embed builtin
var embedded embed.FS

// The layouts of emails are part of the binary: a set has the texts.
var (
	layoutHTML = htmltemplate.Must(htmltemplate.New("layout.html").Option("missingkey=error").ParseFS(embedded, "builtin/layout.html"))
	layoutText = texttemplate.Must(texttemplate.New("layout.txt").Option("missingkey=error").ParseFS(embedded, "builtin/layout.txt"))
)

// Source returns the built-in set as one YAML text. Its parts are the files in builtin: frame.yaml
// and words.yaml have the sections of these names, any other file the template of its name.
func Source() []byte { return slices.Clone(builtinSource()) }

var builtinSource = sync.OnceValue(func() []byte {
	entries, err := fs.ReadDir(embedded, "builtin")
	if err != nil {
		panic(fmt.Sprintf("list the built-in templates: %v", err)) // They are in the binary.
	}
	var sections, templates bytes.Buffer
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), ".yaml")
		if !ok {
			continue
		}
		src, err := embedded.ReadFile("builtin/" + entry.Name())
		if err != nil {
			panic(fmt.Sprintf("read a built-in template: %v", err))
		}
		if name == "frame" || name == "words" {
			fmt.Fprintf(&sections, "%s:\n%s", name, indent(src, "  "))
		} else {
			fmt.Fprintf(&templates, "  %s:\n%s", name, indent(src, "    "))
		}
	}
	return append(append(sections.Bytes(), "templates:\n"...), templates.Bytes()...)
})

func indent(src []byte, by string) string {
	var b strings.Builder
	for line := range strings.Lines(string(src)) {
		b.WriteString(by + line)
	}
	return b.String()
}

// Default returns the built-in templates, for messages on the channels; none means
// care.BuiltinChannels. Those of the built-in channels are loaded once: rules and messages both need
// them.
func Default(channels ...care.Channel) (*Set, error) {
	if len(channels) == 0 || slices.Equal(channels, care.BuiltinChannels) {
		return builtinSet()
	}
	return Parse(Source(), Options{Channels: channels})
}

var builtinSet = sync.OnceValues(func() (*Set, error) { return Parse(Source(), Options{}) })
