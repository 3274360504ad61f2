package fhirimport

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/outbox"
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
	return sum * int64(mapping.Stages)
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
	recordImporters        map[string]recordImporter
}

// New makes an importer on a writer of the role carewire_app.
func New(writer *outbox.Writer) *Importer {
	return &Importer{
		writer: writer, directory: directory.New(writer), appointments: appointment.New(writer), billing: billing.New(writer),
		chat: chat.New(writer),
		recordImporters: map[string]recordImporter{
			"lab_report":     newRecordImporter(ehr.NewKind[ehr.LabReport](writer)),
			"prescription":   newRecordImporter(ehr.NewKind[ehr.Prescription](writer)),
			"vital_signs":    newRecordImporter(ehr.NewKind[ehr.VitalSigns](writer)),
			"allergy":        newRecordImporter(ehr.NewKind[ehr.Allergy](writer)),
			"condition":      newRecordImporter(ehr.NewKind[ehr.Condition](writer)),
			"immunization":   newRecordImporter(ehr.NewKind[ehr.Immunization](writer)),
			"procedure":      newRecordImporter(ehr.NewKind[ehr.Procedure](writer)),
			"imaging_report": newRecordImporter(ehr.NewKind[ehr.ImagingReport](writer)),
		},
	}
}

// errDry takes a dry run back.
var errDryRun = errors.New("a dry run is taken back")

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
		Importer: i, Options: o, cmd: cmd, mapper: &mapping.Options{TimeZone: o.TimeZone}, byType: map[string]*mapping.Row{}, granted: map[grant]bool{},
		tally: tally{Summary: Summary{Source: o.Source, DryRun: o.DryRun, Listed: []Item{}}, counts: map[Count]int{}, onItem: o.List},
		inTx:  func(ctx context.Context, fn func(tx pgx.Tx) error) error { return i.writer.InTx(ctx, cmd, fn) },
	}
	for _, m := range mapping.Table() {
		r.byType[m.Type] = &m
	}
	var err error
	if o.DryRun {
		err = i.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
			r.inTx = func(ctx context.Context, fn func(tx pgx.Tx) error) error { return pgx.BeginFunc(ctx, tx, fn) }
			return errors.Join(r.runStages(ctx), errDryRun)
		})
		if errors.Is(err, errDryRun) {
			err = r.err
		}
	} else {
		err = r.runStages(ctx)
	}
	return r.summary(), err
}

// File is a file to import; it can be opened again for each stage.
type File = fhir.File

// OnDisk returns the file at the path.
func OnDisk(path string) (File, error) { return fhir.OnDisk(path) }
