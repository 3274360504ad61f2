package ehr_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

func TestList_FiltersByEachField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := func(d int) time.Time { return time.Date(2026, 2, d, 12, 0, 0, 0, time.UTC) }
	write := func(actor, doctor care.Actor, status, code string, d int) uuid.UUID {
		in := b.report()
		in.DoctorID, in.Status, in.Code, in.EffectiveAt = &doctor.UserID, status, ehr.Coding{System: "http://loinc.org", Code: code}, ehr.At(day(d))
		r, err := b.reports.Create(t.Context(), by(actor), in)
		require.NoError(t, err)
		return r.ID
	}
	one := write(b.doctor, b.doctor, "final", "24323-8", 1)
	two := write(b.nurse, b.doctor, "preliminary", "24323-8", 2)
	three := write(b.doctor, b.colleague, "final", "2823-3", 3)

	for name, c := range map[string]struct {
		filter ehr.Filter
		want   []uuid.UUID
	}{
		"nothing":                          {ehr.Filter{}, []uuid.UUID{three, two, one}},
		"the doctor":                       {ehr.Filter{DoctorID: b.doctor.UserID}, []uuid.UUID{two, one}},
		"the doctor, with all":             {ehr.Filter{DoctorID: b.doctor.UserID, AuthorID: b.nurse.UserID, ClinicID: b.here, PatientID: b.patient.UserID}, []uuid.UUID{two}},
		"the author":                       {ehr.Filter{AuthorID: b.doctor.UserID}, []uuid.UUID{three, one}},
		"the author, at the clinic":        {ehr.Filter{AuthorID: b.nurse.UserID, ClinicID: b.here}, []uuid.UUID{two}},
		"the author, who wrote none":       {ehr.Filter{AuthorID: b.colleague.UserID}, nil},
		"the status":                       {ehr.Filter{Status: "final"}, []uuid.UUID{three, one}},
		"the status, at the clinic":        {ehr.Filter{Status: "final", ClinicID: b.here}, []uuid.UUID{three, one}},
		"the code":                         {ehr.Filter{Code: "24323-8"}, []uuid.UUID{two, one}},
		"the code in its system":           {ehr.Filter{Code: "http://loinc.org|24323-8", PatientID: b.patient.UserID}, []uuid.UUID{two, one}},
		"the code in another system":       {ehr.Filter{Code: "http://snomed.info/sct|24323-8"}, nil},
		"from a time on, itself included":  {ehr.Filter{From: day(2)}, []uuid.UUID{three, two}},
		"to a time, itself not included":   {ehr.Filter{To: day(2), PatientID: b.patient.UserID}, []uuid.UUID{one}},
		"from and to":                      {ehr.Filter{From: day(2), To: day(3), ClinicID: b.here}, []uuid.UUID{two}},
		"from and to and the status of it": {ehr.Filter{From: day(2), To: day(3), Status: "final"}, nil},
	} {
		page, err := b.reports.List(t.Context(), by(b.nurse), c.filter)
		require.NoError(t, err, name)
		var got []uuid.UUID
		for _, r := range page.Items {
			got = append(got, r.ID)
		}
		require.Equal(t, c.want, got, name)
	}

	page, err := b.reports.List(t.Context(), by(b.colleague), ehr.Filter{PatientID: b.patient.UserID, Status: "cancelled"})
	require.NoError(t, err, "the doctor named in one record may list, even if the filter excludes it")
	require.Empty(t, page.Items)
	for name, f := range map[string]ehr.Filter{
		"status": {Status: "active"}, "code": {Code: "http://loinc.org|"}, "to": {From: day(2), To: day(1)},
	} {
		_, err := b.reports.List(t.Context(), by(b.doctor), f)
		requireCode(t, err, care.Invalid, name)
	}
	for _, code := range []string{"|24323-8", "|", "a\x00b", strings.Repeat("9", 400)} {
		_, err := b.reports.List(t.Context(), by(b.doctor), ehr.Filter{Code: code})
		requireCode(t, err, care.Invalid, "code")
	}
}

func TestList_PagesWithAFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 9 {
		in := b.report()
		in.EffectiveAt = ehr.At(time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC))
		if i%2 == 1 {
			in.Status = "preliminary"
		}
		_, err := b.reports.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
	}
	f := ehr.Filter{Status: "final", From: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 9, 0, 0, 0, 0, time.UTC), Limit: 2}
	page, err := b.reports.List(t.Context(), by(b.doctor), f)
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	f.Cursor = page.Next
	rest, err := b.reports.List(t.Context(), by(b.doctor), f)
	require.NoError(t, err)
	require.Len(t, rest.Items, 1)
	require.Empty(t, rest.Next)
	require.Equal(t, []int{7, 5, 3}, []int{page.Items[0].Body.EffectiveAt.Start().Day(), page.Items[1].Body.EffectiveAt.Start().Day(), rest.Items[0].Body.EffectiveAt.Start().Day()})
}

func TestList_ShowsEveryEarlierRecordOnceWhileOthersWrite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	create := func(day int) uuid.UUID {
		in := b.report()
		in.EffectiveAt = ehr.At(time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC))
		r, err := b.reports.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
		return r.ID
	}
	earlier := map[uuid.UUID]bool{}
	for i := range 20 {
		earlier[create(1+i)] = true
	}
	// Writers insert before, among and after the pages until the last page is read.
	done := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 3 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					create(1 + (w*7+i)%28)
				}
			}
		})
	}
	seen := map[uuid.UUID]int{}
	f := ehr.Filter{ClinicID: b.here, To: time.Date(2026, 1, 21, 0, 0, 0, 0, time.UTC), Limit: 4}
	for {
		page, err := b.reports.List(t.Context(), by(b.doctor), f)
		require.NoError(t, err)
		for _, r := range page.Items {
			seen[r.ID]++
		}
		if f.Cursor = page.Next; f.Cursor == "" || len(seen) > 2000 {
			break
		}
	}
	close(done)
	writers.Wait()
	for id := range earlier {
		require.Equal(t, 1, seen[id])
	}
	for _, n := range seen {
		require.Equal(t, 1, n)
	}
}

func TestListVersions_IsPagedWithAuthorTimeAndReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	for i := range 4 {
		in := b.report()
		in.Status = "corrected"
		_, err := b.reports.Amend(t.Context(), by(b.doctor), r.ID, int64(i+1), "Sample "+strings.Repeat("I", i+1), in)
		require.NoError(t, err)
	}
	var got []ehr.Record[ehr.LabReport]
	h := ehr.HistoryPage{Limit: 2}
	for {
		page, err := b.reports.ListVersions(t.Context(), by(b.patient), r.ID, h)
		require.NoError(t, err)
		got = append(got, page.Items...)
		if h.Cursor = page.Next; h.Cursor == "" {
			break
		}
		require.Len(t, page.Items, 2)
	}
	require.Len(t, got, 5)
	for i, v := range got {
		require.Equal(t, int64(5-i), v.Version)
		if i < 4 {
			require.Equal(t, b.doctor.ID, v.UpdatedBy)
			require.Equal(t, "Sample "+strings.Repeat("I", 4-i), v.Reason)
			require.True(t, v.UpdatedAt.After(got[i+1].UpdatedAt))
		}
	}
	require.Empty(t, got[4].Reason)
	third, err := b.reports.GetVersion(t.Context(), by(b.patient), r.ID, 3)
	require.NoError(t, err)
	require.Equal(t, "Sample II", third.Reason)
	for _, cursor := range []string{"x", "0", "-1", "99999999999999999999"} {
		_, err := b.reports.ListVersions(t.Context(), by(b.patient), r.ID, ehr.HistoryPage{Cursor: cursor})
		requireCode(t, err, care.Invalid, "cursor")
	}
	_, err = b.reports.ListVersions(t.Context(), by(b.patient), r.ID, ehr.HistoryPage{Limit: 201})
	requireCode(t, err, care.Invalid, "limit")
}

func TestAmend_RequiresAReleasedRecord(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.report()
	in.Status = "preliminary"
	r, err := b.reports.Create(t.Context(), by(b.doctor), in)
	require.NoError(t, err)
	in.Status = "amended"
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 1, "A slip.", in)
	requireCode(t, err, care.Conflict)
	require.ErrorContains(t, err, "preliminary")
	in.Status = "final"
	_, err = b.reports.Update(t.Context(), by(b.doctor), r.ID, 1, in)
	require.NoError(t, err)
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 2, "A slip.", in)
	requireCode(t, err, care.Invalid, "status")
	for _, reason := range []string{"", "a\x00b", strings.Repeat("x", 1001)} {
		in.Status = "amended"
		_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 2, reason, in)
		requireCode(t, err, care.Invalid, "reason")
		_, err = b.reports.Retract(t.Context(), by(b.doctor), r.ID, 2, reason)
		requireCode(t, err, care.Invalid, "reason")
	}
	for _, ifMatch := range []int64{1, 3} {
		_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, ifMatch, "A slip.", in)
		requireCode(t, err, care.PreconditionFailed)
		_, err = b.reports.Retract(t.Context(), by(b.doctor), r.ID, ifMatch, "A slip.")
		requireCode(t, err, care.PreconditionFailed)
	}
	for _, actor := range []care.Actor{b.patient, b.stranger, b.colleague, b.admin} {
		before := len(b.Events(t))
		_, err = b.reports.Amend(t.Context(), by(actor), r.ID, 2, "A slip.", in)
		require.Contains(t, []care.Code{care.Forbidden, care.NotFound}, care.CodeOf(err))
		_, err = b.reports.Retract(t.Context(), by(actor), r.ID, 2, "A slip.")
		require.Contains(t, []care.Code{care.Forbidden, care.NotFound}, care.CodeOf(err))
		denied := b.Events(t)[before:]
		require.Equal(t, []string{"access.denied", "access.denied"}, types(denied))
		require.Equal(t, "record.amend", denied[0].Data["action"])
		require.Equal(t, "record.retract", denied[1].Data["action"])
	}
	in.Results[0].Interpretation = "HH"
	_, err = b.reports.Amend(t.Context(), by(b.doctor), r.ID, 2, "A slip.", in)
	require.NoError(t, err)
	require.Equal(t, "ehr.lab_report.critical", b.Last(t).Type, "a finding of an amendment is reported too")
}

func TestRetract_AcceptsARecordThatIsInvalidUnderNewerRules(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	b.Exec(t, `UPDATE records SET body = (replace(body::text, '2823-3', 'old code'))::json`)
	got, err := b.reports.Retract(t.Context(), by(b.doctor), r.ID, 1, "Another patient's.")
	require.NoError(t, err)
	require.Equal(t, "entered-in-error", got.Body.Status)
	require.Equal(t, "old code", got.Body.Results[0].Code.Code)
	require.Equal(t, b.doctor.UserID, *got.Body.DoctorID)
}
