package ehr_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/event"
	"carewire/internal/outbox"
)

func TestUpdate_ChangesOnlyTheStatusOfAReleasedRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	changed := r.Body
	changed.Results = []ehr.Result{r.Body.Results[0]}
	changed.Results[0].Value = ehr.Value{Number: new(ehr.Decimal("12.5"))}
	for status, body := range map[string]ehr.LabReport{"final": changed, "corrected": changed, "amended": r.Body, "entered-in-error": r.Body} {
		body.Status = status
		_, err := b.reports.Update(t.Context(), by(b.nurse), r.ID, 1, body)
		requireCode(t, err, care.Conflict)
		require.ErrorContains(t, err, "/retract", status)
	}
	_, err := b.reports.Update(t.Context(), by(b.doctor), r.ID, 1, r.Body)
	requireCode(t, err, care.Conflict)
	got, err := b.reports.Get(t.Context(), by(b.doctor), r.ID)
	require.NoError(t, err)
	require.Equal(t, r, got)
}

func TestUpdate_StopsAReleasedPrescriptionButDoesNotReplaceIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	prescriptions := ehr.NewKind[ehr.Prescription](outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler))))
	in := ehr.Prescription{Head: b.report().Head, Dosage: "One tablet in the morning"}
	in.Status, in.Code = "active", ehr.Coding{System: "http://www.nlm.nih.gov/research/umls/rxnorm", Code: "314076"}
	r, err := prescriptions.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)

	swapped := r.Body
	swapped.Status, swapped.Code.Code = "on-hold", "197696"
	_, err = prescriptions.Update(t.Context(), by(b.doctor), r.ID, 1, swapped)
	requireCode(t, err, care.Conflict)

	stopped := r.Body
	stopped.Status, stopped.StatusReason = "stopped", &ehr.Coding{System: "http://snomed.info/sct", Code: "281647001"}
	stopped.DoctorID = nil
	_, err = prescriptions.Update(t.Context(), by(b.doctor), r.ID, 1, stopped)
	require.NoError(t, err)
	require.Equal(t, "ehr.prescription.updated", b.Last(t).Type)
	require.Equal(t, true, b.Last(t).Data["released"])
}

// A released status that allows a change to an unreleased one does not bypass the reason.
func TestUpdate_OfAReleasedRecordIsRestrictedInEveryLaterStatus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	prescriptions := ehr.NewKind[ehr.Prescription](outbox.NewWriter(b.db.App, outbox.NewWaker(b.db.App, slog.New(slog.DiscardHandler))))
	in := ehr.Prescription{Head: b.report().Head, Dosage: "One tablet in the morning"}
	in.Status = "active"
	r, err := prescriptions.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	for i, status := range []string{"unknown", "draft"} {
		in.Status = status
		_, err = prescriptions.Update(t.Context(), by(b.doctor), r.ID, int64(i+1), in)
		require.NoError(t, err)
	}
	in.Dosage = "Ten tablets in the morning"
	_, err = prescriptions.Update(t.Context(), by(b.doctor), r.ID, 3, in)
	requireCode(t, err, care.Conflict)
	in.Status = "draft"
	_, err = prescriptions.Amend(t.Context(), by(b.doctor), r.ID, 3, "wrong dose", in)
	require.NoError(t, err)
}

func TestRecord_IsVisibleToItsPatientFromTheFirstReleasedVersionOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.draft(t)
	require.Equal(t, false, b.Last(t).Data["released"])
	requireHidden := func(step string) {
		t.Helper()
		_, err := b.reports.Get(t.Context(), by(b.patient), r.ID)
		requireCode(t, err, care.NotFound)
		_, err = b.reports.ListVersions(t.Context(), by(b.patient), r.ID, ehr.HistoryPage{})
		requireCode(t, err, care.NotFound)
		_, err = b.reports.GetVersion(t.Context(), by(b.patient), r.ID, 1)
		requireCode(t, err, care.NotFound)
		page, err := b.reports.List(t.Context(), by(b.patient), ehr.Filter{})
		require.NoError(t, err)
		require.Empty(t, page.Items, step)
	}
	requireHidden("preliminary")
	in := r.Body
	in.Status = "partial"
	_, err := b.reports.Update(t.Context(), by(b.doctor), r.ID, 1, in)
	require.NoError(t, err)
	require.Equal(t, "ehr.lab_report.updated", b.Last(t).Type)
	requireHidden("partial")

	in.Status = "final"
	_, err = b.reports.Update(t.Context(), by(b.doctor), r.ID, 2, in)
	require.NoError(t, err)
	require.Equal(t, "ehr.lab_report.released", b.Last(t).Type)
	require.Equal(t, true, b.Last(t).Data["released"])
	got, err := b.reports.Get(t.Context(), by(b.patient), r.ID)
	require.NoError(t, err)
	require.Equal(t, "final", got.Body.Status)
	page, err := b.reports.ListVersions(t.Context(), by(b.patient), r.ID, ehr.HistoryPage{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	_, err = b.reports.GetVersion(t.Context(), by(b.patient), r.ID, 2)
	requireCode(t, err, care.NotFound)
	list, err := b.reports.List(t.Context(), by(b.patient), ehr.Filter{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	all, err := b.reports.ListVersions(t.Context(), by(b.nurse), r.ID, ehr.HistoryPage{})
	require.NoError(t, err)
	require.Len(t, all.Items, 3, "a clinician reads the drafts too")

	in.Status = "corrected"
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 3, "typing error", in)
	require.NoError(t, err)
	require.Equal(t, "ehr.lab_report.amended", b.Last(t).Type)
	released := 0
	for _, e := range b.Events(t) {
		if strings.HasSuffix(e.Type, ".released") {
			released++
		}
	}
	require.Equal(t, 1, released, "a record is released once")
}

func TestRecord_EnteredInErrorHidesItsContentFromItsPatient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	const reason = "this is the report of Wilhelmina Murgatroyd"
	_, err := b.reports.Retract(t.Context(), by(b.doctor), r.ID, 1, reason)
	require.NoError(t, err)

	requireStub := func(got ehr.Record[ehr.LabReport]) {
		t.Helper()
		require.Equal(t, r.ID, got.ID)
		require.Equal(t, int64(2), got.Version)
		require.Equal(t, "entered-in-error", got.Body.Status)
		require.Equal(t, "masked", got.Body.Code.Code)
		require.Empty(t, got.Reason)
		require.Empty(t, got.CreatedBy)
		require.Nil(t, got.Body.Results)
		require.Nil(t, got.Body.DoctorID)
		require.NotEqual(t, r.Body.EffectiveAt, got.Body.EffectiveAt)
	}
	got, err := b.reports.Get(t.Context(), by(b.patient), r.ID)
	require.NoError(t, err)
	requireStub(got)
	page, err := b.reports.ListVersions(t.Context(), by(b.patient), r.ID, ehr.HistoryPage{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	requireStub(page.Items[0])
	list, err := b.reports.List(t.Context(), by(b.patient), ehr.Filter{})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	requireStub(list.Items[0])
	_, err = b.reports.GetVersion(t.Context(), by(b.patient), r.ID, 1)
	requireCode(t, err, care.NotFound)
	for name, f := range map[string]ehr.Filter{"by code": {Code: r.Body.Code.Code}, "by doctor": {DoctorID: b.doctor.UserID}, "by author": {AuthorID: b.doctor.UserID}} {
		list, err = b.reports.List(t.Context(), by(b.patient), f)
		require.NoError(t, err)
		require.Empty(t, list.Items, name)
	}

	got, err = b.reports.Get(t.Context(), by(b.nurse), r.ID)
	require.NoError(t, err)
	require.Equal(t, reason, got.Reason)
	require.Equal(t, r.Body.Results, got.Body.Results)
}

func TestRecord_RetractedBeforeItsReleaseIsNeverVisibleToItsPatient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.draft(t)
	_, err := b.reports.Retract(t.Context(), by(b.doctor), r.ID, 1, "wrong patient")
	require.NoError(t, err)
	require.Equal(t, false, b.Last(t).Data["released"])
	_, err = b.reports.Get(t.Context(), by(b.patient), r.ID)
	requireCode(t, err, care.NotFound)
}

func TestEvent_OfADraftIsHiddenFromItsPatient(t *testing.T) {
	t.Parallel()
	person := uuid.New()
	for data, sees := range map[string]bool{
		`{"released":true,"critical":false}`:  true,
		`{"released":false,"critical":false}`: false,
		`{"released":true,"critical":true}`:   true,
		`{"released":true,"held":true}`:       false,
		// An event from before the field existed.
		`{}`: true,
		`[`:  false,
	} {
		e := event.Event{Type: "ehr.lab_report.created", PersonID: &person, Data: []byte(data)}
		require.Equal(t, sees, e.PersonMaySee(), data)
	}
	require.False(t, (&event.Event{Type: "ehr.lab_report.critical", Data: []byte(`{"released":true}`)}).PersonMaySee())
}
