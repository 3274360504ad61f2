package fhirimport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// batchSize is how many resources one transaction takes in.
const batchSize = 500

// maxSource is how long a source's name may be; a constraint of the table says the same.
const maxSource = 100

// Options say what a run takes in, and how.
type Options struct {
	Files []File
	// Source names the system that the resources are of: their ids are told apart by it.
	Source string
	// ClinicID is where something was that names no clinic; zero for nowhere, then it is refused.
	ClinicID uuid.UUID
	// TimeZone is that of new clinics and people; empty is UTC.
	TimeZone string
	// DryRun does everything, and then takes all of it back.
	DryRun bool
	// List is told of each resource that is not taken in whole, as it goes; Progress of bytes read, of Options.Total.
	List     func(Item)
	Progress func(bytes int64)
}

// Total is how many bytes a run reads: each file once a stage.
func (o Options) Total() int64 {
	var sum int64
	for _, f := range o.Files {
		sum += f.Size
	}
	return sum * int64(stages)
}

func (o Options) check() error {
	var p care.FieldErrors
	p.Line("source", o.Source, 1, maxSource)
	if _, err := time.LoadLocation(o.TimeZone); err != nil || o.TimeZone == "Local" {
		p.Add("timeZone", "must be an IANA time zone such as Europe/Berlin")
	}
	if len(o.Files) == 0 {
		p.Add("files", "must name at least one")
	}
	return p.Err()
}

// Importer takes resources in. It is safe for concurrent use.
type Importer struct {
	writer       *outbox.Writer
	directory    *directory.Service
	appointments *appointment.Service
	billing      *billing.Service
	chat         *chat.Service
	kinds        map[string]recordKind
}

// New makes an importer on a writer of the role carewire_app.
func New(writer *outbox.Writer) *Importer {
	return &Importer{
		writer: writer, directory: directory.New(writer), appointments: appointment.New(writer), billing: billing.New(writer),
		chat: chat.New(writer),
		kinds: map[string]recordKind{
			"lab_report":     kindOf(ehr.NewKind[ehr.LabReport](writer)),
			"prescription":   kindOf(ehr.NewKind[ehr.Prescription](writer)),
			"vital_signs":    kindOf(ehr.NewKind[ehr.VitalSigns](writer)),
			"allergy":        kindOf(ehr.NewKind[ehr.Allergy](writer)),
			"condition":      kindOf(ehr.NewKind[ehr.Condition](writer)),
			"immunization":   kindOf(ehr.NewKind[ehr.Immunization](writer)),
			"procedure":      kindOf(ehr.NewKind[ehr.Procedure](writer)),
			"imaging_report": kindOf(ehr.NewKind[ehr.ImagingReport](writer)),
		},
	}
}

// errDry takes a dry run back.
var errDry = errors.New("a dry run is taken back")

// Run takes the files in and tells what it did. An error is care.Invalid by field for options that cannot be, or why it
// could not finish; what was taken in until then stays, and the next run goes on from there.
func (i *Importer) Run(ctx context.Context, o Options) (Summary, error) {
	if o.TimeZone == "" {
		o.TimeZone = "UTC"
	}
	if err := o.check(); err != nil {
		return Summary{}, err
	}
	if o.ClinicID != uuid.Nil {
		known, err := i.directory.HasClinic(ctx, o.ClinicID)
		if err != nil {
			return Summary{}, err
		}
		if !known {
			return Summary{}, care.InvalidField("clinic", "there is no such clinic")
		}
	}
	cmd := care.Command{Actor: care.SystemActor("import"), CorrelationID: "import-" + uuid.Must(uuid.NewV7()).String(), Imported: true}
	r := &run{
		Importer: i, Options: o, cmd: cmd, mapper: &mapper{timeZone: o.TimeZone}, byType: map[string]*Mapping{}, granted: map[grant]bool{},
		tally: tally{Summary: Summary{Source: o.Source, DryRun: o.DryRun, Listed: []Item{}}, counts: map[Count]int{}, list: o.List},
		inTx:  func(ctx context.Context, fn func(tx pgx.Tx) error) error { return i.writer.InTx(ctx, cmd, fn) },
	}
	for _, m := range Mappings() {
		r.byType[m.Type] = &m
	}
	var err error
	if o.DryRun {
		err = i.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
			r.inTx = func(ctx context.Context, fn func(tx pgx.Tx) error) error { return pgx.BeginFunc(ctx, tx, fn) }
			return errors.Join(r.all(ctx), errDry)
		})
		if errors.Is(err, errDry) {
			err = r.failed
		}
	} else {
		err = r.all(ctx)
	}
	return r.summary(), err
}

// run is one run of an importer.
type run struct {
	*Importer
	Options
	tally
	cmd    care.Command
	mapper *mapper
	byType map[string]*Mapping
	inTx   func(ctx context.Context, fn func(tx pgx.Tx) error) error
	// seen has the stages of which there is something in the files.
	seen    [stages]bool
	granted map[grant]bool
	batch   []*draft
	inBatch map[key]bool
	parts   staged
	read    int64
	failed  error
}

func (r *run) all(ctx context.Context) error {
	r.failed = r.passes(ctx)
	return r.failed
}

// passes reads the files once for each stage.
func (r *run) passes(ctx context.Context) error {
	if err := r.forget(ctx); err != nil {
		return err
	}
	for s := range stages {
		if s != people && !r.seen[s] {
			continue
		}
		for _, f := range r.Files {
			err := f.read(ctx, r.progress, func(res resource, err error) error {
				if s == people {
					return r.meet(ctx, &res, err)
				}
				if err != nil {
					return nil //nolint:nilerr // The first stage has told of it.
				}
				return r.take(ctx, s, &res)
			})
			if err != nil {
				return err
			}
		}
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	return r.forget(ctx)
}

func (r *run) progress(n int) {
	r.read += int64(n)
	if r.Progress != nil {
		r.Progress(r.read)
	}
}

// forget drops the parts that this run, or one that was cut short, has kept.
func (r *run) forget(ctx context.Context) error {
	return r.inTx(ctx, func(tx pgx.Tx) error { return db.New(tx).ImportPartDelete(ctx, r.Source) })
}

// meet is the first stage: it tells of what has no home, keeps parts and other names, and takes people and clinics in.
func (r *run) meet(ctx context.Context, res *resource, err error) error {
	if err != nil {
		r.refuse(res, err)
		return nil
	}
	m := r.byType[res.typ]
	if m == nil || m.read == nil {
		reason := noHome
		if m != nil {
			reason = m.Notes
		}
		r.item(res, Skipped, "", reason)
	} else {
		r.seen[m.stage] = true
	}
	r.parts.keep(res)
	if r.parts.full() {
		if err := r.keepParts(ctx); err != nil {
			return err
		}
	}
	return r.take(ctx, people, res)
}

// take maps a resource of the stage and puts it into the batch.
func (r *run) take(ctx context.Context, s stage, res *resource) error {
	m := r.byType[res.typ]
	if m == nil || m.read == nil || m.stage != s {
		return nil
	}
	d, err := m.read(r.mapper, res)
	if err != nil {
		r.refuse(res, err)
		return nil
	}
	d.res = res
	for _, alias := range d.aliases {
		r.parts.alias(res.typ, alias, res.id)
	}
	own := key{res.typ, res.id}
	if r.inBatch[own] || len(r.batch) >= batchSize {
		if err := r.flush(ctx); err != nil {
			return err
		}
	}
	if r.inBatch == nil {
		r.inBatch = map[key]bool{}
	}
	res.raw = nil // What was read of it is in the draft.
	r.batch, r.inBatch[own] = append(r.batch, d), true
	return nil
}

// refuse lists a resource with what is wrong with it.
func (r *run) refuse(res *resource, err error) {
	if s, ok := errors.AsType[*skip](err); ok {
		r.item(res, Skipped, "", s.reason)
		return
	}
	if f, ok := errors.AsType[*fault](err); ok {
		r.item(res, Refused, f.path, f.reason)
		return
	}
	r.item(res, Refused, res.typ, "cannot be stored")
}

// refuseDraft says what the domain says of a draft, in the resource's own paths.
func (r *run) refuseDraft(d *draft, err error) {
	refusal, ok := errors.AsType[*care.Error](err)
	switch {
	case ok && len(refusal.Fields) > 0:
		r.item(d.res, Refused, d.path(refusal.Fields[0].Field), refusal.Fields[0].Message)
	case ok:
		r.item(d.res, Refused, d.res.typ, refusal.Message)
	default:
		r.refuse(d.res, err)
	}
}

// path says where a field of the domain's stands in the resource.
func (d *draft) path(field string) string {
	end := len(field)
	for n, c := range field {
		if c == '.' || c == '[' {
			end = n
			break
		}
	}
	name, rest := field[:end], field[end:]
	if there, ok := d.paths[name]; ok {
		name = there
	}
	return join(d.res.typ, name) + rest
}

// staged are parts and other names that wait to be stored together.
type staged struct {
	parts   map[key]json.RawMessage
	aliases map[key]string
}

func (s *staged) alias(typ, alias, id string) {
	if s.aliases == nil {
		s.aliases = map[key]string{}
	}
	s.aliases[key{typ, alias}] = id
}

// keep takes from a resource what others may need of it.
func (s *staged) keep(res *resource) {
	if alias := aliasOf(res); alias != "" {
		s.alias(res.typ, alias, res.id)
	}
	var body any
	switch res.typ {
	case "Observation":
		results, err := observed(res.raw)
		if err != nil {
			return // Its own stage tells of it.
		}
		body = results
	case "Medication":
		code, err := medicationCode("Medication", res.raw)
		if err != nil {
			return
		}
		body = code
	default:
		return
	}
	data, err := json.Marshal(body)
	if err != nil {
		return
	}
	if s.parts == nil {
		s.parts = map[key]json.RawMessage{}
	}
	s.parts[key{res.typ, res.id}] = data
}

// aliasOf is the name that a bundle gives a resource, where it is not the resource's id.
func aliasOf(res *resource) string {
	const prefix = "urn:uuid:"
	if len(res.fullURL) > len(prefix) && res.fullURL[:len(prefix)] == prefix && res.fullURL[len(prefix):] != res.id {
		return res.fullURL[len(prefix):]
	}
	return ""
}

func (s *staged) full() bool { return len(s.parts)+len(s.aliases) >= batchSize }

// keepParts stores what is staged.
func (r *run) keepParts(ctx context.Context) error {
	s := r.parts
	r.parts = staged{}
	if len(s.parts)+len(s.aliases) == 0 {
		return nil
	}
	put := db.ImportPartPutParams{Source: r.Source}
	for k, body := range s.parts {
		put.Types, put.Ids, put.Bodies = append(put.Types, k.typ), append(put.Ids, k.id), append(put.Bodies, body)
	}
	names := db.ImportAliasUpsertManyParams{Source: r.Source}
	for k, id := range s.aliases {
		names.Types, names.Aliases, names.Ids = append(names.Types, k.typ), append(names.Aliases, k.id), append(names.Ids, id)
	}
	return r.inTx(ctx, func(tx pgx.Tx) error {
		q := db.New(tx)
		if len(put.Ids) > 0 {
			if err := q.ImportPartPut(ctx, put); err != nil {
				return fmt.Errorf("keep parts: %w", err)
			}
		}
		if len(names.Ids) > 0 {
			if err := q.ImportAliasUpsertMany(ctx, names); err != nil {
				return fmt.Errorf("keep other names: %w", err)
			}
		}
		return nil
	})
}

// flush takes the batch in, in halves where it cannot be as a whole.
func (r *run) flush(ctx context.Context) error {
	batch := r.batch
	r.batch, r.inBatch = nil, nil
	if err := r.keepParts(ctx); err != nil || len(batch) == 0 {
		return err
	}
	ready, err := r.resolve(ctx, batch)
	if err != nil {
		return err
	}
	return r.write(ctx, ready)
}
