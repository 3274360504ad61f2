package fhirimport

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
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
	// hasStage records which stages have resources in the files.
	hasStage [mapping.Stages]bool
	granted  map[grant]bool
	batch    []*candidate
	inBatch  map[fhir.Key]bool
	parts    stagedParts
	replaced replacedPatients
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
	for s := range mapping.Stages {
		if s != mapping.StagePeople && !r.hasStage[s] {
			continue
		}
		for _, f := range r.Files {
			err := f.Read(ctx, r.progress, func(res fhir.Resource, err error) error {
				if s == mapping.StagePeople {
					return r.scan(ctx, &res, err)
				}
				if err != nil {
					return nil //nolint:nilerr // The first stage has reported it.
				}
				return r.add(ctx, s, &res)
			})
			if err != nil {
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

func (r *run) progress(n int) {
	r.bytesRead += int64(n)
	if r.Progress != nil {
		r.Progress(r.bytesRead)
	}
}

// scan handles a resource in the first stage: it lists resources of types that are not imported,
// keeps parts and aliases, and adds people and clinics to the batch.
func (r *run) scan(ctx context.Context, res *fhir.Resource, err error) error {
	if err != nil {
		r.refuse(res, err)
		return nil
	}
	m := r.byType[res.Type]
	if m == nil || m.Read == nil {
		reason := mapping.UnknownType
		if m != nil {
			reason = m.Notes
		}
		r.list(res, Skipped, "", reason)
	} else {
		r.hasStage[m.Stage] = true
	}
	r.parts.add(res)
	r.replaced.scan(res)
	if r.parts.full() {
		if err := r.storeParts(ctx); err != nil {
			return err
		}
	}
	return r.add(ctx, mapping.StagePeople, res)
}

// add maps a resource of the stage and adds it to the batch.
func (r *run) add(ctx context.Context, s mapping.Stage, res *fhir.Resource) error {
	m := r.byType[res.Type]
	if m == nil || m.Read == nil || m.Stage != s {
		return nil
	}
	d, err := m.Read(r.mapper, res)
	if err != nil {
		r.refuse(res, err)
		return nil
	}
	d = r.replaced.draft(res, d)
	d.Resource = res
	for _, alias := range d.Aliases {
		r.parts.addAlias(res.Type, alias, res.ID)
	}
	res.Raw = nil // The draft has all that is needed of it.
	if d.Kind == mapping.KindReplaced {
		r.replaced.waiting = append(r.replaced.waiting, &candidate{Draft: d})
		return nil
	}
	return r.enqueue(ctx, &candidate{Draft: d})
}

// enqueue adds a candidate to the batch. A batch has each resource once.
func (r *run) enqueue(ctx context.Context, c *candidate) error {
	own := fhir.Key{Type: c.Resource.Type, ID: c.Resource.ID}
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
