package fhirimport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres/db"
)

// run is the state of one run.
type run struct {
	*Importer
	Options
	tally
	cmd    care.Command
	mapper *mapping.Options
	byType map[string]*mapping.Row
	inTx   func(ctx context.Context, fn func(tx pgx.Tx) error) error
	// base is the address of the source's server, or "" if it is not known yet.
	base string
	// position is the index of the file that is being read, and the number of the resource in it.
	position    uint64
	occurrences map[identityHash]occurrence
	// releases are the releases of FHIR of files with a resource that is not R4, by index.
	releases map[int]string
	// unread has the indexes of the files that are not read in later stages, broken those of the files
	// that could not be read to their end.
	unread, broken map[int]bool
	// marks are the places of the resources of later stages, by the index of their file.
	marks []fhir.Marks
	// hasStage records which stages have resources in the files.
	hasStage [mapping.Stages]bool
	granted  map[grant]bool
	zones    map[uuid.UUID]*time.Location
	batch    []*candidate
	inBatch  map[fhir.Key]bool
	// ambiguous are the aliases of several resources among the references of the batch.
	ambiguous map[fhir.Key]bool
	parts     stagedParts
	replaced  replacedPatients
	// doctorID is the doctor of the options, doctorClinics are the clinics where they are one.
	doctorID      uuid.UUID
	doctorClinics []uuid.UUID
	bytesRead     int64
	err           error
}

func (r *run) runStages(ctx context.Context) error {
	r.err = r.readStages(ctx)
	return r.err
}

// readStages reads the files once per stage.
func (r *run) readStages(ctx context.Context) error {
	if err := r.dropParts(ctx); err != nil {
		return err
	}
	if err := r.loadBase(ctx); err != nil {
		return err
	}
	for s := range mapping.Stages {
		if s != mapping.StagePeople && !r.hasStage[s] {
			continue
		}
		for i, f := range r.Files {
			if err := r.readFile(ctx, s, i, f); err != nil {
				return err
			}
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
		if err := r.storeReplaced(ctx); err != nil {
			return err
		}
	}
	return r.dropParts(ctx)
}

// readFile reads a file for a stage: whole for the first one, and what it has marked for the others.
// A file that cannot be read does not affect the others, unless the run fails fast.
func (r *run) readFile(ctx context.Context, s mapping.Stage, index int, f File) error {
	switch {
	case r.unread[index]:
		return nil
	case f.Ignored != "":
		r.unread[index] = true
		r.listFile(f, Skipped, f.Ignored)
		return nil
	}
	var err error
	if s == mapping.StagePeople {
		err = f.Read(ctx, &r.marks[index], r.progress, func(res fhir.Resource, err error) error {
			r.setPosition(index, &res)
			return r.scan(ctx, res, err)
		})
	} else {
		err = f.ReadMarked(ctx, &r.marks[index], uint8(s), r.progress, func(res fhir.Resource, err error) error {
			m := r.byType[res.Type]
			if err != nil || m == nil || m.Read == nil || m.Stage != s {
				return nil //nolint:nilerr // The first stage has reported the error.
			}
			r.setPosition(index, &res)
			return r.read(ctx, s, res)
		})
	}
	if other, ok := errors.AsType[*otherReleaseError](err); ok {
		r.unread[index] = true
		r.dropFile(index)
		err = &fhir.FileError{File: f.Name, Reason: fhir.ReleaseReason(other.release)}
	}
	broken, ok := errors.AsType[*fhir.FileError](err)
	if !ok || r.FailFast {
		return err
	}
	if !r.broken[index] {
		r.broken[index] = true
		r.UnreadFiles++
		r.listFile(f, Refused, broken.Reason)
	}
	return nil
}

func (r *run) setPosition(index int, res *fhir.Resource) {
	r.position = uint64(index)<<32 | uint64(res.Ordinal)
}

func (r *run) progress(n int) {
	r.bytesRead += int64(n)
	if r.Progress != nil {
		r.Progress(r.bytesRead)
	}
}

// otherReleaseError ends the reading of a file of another release of FHIR.
type otherReleaseError struct{ release string }

func (e *otherReleaseError) Error() string { return fhir.ReleaseReason(e.release) }

// checkRelease returns an error if the resource is not of R4: an otherReleaseError if its file is
// not either, else the reason to refuse the resource.
func (r *run) checkRelease(ctx context.Context, res *fhir.Resource) error {
	release := res.Release()
	if release == "" {
		return nil
	}
	index := int(r.position >> 32)
	of, known := r.releases[index]
	if !known {
		var err error
		if of, err = r.Files[index].Release(ctx); err != nil {
			return err
		}
		r.releases[index] = of
	}
	if of != "" {
		return &otherReleaseError{of}
	}
	return fhir.NewError(res.Type, fhir.ReleaseReason(release))
}

// dropFile removes the resources of a file that were read and not stored.
func (r *run) dropFile(index int) {
	for k, o := range r.occurrences {
		if o.position>>32 == r.position>>32 {
			delete(r.occurrences, k)
		}
	}
	var kept []*candidate
	for _, d := range r.batch {
		if d.Resource.File == r.Files[index].Name {
			delete(r.inBatch, d.Resource.Key())
			continue
		}
		kept = append(kept, d)
	}
	r.batch = kept
}

// scan handles a resource in the first stage: it lists resources of types that are not imported,
// keeps parts and aliases, and adds people and clinics to the batch.
func (r *run) scan(ctx context.Context, resource fhir.Resource, err error) error {
	res := &resource
	m := r.byType[res.Type]
	imported := m != nil && m.Read != nil
	if err != nil && (imported || res.Type == "") {
		r.refuse(res, err)
		return nil
	}
	if err := r.checkRelease(ctx, res); err != nil {
		if _, ok := errors.AsType[*fhir.Error](err); ok {
			r.refuse(res, err)
			return nil
		}
		return err
	}
	if imported {
		r.markStage(m.Stage)
	}
	again, identified := false, err == nil
	if identified {
		var add bool
		if add, again, err = r.accept(ctx, res, m); err != nil || !add {
			return err
		}
	}
	if !imported {
		reason := mapping.UnknownType
		if m != nil {
			reason = m.Notes
		}
		r.list(res, Skipped, "", reason)
	}
	if identified && !res.Deleted {
		r.parts.add(res)
		if err := r.scanReplaced(ctx, res); err != nil {
			return err
		}
	}
	if r.parts.full() {
		if err := r.storeParts(ctx); err != nil {
			return err
		}
	}
	return r.add(ctx, mapping.StagePeople, res, again)
}

// markStage marks the resource that the first stage is reading for its own stage.
func (r *run) markStage(s mapping.Stage) {
	if r.hasStage[s] = true; s != mapping.StagePeople {
		r.marks[r.position>>32].Add(uint8(s))
	}
}

// accept records the occurrence of a resource and reports whether it is to be imported, and whether
// the run has read an older version of it. It lists and counts the others.
func (r *run) accept(ctx context.Context, res *fhir.Resource, m *mapping.Row) (add, again bool, err error) {
	if err := r.identify(ctx, res); err != nil {
		return false, false, err
	}
	r.separate(res)
	switch r.note(res) {
	case repeated:
		if alias := bundleAlias(res); alias != "" {
			r.parts.addAlias(res.Key(), alias)
		}
		r.count(res.Type, Repeated, "")
		return false, false, nil
	case superseded:
		if m == nil || m.Stage == mapping.StagePeople {
			r.list(res, Skipped, "", isSuperseded)
		}
		return false, false, nil
	case replacing:
		return true, true, nil
	case onlyOne:
	}
	return true, false, nil
}

// isSuperseded is the reason why an older version of a resource is skipped.
const isSuperseded = "a newer version of the resource is in the same files"

// read handles a resource of a later stage: it adds the newest version in the files to the batch.
func (r *run) read(ctx context.Context, s mapping.Stage, resource fhir.Resource) error {
	res := &resource
	if err := r.identify(ctx, res); err != nil {
		return err
	}
	r.separate(res)
	if latest, listed := r.isLatest(res); !latest {
		if listed {
			r.list(res, Skipped, "", isSuperseded)
		}
		return nil
	}
	return r.add(ctx, s, res, false)
}

// add maps a resource of the stage and adds it to the batch. again reports whether the run has
// imported an older version of it.
func (r *run) add(ctx context.Context, s mapping.Stage, res *fhir.Resource, again bool) error {
	m := r.byType[res.Type]
	if m == nil || m.Read == nil || m.Stage != s {
		return nil
	}
	d := &mapping.Draft{Kind: kindDeletion}
	if !res.Deleted {
		var err error
		if d, err = m.Read(r.mapper, res); err != nil {
			r.refuse(res, err)
			return nil
		}
	}
	d.Resource = res
	c := &candidate{Draft: d, again: again}
	if err := r.qualify(ctx, c); err != nil {
		return err
	}
	r.replaced.override(c)
	if c.Aliases != nil {
		r.parts.addIdentifiers(res.Key(), c.Aliases)
	}
	res.Raw = nil // The draft has all that is needed of it.
	if c.Kind == mapping.KindReplaced {
		r.replaced.waiting = append(r.replaced.waiting, c)
		return nil
	}
	return r.enqueue(ctx, c)
}

// enqueue adds a candidate to the batch. A batch has each resource once.
func (r *run) enqueue(ctx context.Context, c *candidate) error {
	own := c.Resource.Key()
	if r.inBatch[own] || len(r.batch) >= batchSize {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	if r.inBatch == nil {
		r.inBatch = map[fhir.Key]bool{}
	}
	r.batch, r.inBatch[own] = append(r.batch, c), true
	return nil
}

// flush resolves and stores the batch.
func (r *run) flush(ctx context.Context) error {
	batch := r.batch
	r.batch, r.inBatch = nil, nil
	if err := r.storeParts(ctx); err != nil || len(batch) == 0 {
		return err
	}
	ready, err := r.resolve(ctx, batch)
	if err != nil {
		return err
	}
	return r.storeBatch(ctx, ready)
}

// localize moves the partial dates of a draft to the time zone of its clinic.
func (r *run) localize(ctx context.Context, q *db.Queries, d *candidate) error {
	if len(d.Floating) == 0 {
		return nil
	}
	zone, known := r.zones[d.clinicID]
	if !known {
		clinic, err := q.ClinicGet(ctx, d.clinicID)
		if err != nil {
			return fmt.Errorf("look up clinic: %w", err)
		}
		if zone, err = time.LoadLocation(clinic.TimeZone); err != nil {
			return fmt.Errorf("load time zone of clinic: %w", err)
		}
		r.zones[d.clinicID] = zone
	}
	d.Localize(zone)
	return nil
}
