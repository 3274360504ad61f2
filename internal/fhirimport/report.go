package fhirimport

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"carewire/internal/care"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
)

// Result is the result of importing one resource.
type Result string

// The results.
const (
	Imported  Result = "imported"
	Updated   Result = "updated"
	Unchanged Result = "unchanged"
	Skipped   Result = "skipped" // Nothing here corresponds to the resource.
	Refused   Result = "refused" // The resource is invalid, or conflicts with another one.
	// Retracted is the result of a deletion: the record that was imported before was retracted, the
	// appointment cancelled or the invoice voided.
	Retracted Result = "retracted"
	// Repeated is reported for a resource that the run has imported from another place: it is counted
	// once.
	Repeated Result = "repeated"
	// Partly is reported in addition to another result: the resource was imported without a part of
	// it or without something that it refers to.
	Partly Result = "partly"
)

// Item is a resource that was not imported in full, or a file that was not read, with the reason.
// It contains no values.
type Item struct {
	File string `json:"file"`
	// WholeFile reports whether the item is a file. It has no index, type and id then.
	WholeFile bool `json:"wholeFile,omitempty"`
	// Index counts from 0 in a bundle, and lines from 1 in NDJSON.
	Index   int    `json:"index"`
	Type    string `json:"type,omitempty"`
	ID      string `json:"id,omitempty"`
	Outcome Result `json:"outcome"`
	Path    string `json:"path,omitempty"`
	Reason  string `json:"reason"`
}

// String returns the item as one line.
func (i Item) String() string {
	if i.WholeFile {
		return fmt.Sprintf("%s: %s: %s", i.Outcome, i.File, i.Reason)
	}
	name := i.Type
	if i.ID != "" {
		name += "/" + i.ID
	}
	path := i.Path
	if path != "" {
		path += ": "
	}
	return fmt.Sprintf("%s: %s[%d] %s: %s%s", i.Outcome, i.File, i.Index, cmp.Or(name, "resource"), path, i.Reason)
}

// Count is the number of resources of a type with a result. Reason is set unless they were
// imported.
type Count struct {
	Type    string `json:"type"`
	Outcome Result `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Count   int    `json:"count"`
}

// Summary is the result of a run.
type Summary struct {
	Source    string `json:"source"`
	DryRun    bool   `json:"dryRun"`
	Imported  int    `json:"imported"`
	Updated   int    `json:"updated"`
	Unchanged int    `json:"unchanged"`
	Skipped   int    `json:"skipped"`
	Refused   int    `json:"refused"`
	Retracted int    `json:"retracted"`
	// UnreadFiles is the number of files that could not be read, or not to their end.
	UnreadFiles int     `json:"unreadFiles"`
	Counts      []Count `json:"counts"`
	// Listed are the items that were not imported in full, at most maxListed of them.
	Listed []Item `json:"listed"`
}

// maxListed bounds the memory of a summary. Options.List gets every item.
const maxListed = 10_000

// maxReasons bounds how many different reasons are counted separately.
const maxReasons = 1000

// indexPattern matches an index in a path. Items that differ only in an index are counted together.
var indexPattern = regexp.MustCompile(`\[[0-9]+\]`)

type tally struct {
	Summary
	counts map[Count]int
	onItem func(Item)
}

func (t *tally) count(typ string, outcome Result, reason string) {
	switch outcome {
	case Imported:
		t.Imported++
	case Updated:
		t.Updated++
	case Unchanged:
		t.Unchanged++
	case Skipped:
		t.Skipped++
	case Refused:
		t.Refused++
	case Retracted:
		t.Retracted++
	case Partly, Repeated:
	}
	k := Count{Type: typ, Outcome: outcome, Reason: reason}
	if _, ok := t.counts[k]; !ok && len(t.counts) >= maxReasons {
		k.Type, k.Reason = "", "other reasons"
	}
	t.counts[k]++
}

func (t *tally) list(r *fhir.Resource, outcome Result, path, reason string) {
	i := Item{File: r.File, Index: r.Index, Type: r.Type, ID: r.ID, Outcome: outcome, Path: path, Reason: reason}
	keyedReason := reason
	if path != "" {
		keyedReason = indexPattern.ReplaceAllString(path, "") + ": " + reason
	}
	t.count(r.Type, outcome, keyedReason)
	t.add(i)
}

// listFile lists a file that is not read.
func (t *tally) listFile(f File, outcome Result, reason string) {
	t.counts[Count{Type: "file", Outcome: outcome, Reason: fileReason.ReplaceAllString(reason, "")}]++
	t.add(Item{File: f.Name, WholeFile: true, Outcome: outcome, Reason: reason})
}

// fileReason matches the positions in the reason of a file.
var fileReason = regexp.MustCompile(` at byte [0-9]+|^(at byte|line|entry) [0-9]+: `)

func (t *tally) add(i Item) {
	if len(t.Listed) < maxListed {
		t.Listed = append(t.Listed, i)
	}
	if t.onItem != nil {
		t.onItem(i)
	}
}

func (t *tally) summary() Summary {
	t.Counts = []Count{}
	for k, n := range t.counts {
		k.Count = n
		t.Counts = append(t.Counts, k)
	}
	slices.SortFunc(t.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
	})
	return t.Summary
}

// refuse lists a resource as skipped or refused, with the error's path and reason.
func (r *run) refuse(res *fhir.Resource, err error) {
	if s, ok := errors.AsType[*meaning.SkipError](err); ok {
		r.list(res, Skipped, "", s.Reason)
		return
	}
	if s, ok := errors.AsType[*fhir.SkippedError](err); ok {
		r.list(res, Skipped, "", s.Reason)
		return
	}
	if f, ok := errors.AsType[*fhir.Error](err); ok {
		r.list(res, Refused, f.Path, f.Reason)
		return
	}
	r.list(res, Refused, res.Type, "cannot be stored")
}

// refuseDraft lists a draft that the domain refused. Fields are translated to paths of the
// resource.
func (r *run) refuseDraft(d *candidate, err error) {
	refusal, ok := errors.AsType[*care.Error](err)
	switch {
	case ok && len(refusal.Fields) > 0:
		r.list(d.Resource, Refused, d.Path(refusal.Fields[0].Field), refusal.Fields[0].Message)
	case ok:
		r.list(d.Resource, Refused, d.Resource.Type, refusal.Message)
	default:
		r.refuse(d.Resource, err)
	}
}
