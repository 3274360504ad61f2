package ehr_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

func TestCreate_CommitsRecordAndEventTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	require.Equal(t, int64(1), r.Version)
	require.Equal(t, 1, b.Count(t, "records"))
	require.Equal(t, []string{"ehr.lab_report.created"}, types(b.Events(t)))
	e := b.Last(t)
	require.Equal(t, "lab_report/"+r.ID.String(), e.Subject)
	require.Equal(t, new(int64(1)), e.Version)
	require.Equal(t, "doctor", e.ActorRole)
	require.Equal(t, &b.patient.UserID, e.Person)
	require.Equal(t, &b.here, e.Clinic)
	require.Equal(t, map[string]any{
		"recordId": r.ID.String(), "userId": b.patient.ID, "clinicId": b.here.String(), "doctorId": b.doctor.ID, "status": "final", "version": 1.0,
		"released": true, "critical": false, "held": false,
	}, e.Data)
}

func TestCreate_RollsBackWhenItsEventCannotBeAppended(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	// The constraint makes the outbox reject every row.
	b.Exec(t, "ALTER TABLE outbox ADD CONSTRAINT outbox_broken CHECK (false) NOT VALID")
	_, err := b.reports.Create(t.Context(), by(b.doctor), b.report())
	require.Error(t, err)
	amended := b.report()
	amended.Status = "amended"
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 1, "typing error", amended)
	require.Error(t, err)
	require.Equal(t, 1, b.Count(t, "records"))
	require.Zero(t, b.Count(t, "record_versions"))
	require.Len(t, b.Events(t), 1)
	var version int64
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT version FROM records").Scan(&version))
	require.Equal(t, int64(1), version)

	_, err = b.reports.Get(t.Context(), by(b.doctor), r.ID)
	require.Error(t, err, "a read that cannot be audited is not answered")
	_, err = b.reports.List(t.Context(), by(b.doctor), ehr.Filter{})
	require.Error(t, err)
	_, err = b.reports.Get(t.Context(), by(b.stranger), r.ID)
	require.NotEqual(t, care.NotFound, care.CodeOf(err), "nor is a refusal")
}

func TestCreate_AppendsNoEventWhenTheRecordCannotBeInserted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "ALTER TABLE records ADD CONSTRAINT records_broken CHECK (false) NOT VALID")
	_, err := b.reports.Create(t.Context(), by(b.doctor), b.report())
	require.Error(t, err)
	require.Empty(t, b.Events(t))
}

func TestCreate_FollowsTheAccessTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		actor   care.Actor
		patient care.Actor
		code    care.Code
	}{
		"a doctor on the care team":              {b.doctor, b.patient, ""},
		"a doctor of the clinic":                 {b.colleague, b.patient, ""},
		"a nurse on the care team":               {b.nurse, b.patient, ""},
		"a nurse of the clinic":                  {b.otherNurse, b.patient, care.Forbidden},
		"a nurse, for another patient":           {b.nurse, b.neighbour, care.Forbidden},
		"the patient":                            {b.patient, b.patient, care.Forbidden},
		"a receptionist":                         {b.receptionist, b.patient, care.Forbidden},
		"an admin":                               {b.admin, b.patient, care.Forbidden},
		"an auditor":                             {b.auditor, b.patient, care.Forbidden},
		"an operator":                            {b.operator, b.patient, care.Forbidden},
		"a doctor elsewhere":                     {b.stranger, b.patient, care.Forbidden},
		"another program":                        {care.Actor{ID: "gateway"}, b.patient, care.Forbidden},
		"the import":                             {care.SystemActor("import"), b.patient, ""},
		"a doctor, for a patient of elsewhere":   {b.doctor, b.otherPatient, care.Invalid},
		"a doctor, for one who is no patient":    {b.doctor, b.admin, care.Invalid},
		"a doctor, for an unknown person":        {b.doctor, care.Actor{UserID: uuid.New()}, care.Invalid},
		"the import, for a patient of elsewhere": {care.SystemActor("import"), b.otherPatient, care.Invalid},
	} {
		before := len(b.Events(t))
		in := b.report()
		in.PatientID = c.patient.UserID
		_, err := b.reports.Create(t.Context(), by(c.actor), in)
		after := b.Events(t)[before:]
		switch c.code {
		case "":
			require.NoError(t, err, name)
			require.Equal(t, []string{"ehr.lab_report.created"}, types(after), name)
		case care.Invalid:
			requireCode(t, err, care.Invalid, "patientId")
			require.Empty(t, after, name)
		default:
			requireCode(t, err, c.code)
			require.Equal(t, []string{"access.denied"}, types(after), name)
			require.Equal(t, "record.create", after[0].Data["action"], name)
		}
	}
}

func TestCreate_DeterminesTheDoctor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.DoctorID = nil
	r, err := b.reports.Create(t.Context(), by(b.colleague), in)
	require.NoError(t, err)
	require.Equal(t, b.colleague.UserID, *r.Body.DoctorID)
	got, err := b.reports.Get(t.Context(), by(b.colleague), r.ID)
	require.NoError(t, err, "the doctor named in a record reads it")
	require.Equal(t, b.colleague.UserID, *got.Body.DoctorID)

	_, err = b.reports.Create(t.Context(), by(b.nurse), in)
	requireCode(t, err, care.Invalid, "doctorId")
	for _, nobody := range []uuid.UUID{b.nurse.UserID, b.stranger.UserID, uuid.New()} {
		in.DoctorID = &nobody
		_, err = b.reports.Create(t.Context(), by(b.doctor), in)
		requireCode(t, err, care.Invalid, "doctorId")
	}
	b.Exec(t, "UPDATE users SET status = 'disabled' WHERE id IN ($1, $2)", b.colleague.UserID, b.patient.UserID)
	in.DoctorID = &b.colleague.UserID
	_, err = b.reports.Create(t.Context(), by(b.doctor), in)
	// A former patient is accepted: late records are written about them too.
	requireCode(t, err, care.Invalid, "doctorId")
	in.PatientID = b.nurse.UserID
	_, err = b.reports.Create(t.Context(), by(b.doctor), in)
	requireCode(t, err, care.Invalid, "patientId", "doctorId")
}

func TestCreate_ReportsCriticalResultsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.Results[0].Interpretation = "HH"
	r, err := b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	list := b.Events(t)
	require.Equal(t, []string{"ehr.lab_report.created", "ehr.lab_report.critical"}, types(list))
	require.Equal(t, list[0].ID, list[1].Cause)
	require.Nil(t, list[1].Version, "it makes no version of its own")

	in.Status = "amended"
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 1, "typing error", in)
	require.NoError(t, err)
	require.Equal(t, "ehr.lab_report.amended", b.Last(t).Type, "the same result is reported once")
	in.Results[0].Value = ehr.Value{Number: new(ehr.Decimal("7.9"))}
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 2, "typing error", in)
	require.NoError(t, err)
	require.Equal(t, "ehr.lab_report.critical", b.Last(t).Type)
	_, err = b.reports.Retract(t.Context(), by(b.doctor), r.ID, 3, "another patient's sample")
	require.NoError(t, err)
	require.Equal(t, "ehr.lab_report.retracted", b.Last(t).Type)
}

func TestUpdate_KeepsEveryVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.Status = "preliminary"
	r, err := b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	for i, step := range []struct{ status, event string }{
		{"preliminary", "updated"},
		{"partial", "updated"},
		{"final", "released"},
		{"corrected", "amended"},
		{"amended", "amended"},
	} {
		in.Status, in.DoctorID = step.status, nil
		var next ehr.Record[ehr.LabReport]
		if step.event == "amended" {
			next, err = b.reports.Amend(t.Context(), by(b.nurse), r.ID, int64(i+1), "typing error", in)
		} else {
			next, err = b.reports.Update(t.Context(), by(b.nurse), r.ID, int64(i+1), in)
		}
		require.NoError(t, err)
		require.Equal(t, int64(i+2), next.Version)
		require.Equal(t, b.doctor.UserID, *next.Body.DoctorID, "left out, the doctor stays")
		require.Equal(t, r.CreatedBy, next.CreatedBy)
		require.Equal(t, b.nurse.ID, next.UpdatedBy)
		require.Equal(t, "ehr.lab_report."+step.event, b.Last(t).Type)
		require.Equal(t, new(int64(i+2)), b.Last(t).Version)
	}
	page, err := b.reports.ListVersions(t.Context(), by(b.doctor), r.ID, ehr.HistoryPage{})
	require.NoError(t, err)
	history := page.Items
	require.Len(t, history, 6)
	require.Equal(t, int64(6), history[0].Version)
	require.Equal(t, "preliminary", history[5].Body.Status)
	require.Equal(t, b.doctor.ID, history[5].UpdatedBy)
	third, err := b.reports.GetVersion(t.Context(), by(b.doctor), r.ID, 3)
	require.NoError(t, err)
	require.Equal(t, history[3], third)
	newest, err := b.reports.GetVersion(t.Context(), by(b.doctor), r.ID, 6)
	require.NoError(t, err)
	require.Equal(t, history[0], newest)
	_, err = b.reports.GetVersion(t.Context(), by(b.doctor), r.ID, 7)
	requireCode(t, err, care.NotFound)
}

func TestUpdate_RequiresTheCurrentVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.draft(t)
	_, err := b.reports.Update(t.Context(), by(b.doctor), r.ID, 0, r.Body)
	requireCode(t, err, care.PreconditionRequired)
	_, err = b.reports.Update(t.Context(), by(b.doctor), r.ID, 1, r.Body)
	require.NoError(t, err)
	_, err = b.reports.Update(t.Context(), by(b.doctor), r.ID, 1, r.Body)
	requireCode(t, err, care.PreconditionFailed)
	var e *care.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, int64(2), e.Version)
}

func TestUpdate_OneOfManyConcurrentUpdatesWins(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.draft(t)
	const writers, rounds = 8, 3
	for round := range rounds {
		var group sync.WaitGroup
		results := make([]error, writers)
		for i := range writers {
			group.Go(func() {
				_, results[i] = b.reports.Update(t.Context(), by(b.doctor), r.ID, int64(round+1), r.Body)
			})
		}
		group.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
				continue
			}
			requireCode(t, err, care.PreconditionFailed)
		}
		require.Equal(t, 1, won)
	}
	var versions []int64
	for _, e := range b.Events(t) {
		versions = append(versions, *e.Version)
	}
	require.Equal(t, []int64{1, 2, 3, 4}, versions, "the outbox has the versions in their order, without a gap")
	require.Equal(t, rounds, b.Count(t, "record_versions"))
}

func TestUpdate_CannotChangePatientOrClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	in := b.report()
	in.PatientID, in.ClinicID = b.neighbour.UserID, b.there
	_, err := b.reports.Update(t.Context(), by(b.doctor), r.ID, 1, in)
	requireCode(t, err, care.Invalid, "patientId", "clinicId")
	draft := b.draft(t)
	in = draft.Body
	in.DoctorID = &b.nurse.UserID
	_, err = b.reports.Update(t.Context(), by(b.doctor), draft.ID, 1, in)
	requireCode(t, err, care.Invalid, "doctorId")
	// The named doctor may have left: the record can still be corrected.
	b.Exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.doctor.UserID)
	_, err = b.reports.Update(t.Context(), by(b.nurse), draft.ID, 1, draft.Body)
	require.NoError(t, err)
}

func TestValidate_ReportsEachInvalidValue(t *testing.T) {
	t.Parallel()
	b := &testBundle{here: uuid.New(), patient: care.Actor{UserID: uuid.New()}, doctor: care.Actor{UserID: uuid.New()}}
	long := strings.Repeat("x", 3000)
	for name, c := range map[string]struct {
		break_ func(r *ehr.LabReport)
		fields []string
	}{
		"nothing":              {func(r *ehr.LabReport) { *r = ehr.LabReport{} }, []string{"patientId", "clinicId", "status", "code.system", "code.code", "effectiveAt", "results"}},
		"a status of its own":  {func(r *ehr.LabReport) { r.Status = "done" }, []string{"status"}},
		"a NUL byte":           {func(r *ehr.LabReport) { r.Results[0].Code.Display = "a\x00b" }, []string{"results[0].code.display"}},
		"invalid UTF-8":        {func(r *ehr.LabReport) { r.Results[0].Unit = "\xff" }, []string{"results[0].unit"}},
		"texts too long":       {func(r *ehr.LabReport) { r.Code.Display, r.Results[0].Value = long, ehr.Value{Text: &long} }, []string{"code.display", "results[0].value"}},
		"no value":             {func(r *ehr.LabReport) { r.Results[0].Value = ehr.Value{} }, []string{"results[0].value"}},
		"a number that is not": {func(r *ehr.LabReport) { r.Results[0].Value.Number = new(ehr.Decimal("NaN")) }, []string{"results[0].value"}},
		"a huge exponent":      {func(r *ehr.LabReport) { r.Results[0].ReferenceRange.High = new(ehr.Decimal("1e9999")) }, []string{"results[0].referenceRange.high"}},
		"an interpretation":    {func(r *ehr.LabReport) { r.Results[0].Interpretation = "high" }, []string{"results[0].interpretation"}},
		"an empty value code":  {func(r *ehr.LabReport) { r.Results[0].Value = ehr.Value{Coding: &ehr.Coding{}} }, []string{"results[0].value.system", "results[0].value.code"}},
		"too many results":     {func(r *ehr.LabReport) { r.Results = make([]ehr.Result, 501) }, []string{"results"}},
		"no results":           {func(r *ehr.LabReport) { r.Results = nil }, []string{"results"}},
		"long ago":             {func(r *ehr.LabReport) { r.EffectiveAt = ehr.At(time.Date(1066, 10, 14, 0, 0, 0, 0, time.UTC)) }, []string{"effectiveAt"}},
		"far ahead":            {func(r *ehr.LabReport) { r.EffectiveAt = ehr.At(time.Now().AddDate(5, 0, 0)) }, []string{"effectiveAt"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := b.report()
			require.NoError(t, r.Validate())
			c.break_(&r)
			requireCode(t, r.Validate(), care.Invalid, c.fields...)
		})
	}
	registered := b.report()
	registered.Status, registered.Results = "registered", nil
	require.NoError(t, registered.Validate(), "a report that is expected has no results yet")
}

func TestPrescription_BehavesLikeAReport(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := ehr.Prescription{
		Head: b.report().Head, Intent: "order", Dosage: "One tablet in the morning", Quantity: new(ehr.Decimal("30")),
		QuantityUnit: "tablet", Refills: new(2),
	}
	in.Status, in.Code = "active", ehr.Coding{System: "http://www.nlm.nih.gov/research/umls/rxnorm", Code: "314076", Display: "lisinopril 10 MG"}
	r, err := b.prescriptions.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	require.Equal(t, "ehr.prescription.created", b.Last(t).Type)
	require.Equal(t, "prescription/"+r.ID.String(), b.Last(t).Subject)
	got, err := b.prescriptions.Get(t.Context(), by(b.patient), r.ID)
	require.NoError(t, err)
	require.Equal(t, r, got)
	_, err = b.reports.Get(t.Context(), by(b.patient), r.ID)
	requireCode(t, err, care.NotFound)
	in.Status, in.Intent, in.Refills, in.Dosage = "final", "wish", new(-1), "\x07"
	_, err = b.prescriptions.Create(t.Context(), by(b.doctor), in)
	requireCode(t, err, care.Invalid, "status", "intent", "dosage", "refills")
}

func TestValue_KeepsItsDigits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := `{"code":{"system":"s","code":"c"},"value":%s,"referenceRange":{"low":0.50,"high":1e2}}`
	in := b.report()
	in.Results = nil
	values := []string{`5.10`, `-0.0`, `1.50E+3`, `"positive, \"weak\""`, `{"system":"http://snomed.info/sct","code":"260373001","display":"Detected"}`}
	for _, v := range values {
		var r ehr.Result
		require.NoError(t, json.Unmarshal([]byte(strings.Replace(body, "%s", v, 1)), &r), v)
		in.Results = append(in.Results, r)
	}
	created, err := b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	got, err := b.reports.Get(t.Context(), by(b.doctor), created.ID)
	require.NoError(t, err)
	require.Equal(t, created, got)
	for i, v := range values {
		data, err := json.Marshal(got.Body.Results[i])
		require.NoError(t, err)
		require.Equal(t, strings.Replace(body, "%s", v, 1), string(data))
	}
	for _, v := range []string{`true`, `[1]`, `01`, `1e99999`} {
		require.Error(t, json.Unmarshal([]byte(v), &ehr.Value{}), v)
	}
}

func TestOutbox_ContainsNoHealthInformation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.Results[0].Interpretation = "HH"
	in.Results[0].ReferenceRange.Text = "as usual for adults"
	r, err := b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	in.Status = "amended"
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 1, "typing error", in)
	require.NoError(t, err)
	_, err = b.reports.Acknowledge(t.Context(), by(b.doctor), r.ID, 0)
	require.NoError(t, err)
	_, err = b.reports.Get(t.Context(), by(b.patient), r.ID)
	require.NoError(t, err)
	_, err = b.reports.List(t.Context(), by(b.patient), ehr.Filter{})
	require.NoError(t, err)
	_, err = b.reports.Get(t.Context(), by(b.stranger), r.ID)
	require.Error(t, err)

	var all string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT string_agg(o::text, E'\\n') FROM outbox AS o").Scan(&all))
	require.Contains(t, all, "ehr.lab_report.critical")
	// The fraction of a second may contain any number.
	all = regexp.MustCompile(`:\d\d\.\d+\+`).ReplaceAllString(all, "")
	for _, secret := range []string{
		"loinc", "24323-8", "2823-3", "Comprehensive", "Potassium", "5.10", "mmol", "HH", "3.5", "adults",
		"Wilhelmina", "Murgatroyd", "+15550100", "2026-03-14",
	} {
		require.NotContains(t, all, secret)
	}
}
