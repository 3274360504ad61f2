package fhirimport

import (
	"cmp"
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

// batchSize is the number of resources in one transaction.
const batchSize = 500

// maxSource is the maximum length of a source's name. A constraint of the table enforces it too.
const maxSource = 100

// File is a file to import. It can be opened again for each stage.
type File = fhir.File

// Find returns the files at the path: the file, or those of a directory and its directories.
func Find(path string) ([]File, error) { return fhir.Find(path) }

// Unique returns the files without duplicates.
func Unique(files []File) []File { return fhir.Unique(files) }

// Options configure a run.
type Options struct {
	Files []File
	// Source is the name of the system that the resources come from. Their ids are unique within
	// it.
	Source string
	// ClinicID is the clinic of resources that name none. If it is zero, they are refused.
	ClinicID uuid.UUID
	// Doctor is the email address or id of the doctor who is responsible for records and past
	// appointments that name no doctor, at the clinics where they are one. If it is empty, the
	// clinic's stand-in is: see directory.Service.ImportStandInsTx.
	Doctor string
	// TimeZone is the time zone of new clinics and people; the default is UTC.
	TimeZone string
	// PhoneRegion is the country of phone numbers without a country code (ISO 3166-1 alpha-2). If it
	// is empty, it is the country of the time zone, if it is of one.
	PhoneRegion string
	// BaseURL is the address of the source's server. If it is empty, it is the first address that an
	// import of the source has seen.
	BaseURL string
	// FailFast ends the run at the first file that cannot be read.
	FailFast bool
	// DryRun rolls everything back at the end.
	DryRun bool
	// Client is the program that asked for the import, for the audit trail.
	Client care.Client
	// List is called for each resource that is not imported in full, as the run goes; Progress with
	// the number of bytes read, out of Options.Total.
	List     func(Item)
	Progress func(bytes int64)
}

// Total returns how many bytes a run reads: each file once per stage.
func (o Options) Total() int64 {
	var sum int64
	for _, f := range o.Files {
		if f.Ignored == "" {
			sum += f.Size
		}
	}
	return sum * int64(mapping.Stages)
}

func (o Options) check() error {
	var p care.FieldErrors
	p.Line("source", o.Source, 1, maxSource)
	if o.TimeZone != "" && !care.IsTimeZone(o.TimeZone) {
		p.Add("timeZone", "must be an IANA time zone such as Europe/Berlin")
	}
	if o.PhoneRegion != "" && !care.IsPhoneRegion(o.PhoneRegion) {
		p.Add("phoneRegion", "must be a country in ISO 3166-1 alpha-2, such as DE")
	}
	if len(o.Files) == 0 {
		p.Add("files", "must contain at least one file")
	}
	if o.BaseURL != "" && (len(o.BaseURL) > 1000 || !fhir.IsAddress(o.BaseURL)) {
		p.Add("baseUrl", "must be the address of a FHIR server, such as https://example.org/fhir")
	}
	return p.Err()
}

// Importer imports resources. It is safe for concurrent use.
type Importer struct {
	writer       *outbox.Writer
	directory    *directory.Service
	appointments *appointment.Service
	billing      *billing.Service
	chat         *chat.Service
	recordKinds  map[string]recordKind
}

// New returns an importer that uses a writer of the role carewire_app.
func New(writer *outbox.Writer) *Importer {
	return &Importer{
		writer: writer, directory: directory.New(writer), appointments: appointment.New(writer), billing: billing.New(writer),
		chat: chat.New(writer),
		recordKinds: map[string]recordKind{
			"lab_report":      newRecordKind(ehr.NewKind[ehr.LabReport](writer)),
			"prescription":    newRecordKind(ehr.NewKind[ehr.Prescription](writer)),
			"vital_signs":     newRecordKind(ehr.NewKind[ehr.VitalSigns](writer)),
			"allergy":         newRecordKind(ehr.NewKind[ehr.Allergy](writer)),
			"condition":       newRecordKind(ehr.NewKind[ehr.Condition](writer)),
			"immunization":    newRecordKind(ehr.NewKind[ehr.Immunization](writer)),
			"procedure":       newRecordKind(ehr.NewKind[ehr.Procedure](writer)),
			"imaging_report":  newRecordKind(ehr.NewKind[ehr.ImagingReport](writer)),
			"medical_history": newRecordKind(ehr.NewKind[ehr.MedicalHistory](writer)),
		},
	}
}

// errDryRun rolls a dry run back.
var errDryRun = errors.New("dry run: rolled back")

// Run imports the files and returns a summary. It returns care.Invalid by field for bad options,
// and any other error if it could not finish. What was imported until then stays, and the next run
// continues from there.
func (i *Importer) Run(ctx context.Context, o Options) (Summary, error) {
	if o.TimeZone == "" {
		o.TimeZone = "UTC"
	}
	if err := o.check(); err != nil {
		return Summary{}, err
	}
	o.PhoneRegion = cmp.Or(o.PhoneRegion, care.RegionOfZone(o.TimeZone))
	if o.ClinicID != uuid.Nil {
		known, err := i.directory.HasClinic(ctx, o.ClinicID)
		if err != nil {
			return Summary{}, err
		}
		if !known {
			return Summary{}, care.InvalidField("clinic", "unknown clinic")
		}
	}
	cmd := care.Command{Actor: care.SystemActor("import"), CorrelationID: "import-" + uuid.Must(uuid.NewV7()).String(), Imported: true, Client: o.Client}
	r := &run{
		Importer: i, Options: o, cmd: cmd, mapper: &mapping.Options{TimeZone: o.TimeZone, PhoneRegion: o.PhoneRegion}, byType: map[string]*mapping.Row{}, granted: map[grant]bool{},
		occurrences: map[identityHash]occurrence{}, unread: map[int]bool{}, broken: map[int]bool{}, releases: map[int]string{}, zones: map[uuid.UUID]*time.Location{}, ambiguous: map[fhir.Key]bool{}, marks: make([]fhir.Marks, len(o.Files)),
		tally: tally{Summary: Summary{Source: o.Source, DryRun: o.DryRun, Listed: []Item{}}, counts: map[Count]int{}, onItem: o.List},
		inTx:  func(ctx context.Context, fn func(tx pgx.Tx) error) error { return i.writer.InTx(ctx, cmd, fn) },
	}
	for _, m := range mapping.Table() {
		r.byType[m.Type] = &m
	}
	err := r.findDoctor(ctx)
	if err != nil {
		return Summary{}, err
	}
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
