package fhirimport_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/fhirimport"
	"carewire/internal/outbox"
	"carewire/internal/outbox/outboxtest"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

type testBundle struct {
	db       *postgrestest.DB
	importer *fhirimport.Importer
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	db := postgrestest.New(t)
	return &testBundle{db, fhirimport.New(outbox.NewWriter(db.App, outbox.NewWaker(db.App, slog.New(slog.DiscardHandler))))}
}

// text returns a file with this content.
func text(name, content string) fhirimport.File {
	return fhirimport.File{Name: name, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func testdata(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(content)
}

func (b *testBundle) run(t *testing.T, o fhirimport.Options, files ...fhirimport.File) fhirimport.Summary {
	t.Helper()
	o.Source, o.Files = "test", files
	sum, err := b.importer.Run(t.Context(), o)
	require.NoError(t, err)
	return sum
}

// one reads one value.
func one[T any](t *testing.T, b *testBundle, sql string, args ...any) (v T) {
	t.Helper()
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), sql, args...).Scan(&v), sql)
	return v
}

// content returns everything that an import can have written, apart from ids and times.
func (b *testBundle) content(t *testing.T) string {
	t.Helper()
	return one[string](t, b, `SELECT concat_ws(E'\n',
		(SELECT string_agg(concat_ws(' ', name, time_zone), E'\n' ORDER BY name) FROM clinics),
		(SELECT string_agg(concat_ws(' ', version, coalesce(email, 'none'), email_verified, given_name, family_name, phone, locale, status), E'\n' ORDER BY family_name) FROM users),
		(SELECT string_agg(concat_ws(' ', u.family_name, m.role), E'\n' ORDER BY u.family_name, m.role) FROM memberships AS m JOIN users AS u ON u.id = m.user_id),
		(SELECT string_agg(concat_ws(' ', kind, version, status, code_system, code, body ->> 'effectiveAt', effective_at AT TIME ZONE 'UTC'), E'\n' ORDER BY kind, code, effective_at) FROM records),
		(SELECT string_agg(concat_ws(' ', version, status, starts_at AT TIME ZONE 'UTC', ends_at AT TIME ZONE 'UTC', historic), E'\n' ORDER BY starts_at) FROM appointments),
		(SELECT string_agg(concat_ws(' ', version, number, status, overdue, currency, total_minor, paid_minor, due_on), E'\n' ORDER BY due_on) FROM invoices),
		(SELECT string_agg(concat_ws(' ', resource_type, resource_id, kind), E'\n' ORDER BY resource_type, resource_id) FROM import_identifiers))`)
}

func TestImport_ImportsABundleAndReportsEachResource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sum := b.run(t, fhirimport.Options{TimeZone: "Europe/Berlin"}, text("clinic.json", testdata(t, "clinic.json")))
	require.Equal(t, 3, sum.Skipped, sum.Listed)
	require.Zero(t, sum.Refused, sum.Listed)
	require.Equal(t, 19, sum.Imported, sum.Counts)
	want, err := os.ReadFile("testdata/clinic.txt")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), b.content(t))
	require.JSONEq(t, `[{"code": {"system": "http://loinc.org", "code": "2823-3", "display": "Potassium"}, "value": 6.90, "unit": "mmol/L", "interpretation": "HH"}]`,
		one[string](t, b, `SELECT body ->> 'results' FROM records WHERE kind = 'lab_report' AND code = '24323-8'`))
	require.Equal(t, "6.90", one[string](t, b, `SELECT body #>> '{results,0,value}' FROM records WHERE code = '24323-8'`), "digits are kept")
	require.Zero(t, one[int](t, b, `SELECT count(*) FROM import_parts`), "parts are dropped at the end")
}

func TestImport_MarksEventsAsImportedAndWithTheClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, fhirimport.Options{Client: care.Client{Address: "203.0.113.0/24", Agent: care.AgentService}}, text("clinic.json", testdata(t, "clinic.json")))
	all := outboxtest.Appended(t, b.db.Owner)
	require.NotEmpty(t, all)
	require.Equal(t, len(all), one[int](t, b, `SELECT count(*) FROM outbox WHERE client_address = '203.0.113.0/24' AND client_agent = 'service'`), "each event has the client")
	for _, e := range all {
		require.True(t, e.Imported, e.Type)
		require.Equal(t, "system:import", e.ActorID)
	}
	for typ, n := range map[string]int{
		"user.created": 2, "membership.granted": 2, "appointment.completed": 1, "appointment.no_show": 1, "ehr.lab_report.created": 2,
		"ehr.lab_report.critical": 1, "ehr.vital_signs.created": 1, "billing.invoice_drafted": 1, "billing.invoice_issued": 2, "billing.payment_received": 1,
	} {
		outboxtest.RequireCount(t, b.db.Owner, n, typ)
	}
	records := one[int](t, b, `SELECT count(*) FROM records`)
	created := 0
	for _, e := range all {
		if strings.HasPrefix(e.Type, "ehr.") && strings.HasSuffix(e.Type, ".created") {
			created++
		}
	}
	require.Equal(t, records, created, "each record has its event")
	require.True(t, one[bool](t, b, `SELECT overdue FROM invoices WHERE number = '2024-7'`), "an imported invoice is overdue without an event")
}

func TestImport_IsIdempotent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := text("clinic.json", testdata(t, "clinic.json"))
	first := b.run(t, fhirimport.Options{}, file)
	before, events := b.content(t), len(outboxtest.Appended(t, b.db.Owner))
	second := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, [4]int{0, 0, first.Imported, first.Skipped}, [4]int{second.Imported, second.Updated, second.Unchanged, second.Skipped})
	require.Equal(t, before, b.content(t))
	require.Len(t, outboxtest.Appended(t, b.db.Owner), events)
}

func TestImport_OfAChangedResourceMakesANewVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := testdata(t, "clinic.json")
	b.run(t, fhirimport.Options{}, text("clinic.json", content))
	for old, changed := range map[string]string{
		`"value": 6.90`:            `"value": 4.10`,     // In a report's result.
		`"family": "Vogel"`:        `"family": "Falke"`, // A person.
		`"status": "noshow"`:       `"status": "cancelled"`,
		`"value": 128`:             `"value": 131`,
		`"name": "Harbour Clinic"`: `"name": "Port Clinic"`,
	} {
		require.Contains(t, content, old)
		content = strings.Replace(content, old, changed, 1)
	}
	sum := b.run(t, fhirimport.Options{}, text("clinic.json", content))
	require.Equal(t, [3]int{0, 6, 13}, [3]int{sum.Imported, sum.Updated, sum.Unchanged}, "the five changes, and the report with the result: %v", sum.Counts)
	require.Equal(t, int64(2), one[int64](t, b, `SELECT version FROM records WHERE code = '24323-8'`))
	require.Equal(t, "4.10", one[string](t, b, `SELECT body #>> '{results,0,value}' FROM records WHERE code = '24323-8'`))
	require.Equal(t, "6.90", one[string](t, b, `SELECT v.body #>> '{results,0,value}' FROM record_versions AS v WHERE code = '24323-8'`), "the old version is kept")
	outboxtest.Require(t, b.db.Owner, "ehr.lab_report.updated", outboxtest.Version(2))
	outboxtest.Require(t, b.db.Owner, "user.updated", outboxtest.Version(2), outboxtest.That(func(e event.Event) string {
		if strings.Contains(string(e.Data), "Falke") || !strings.Contains(string(e.Data), "familyName") {
			return "must contain field names and no values"
		}
		return ""
	}))
	outboxtest.Require(t, b.db.Owner, "appointment.cancelled", outboxtest.Version(2))
	require.Equal(t, "Port Clinic", one[string](t, b, `SELECT name FROM clinics`))
}

func TestImport_RefusesByPathWithoutValuesAndImportsTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var listed []string
	sum := b.run(t, fhirimport.Options{List: func(i fhirimport.Item) { listed = append(listed, i.String()) }}, text("faulty.ndjson", testdata(t, "faulty.ndjson")))
	require.Equal(t, []string{
		"refused: faulty.ndjson[4] resource: invalid JSON",
		"refused: faulty.ndjson[5] Patient: Patient.id: must be a FHIR id",
		"refused: faulty.ndjson[3] Patient/pat-9: Patient.name: has the wrong type; see FHIR R4",
		"refused: faulty.ndjson[10] DiagnosticReport/bad-form: DiagnosticReport.presentedForm[0].data: is not base64",
		"refused: faulty.ndjson[11] Procedure/bad-time: Procedure.performedDateTime: must be a year, a month, a day or an RFC 3339 date and time, such as 2019, 2019-03, 2019-03-15 or 2026-03-14T09:30:00Z",
		"refused: faulty.ndjson[9] Condition/bad-code: Condition.code.code: must be a SNOMED CT identifier with its check digit, such as 38341003",
		"refused: faulty.ndjson[7] Observation/orphan: Observation.subject: does not refer to an imported person; import the person too, in this run or before",
	}, listed)
	require.Equal(t, [2]int{4, 7}, [2]int{sum.Imported, sum.Refused}, sum.Counts)
	require.Equal(t, 1, one[int](t, b, `SELECT count(*) FROM records`))
}

func TestImport_DryRunReportsTheSameAndWritesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := text("clinic.json", testdata(t, "clinic.json"))
	dry := b.run(t, fhirimport.Options{DryRun: true}, file)
	require.Zero(t, one[int](t, b, `SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM clinics) + (SELECT count(*) FROM import_identifiers)`))
	require.Empty(t, outboxtest.Appended(t, b.db.Owner))
	done := b.run(t, fhirimport.Options{}, file)
	dry.DryRun = false
	require.Equal(t, dry, done)
}

// breaking returns a file that fails after the given number of bytes.
func breaking(content string, after int) fhirimport.File {
	return fhirimport.File{Name: "clinic.json", Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(content[:after]), failing{})), nil
	}}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk failure") }

func TestImport_InterruptedIsCompletedByTheNextRun(t *testing.T) {
	t.Parallel()
	whole, cut := setup(t), setup(t)
	content := testdata(t, "clinic.json")
	file := text("clinic.json", content)
	whole.run(t, fhirimport.Options{}, file)
	reads := 0
	for _, stop := range []int{1, 2, 3, 4} {
		// The context is cancelled while the file is read for the stage.
		ctx, cancel := context.WithCancel(t.Context())
		reads = 0
		stopping := file
		stopping.Open = func() (io.ReadCloser, error) {
			if reads++; reads > stop {
				cancel()
			}
			return file.Open()
		}
		_, err := cut.importer.Run(ctx, fhirimport.Options{Source: "test", Files: []fhirimport.File{stopping}})
		require.ErrorIs(t, err, context.Canceled)
		cancel()
	}
	cut.run(t, fhirimport.Options{}, file)
	require.Equal(t, whole.content(t), cut.content(t))
}

func TestImport_ReportsWhereAFileIsBroken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := testdata(t, "clinic.json")
	for name, file := range map[string]fhirimport.File{
		"not JSON":      text("a.json", "PK\x03\x04"),
		"cut":           text("a.json", content[:len(content)/2]),
		"not gzip":      text("a.json", "\x1f\x8bxxxx"),
		"two documents": text("a.json", `{"resourceType":"Patient","id":"a"}{"resourceType":"Patient","id":"b"}`),
		"unreadable":    breaking(content, 100),
	} {
		_, err := b.importer.Run(t.Context(), fhirimport.Options{Source: "test", Files: []fhirimport.File{file}, FailFast: true})
		require.ErrorContains(t, err, file.Name, name)
		require.NotContains(t, err.Error(), "Vogel", name)
	}
}

func TestImport_ReadsGzipAndSingleResources(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte(`{"id": "org-2", "resourceType": "Organization", "name": "Hill Clinic"}`))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	sum := b.run(t, fhirimport.Options{}, text("org.json.gz", zipped.String()),
		text("people.ndjson", "{\"resourceType\":\"Practitioner\",\"id\":\"d\"}\n\n{\"resourceType\":\"Patient\",\"id\":\"p\"}\n"))
	require.Equal(t, 3, sum.Imported, sum.Listed)
	require.Equal(t, "Hill Clinic", one[string](t, b, `SELECT name FROM clinics`))
	require.Equal(t, 2, one[int](t, b, `SELECT count(*) FROM users WHERE email IS NULL AND NOT email_verified AND status = 'active'`))
}

func TestImport_WithoutAClinicNeedsADefault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := text("a.ndjson", `{"resourceType":"Practitioner","id":"d"}
{"resourceType":"Patient","id":"p"}
{"resourceType":"Procedure","id":"x","status":"completed","code":{"text":"Cut"},"subject":{"reference":"Patient/p"},"performedDateTime":"2020","performer":[{"actor":{"reference":"Practitioner/d"}}]}`)
	sum := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, 1, sum.Refused)
	require.Contains(t, sum.Listed[0].Reason, "--clinic")
	clinic := uuid.New()
	_, err := b.importer.Run(t.Context(), fhirimport.Options{Source: "test", Files: []fhirimport.File{file}, ClinicID: clinic})
	require.Equal(t, care.Invalid, care.CodeOf(err), "unknown clinic")
	_, err = b.db.Owner.Exec(t.Context(), `INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Fallback', 'UTC')`, clinic)
	require.NoError(t, err)
	sum = b.run(t, fhirimport.Options{ClinicID: clinic}, file)
	require.Equal(t, [2]int{1, 2}, [2]int{sum.Imported, sum.Unchanged})
	require.Equal(t, clinic, one[uuid.UUID](t, b, `SELECT clinic_id FROM records`))
}

func TestImport_ImportsTheOthersIfTheDatabaseRefusesOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lines := []string{`{"resourceType":"Organization","id":"o","name":"Clinic"}`, `{"resourceType":"Patient","id":"p","managingOrganization":{"reference":"Organization/o"}}`}
	for _, n := range []string{"1", "2", "1", "3"} { // An invoice number is unique at a clinic.
		lines = append(lines, `{"resourceType":"Invoice","id":"i`+uuid.NewString()+`","status":"issued","subject":{"reference":"Patient/p"},"date":"2024-01-01","identifier":[{"value":"`+n+`"}],"totalNet":{"value":1,"currency":"EUR"}}`)
	}
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", strings.Join(lines, "\n")))
	require.Equal(t, [2]int{5, 1}, [2]int{sum.Imported, sum.Refused})
	require.Equal(t, "Invoice.identifier[0].value", sum.Listed[0].Path)
	require.Equal(t, 3, one[int](t, b, `SELECT count(*) FROM invoices`))
}

func TestImport_ConvertsAmountsToTheMinorUnitsOfISO4217(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lines := []string{`{"resourceType":"Organization","id":"o","name":"Clinic"}`, `{"resourceType":"Patient","id":"p","managingOrganization":{"reference":"Organization/o"}}`}
	for currency, amount := range map[string]string{"EUR": "12.34", "IQD": "1.5", "JPY": "900", "VES": "0.07", "XAU": "1", "DEM": "10.25", "ITL": "5000"} {
		lines = append(lines, `{"resourceType":"Invoice","id":"`+currency+`","status":"issued","subject":{"reference":"Patient/p"},"date":"2024-01-01","totalNet":{"value":`+amount+`,"currency":"`+currency+`"}}`)
	}
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", strings.Join(lines, "\n")))
	require.Equal(t, [2]int{8, 1}, [2]int{sum.Imported, sum.Refused}, "gold is not a currency: %v", sum.Listed)
	require.Equal(t, "Invoice.totalNet.currency", sum.Listed[0].Path)
	require.Equal(t, "DEM 1025, EUR 1234, IQD 1500, ITL 5000, JPY 900, VES 7", one[string](t, b, `SELECT string_agg(currency || ' ' || total_minor, ', ' ORDER BY currency) FROM invoices`))
}

// TestImport_OfLocalFiles imports the files of CAREWIRE_TEST_FHIR_DIR, if it is set. Nothing may
// be dropped silently.
func TestImport_OfLocalFiles(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("CAREWIRE_TEST_FHIR_DIR")
	if dir == "" {
		t.Skip("CAREWIRE_TEST_FHIR_DIR is not set")
	}
	b := setup(t)
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	var files []fhirimport.File
	for _, path := range paths {
		found, err := fhirimport.Find(path)
		require.NoError(t, err)
		files = append(files, found...)
	}
	first := b.run(t, fhirimport.Options{}, files...)
	before := b.content(t)
	second := b.run(t, fhirimport.Options{}, files...)
	require.Zero(t, second.Imported+second.Updated, second.Counts)
	require.Equal(t, first.Imported+first.Updated+first.Unchanged, second.Unchanged)
	require.Equal(t, before, b.content(t))
	require.Len(t, second.Listed, second.Skipped+second.Refused+partly(second))
}

func partly(sum fhirimport.Summary) (n int) {
	for _, c := range sum.Counts {
		if c.Outcome == fhirimport.Partly {
			n += c.Count
		}
	}
	return n
}
