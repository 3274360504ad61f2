package templateset

import (
	"context"
	"errors"
	"fmt"
	"time"

	"carewire/internal/notify/template"
	"carewire/internal/postgres/db"
	"carewire/internal/textdiff"
	"carewire/internal/versionset"
)

// TemplateSet is a published version of the templates.
type TemplateSet struct {
	Version int32  `json:"version"`
	Note    string `json:"note" doc:"Why it was published."`
	// PublishedBy is the id of the actor.
	PublishedBy string    `json:"publishedBy" doc:"A person's id, or system:<part>."`
	PublishedAt time.Time `json:"publishedAt" format:"date-time"`
	// Position is the position of the event after which the set is in force; 0 until the planner
	// has passed it.
	Position int64 `json:"position,omitempty" doc:"Where in the ledger it came into force; left out while the planner has not come to it."`
	// Source is the YAML; List leaves it out.
	Source string `json:"source,omitempty" doc:"The YAML as its author wrote it; a list leaves it out."`
}

func templateSet(v versionset.Version) TemplateSet {
	return TemplateSet{
		Version: v.Version, Note: v.Note, PublishedBy: v.PublishedBy, PublishedAt: v.PublishedAt, Position: v.Position, Source: v.Source,
	}
}

// Get returns a template set with its source; version 0 is the newest: the one in force once the
// planner has reached it. The error for a version that was not published is care.NotFound.
func Get(ctx context.Context, conn db.DBTX, version int32) (TemplateSet, error) {
	v, err := versionset.Templates.Find(ctx, conn, version)
	return templateSet(v), err
}

// List returns the published template sets below a version (0: all), newest first, at most limit of
// them.
func List(ctx context.Context, conn db.DBTX, before, limit int32) ([]TemplateSet, error) {
	all, err := versionset.Templates.List(ctx, conn, before, limit)
	sets := make([]TemplateSet, len(all))
	for i, v := range all {
		sets[i] = templateSet(v)
	}
	return sets, err
}

// TemplateDifference describes the differences between two versions of the templates.
type TemplateDifference struct {
	From int32  `json:"from"`
	To   int32  `json:"to"`
	Text string `json:"text" doc:"A unified diff of the sources; empty where they are the same."`
	// Added, Removed and Changed are names of templates.
	Added   []string `json:"added" doc:"Templates that only the second version has."`
	Removed []string `json:"removed" doc:"Templates that only the first version has."`
	Changed []string `json:"changed" doc:"Templates that differ in the second version."`
	// Unreadable is the reason for missing names of templates.
	Unreadable string `json:"unreadable,omitempty" doc:"Which version this binary does not understand: no templates are named then."`
}

// Compare returns the differences between two versions; 0 is the newest. The error for a version
// that was not published is care.NotFound.
func (s *Sets) Compare(ctx context.Context, conn db.DBTX, from, to int32) (TemplateDifference, error) {
	a, b, err := versionset.Templates.Pair(ctx, conn, from, to)
	if err != nil {
		return TemplateDifference{}, err
	}
	return s.difference(a, b)
}

// CompareWithPrevious returns the differences between a version, or the newest for 0, and the one
// before. The error for a version that was not published is care.NotFound. The first version is
// compared with the set in the binary, version 0.
func (s *Sets) CompareWithPrevious(ctx context.Context, conn db.DBTX, version int32) (TemplateDifference, error) {
	from, to, err := versionset.Templates.PairWithPrevious(ctx, conn, version, string(template.Source()))
	if err != nil {
		return TemplateDifference{}, err
	}
	return s.difference(from, to)
}

func (s *Sets) difference(from, to versionset.Version) (TemplateDifference, error) {
	d := TemplateDifference{From: from.Version, To: to.Version, Added: []string{}, Removed: []string{}, Changed: []string{}}
	var names [2]string
	var sets [2]*template.Set
	for i, v := range []versionset.Version{from, to} {
		var err error
		names[i] = fmt.Sprintf("version %d", v.Version)
		if sets[i], err = s.compile(v.Source); err != nil {
			mistakes, ok := errors.AsType[template.Errors](err)
			if !ok {
				return d, err
			}
			d.Unreadable = fmt.Sprintf("%s is not understood by this binary: %d mistakes", names[i], len(mistakes))
		}
	}
	var err error
	if d.Text, err = textdiff.Unified(names[0], names[1], []byte(from.Source), []byte(to.Source)); err != nil || d.Unreadable != "" {
		return d, err
	}
	for _, change := range template.Compare(sets[0], sets[1]) {
		switch change.Change {
		case "added":
			d.Added = append(d.Added, change.Name)
		case "removed":
			d.Removed = append(d.Removed, change.Name)
		default:
			d.Changed = append(d.Changed, change.Name)
		}
	}
	return d, nil
}
