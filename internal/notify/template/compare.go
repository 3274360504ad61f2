package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Difference is a template that differs between two sets.
type Difference struct {
	// Name is the template's name; "frame" for the texts around every email.
	Name string
	// Change is added, removed or changed.
	Change string
	// Fields are the changed parts of a changed template, such as "texts.de.email.subject", sorted.
	Fields []string
}

// Compare returns the templates that differ from a to b, sorted by name. Only what a message shows
// counts: a comment or another layout of the source is no difference.
func Compare(a, b *Set) []Difference {
	before, after := a.fingerprints(), b.fingerprints()
	names := slices.Collect(maps.Keys(before))
	names = slices.AppendSeq(names, maps.Keys(after))
	slices.Sort(names)
	var all []Difference
	for _, name := range slices.Compact(names) {
		from, to := before[name], after[name]
		switch {
		case from == nil:
			all = append(all, Difference{Name: name, Change: "added"})
		case to == nil:
			all = append(all, Difference{Name: name, Change: "removed"})
		default:
			if fields := changed(from, to); len(fields) > 0 {
				all = append(all, Difference{Name: name, Change: "changed", Fields: fields})
			}
		}
	}
	return all
}

func changed(from, to map[string]string) []string {
	var fields []string
	for field, value := range from {
		if other, ok := to[field]; !ok || other != value {
			fields = append(fields, field)
		}
	}
	for field := range to {
		if _, ok := from[field]; !ok {
			fields = append(fields, field)
		}
	}
	slices.Sort(fields)
	return fields
}

// fingerprints returns the contents of the templates, by name and field.
func (s *Set) fingerprints() map[string]map[string]string {
	all := map[string]map[string]string{}
	for name, m := range s.byName {
		all[name] = m.fingerprint()
	}
	all["frame"] = map[string]string{"default": s.fallback}
	for i, f := range s.frames.values {
		all["frame"][s.frames.locales[i]] = sources(append([]*text{f.greeting, f.or}, f.footer...)...)
	}
	return all
}

func (m *message) fingerprint() map[string]string {
	f := map[string]string{"platform": fmt.Sprint(m.platform), "limits.smsSegments": fmt.Sprint(m.smsSegments)}
	if m.image != nil {
		f["image"] = fmt.Sprintf("%q %q %q", m.image.url, m.image.alt.locales, m.image.alt.values)
	}
	for i, a := range m.actions {
		f[fmt.Sprintf("actions[%d]", i)] = fmt.Sprintf("%q %q %q %q", a.id, a.path, a.label.locales, a.label.values)
	}
	for i, e := range m.email.values {
		at := "texts." + m.email.locales[i] + ".email."
		f[at+"subject"], f[at+"button"], f[at+"paragraphs"] = sources(e.subject), sources(e.button), sources(e.paragraphs...)
	}
	for i, p := range m.push.values {
		at := "texts." + m.push.locales[i] + ".push."
		f[at+"title"], f[at+"body"] = sources(p.title), sources(p.body)
	}
	for i, t := range m.sms.values {
		f["texts."+m.sms.locales[i]+".sms"] = sources(t)
	}
	for i, w := range m.whatsapp.values {
		f["texts."+m.whatsapp.locales[i]+".whatsapp"] = fmt.Sprintf("%q %q %v ", w.name, w.language, w.button) + sources(w.variables...)
	}
	return f
}

// sources returns the sources of the texts, with the words that they translate.
func sources(ts ...*text) string {
	var b strings.Builder
	for _, t := range ts {
		fmt.Fprintf(&b, "%q ", t.source)
		if t.uses != nil && strings.Contains(t.source, "word") {
			fmt.Fprint(&b, t.words) // fmt sorts the keys of maps.
		}
	}
	return b.String()
}
