package ehr_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

func TestGet_FollowsTheAccessTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	former := b.Person(t, care.Doctor, &b.here)
	b.CareTeam(t, b.patient, b.here, former)
	former.Memberships = nil // Still on the team, but no longer a doctor.
	elsewhere := b.Person(t, care.Doctor, &b.there)
	// The same patient, but the team of another clinic.
	b.CareTeam(t, b.patient, b.there, elsewhere)
	gone := b.patient
	gone.Memberships = nil
	for name, c := range map[string]struct {
		actor   care.Actor
		sees    bool
		replace care.Code
	}{
		"the patient":                          {b.patient, true, care.Forbidden},
		"the patient, after leaving":           {gone, true, care.Forbidden},
		"another patient":                      {b.neighbour, false, care.NotFound},
		"a doctor on the care team":            {b.doctor, true, ""},
		"a doctor of the clinic":               {b.colleague, false, care.NotFound},
		"a nurse on the care team":             {b.nurse, true, ""},
		"a nurse of the clinic":                {b.otherNurse, false, care.NotFound},
		"one who was a doctor":                 {former, false, care.NotFound},
		"a doctor on a team at another clinic": {elsewhere, false, care.NotFound},
		"a receptionist":                       {b.receptionist, false, care.NotFound},
		"an admin":                             {b.admin, false, care.NotFound},
		"an auditor":                           {b.auditor, false, care.NotFound},
		"an operator":                          {b.operator, false, care.NotFound},
		"a stranger":                           {b.stranger, false, care.NotFound},
		"the import":                           {care.SystemActor("import"), false, care.NotFound},
	} {
		reads := map[string]func() error{
			"read": func() error { _, err := b.reports.Get(t.Context(), by(c.actor), r.ID); return err },
			"history": func() error {
				_, err := b.reports.ListVersions(t.Context(), by(c.actor), r.ID, ehr.HistoryPage{})
				return err
			},
			"version": func() error { _, err := b.reports.GetVersion(t.Context(), by(c.actor), r.ID, 1); return err },
		}
		for action, read := range reads {
			before := len(b.Events(t))
			err := read()
			after := b.Events(t)[before:]
			require.Len(t, after, 1, "%s: %s", name, action)
			require.Equal(t, "lab_report/"+r.ID.String(), after[0].Subject)
			require.Equal(t, c.actor.ID, after[0].ActorID)
			require.Equal(t, &b.patient.UserID, after[0].Person)
			if c.sees {
				require.NoError(t, err, "%s: %s", name, action)
				require.Equal(t, "record.read", after[0].Type)
				require.Equal(t, action, after[0].Data["action"])
				continue
			}
			requireCode(t, err, care.NotFound)
			require.Equal(t, "access.denied", after[0].Type, "%s: %s", name, action)
			require.Equal(t, "record.read", after[0].Data["action"])
		}
		before := len(b.Events(t))
		_, err := b.reports.Update(t.Context(), by(c.actor), r.ID, 99, b.report())
		if c.replace == "" {
			requireCode(t, err, care.PreconditionFailed)
			continue
		}
		requireCode(t, err, c.replace)
		require.Equal(t, []string{"access.denied"}, types(b.Events(t)[before:]), name)
	}
}

func TestGet_HidesARecordAsIfItWereMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.write(t)
	_, err := b.reports.Get(t.Context(), by(b.stranger), r.ID)
	requireCode(t, err, care.NotFound)
	_, none := b.reports.Get(t.Context(), by(b.stranger), uuid.New())
	requireCode(t, none, care.NotFound)
	require.Equal(t, none.Error(), err.Error())
	e := b.Last(t)
	require.Equal(t, "access.denied", e.Type, "what is not there is audited too")
	require.Nil(t, e.Person)
}

func TestList_ReturnsOnlyRecordsThatTheActorMaySee(t *testing.T) {
	t.Parallel()
	b := setup(t)
	mine := b.write(t)
	in := b.report()
	in.PatientID, in.DoctorID = b.neighbour.UserID, &b.colleague.UserID
	theirs, err := b.reports.Create(t.Context(), by(b.colleague), in)
	require.NoError(t, err)
	_, err = b.prescriptions.Create(t.Context(), by(b.doctor), ehr.Prescription{Head: func() ehr.Head { h := b.report().Head; h.Status = "active"; return h }()})
	require.NoError(t, err)

	none := ehr.Filter{}
	ofPatient, ofNeighbour := ehr.Filter{PatientID: b.patient.UserID}, ehr.Filter{PatientID: b.neighbour.UserID}
	atHere, atThere := ehr.Filter{ClinicID: b.here}, ehr.Filter{ClinicID: b.there}
	both := ehr.Filter{PatientID: b.patient.UserID, ClinicID: b.here}
	for name, c := range map[string]struct {
		actor  care.Actor
		filter ehr.Filter
		want   []uuid.UUID
		code   care.Code
	}{
		"the patient":                     {b.patient, none, []uuid.UUID{mine.ID}, ""},
		"the patient, their own":          {b.patient, ofPatient, []uuid.UUID{mine.ID}, ""},
		"the patient, at the clinic":      {b.patient, atHere, []uuid.UUID{mine.ID}, ""},
		"the patient, another's":          {b.patient, ofNeighbour, nil, care.NotFound},
		"the patient, at another clinic":  {b.patient, atThere, nil, care.Forbidden},
		"the care team":                   {b.nurse, none, []uuid.UUID{mine.ID}, ""},
		"the care team, by patient":       {b.doctor, ofPatient, []uuid.UUID{mine.ID}, ""},
		"the care team, by both":          {b.doctor, both, []uuid.UUID{mine.ID}, ""},
		"the care team, by clinic":        {b.doctor, atHere, []uuid.UUID{mine.ID}, ""},
		"the care team, another patient":  {b.doctor, ofNeighbour, nil, care.NotFound},
		"the doctor named in it":          {b.colleague, none, []uuid.UUID{theirs.ID}, ""},
		"the doctor named in it, by both": {b.colleague, ofNeighbour, []uuid.UUID{theirs.ID}, ""},
		"a colleague":                     {b.colleague, ofPatient, nil, care.NotFound},
		"a colleague, by clinic":          {b.colleague, atHere, []uuid.UUID{theirs.ID}, ""},
		"a nurse without patients":        {b.otherNurse, none, []uuid.UUID{}, ""},
		"a nurse without patients, here":  {b.otherNurse, atHere, []uuid.UUID{}, ""},
		"a stranger":                      {b.stranger, none, []uuid.UUID{}, ""},
		"a stranger, by patient":          {b.stranger, ofPatient, nil, care.NotFound},
		"a stranger, by clinic":           {b.stranger, atHere, nil, care.Forbidden},
		"a receptionist":                  {b.receptionist, none, nil, care.Forbidden},
		"an admin":                        {b.admin, atHere, nil, care.Forbidden},
		"an auditor":                      {b.auditor, none, nil, care.Forbidden},
		"an operator":                     {b.operator, ofPatient, nil, care.NotFound},
		"the import":                      {care.SystemActor("import"), none, nil, care.Forbidden},
	} {
		before := len(b.Events(t))
		page, err := b.reports.List(t.Context(), by(c.actor), c.filter)
		after := b.Events(t)[before:]
		if c.code != "" {
			requireCode(t, err, c.code)
			require.Equal(t, []string{"access.denied"}, types(after), name)
			continue
		}
		require.NoError(t, err, name)
		ids := []uuid.UUID{}
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		require.Equal(t, c.want, ids, name)
		require.Len(t, after, len(c.want), name)
		for i, e := range after {
			require.Equal(t, "record.read", e.Type, name)
			require.Equal(t, "list", e.Data["action"])
			require.Equal(t, []any{ids[i].String()}, e.Data["recordIds"])
			require.Equal(t, "patient/"+e.Person.String(), e.Subject)
		}
	}
}

func TestList_AuditsAnEmptyListOfAPatient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page, err := b.reports.List(t.Context(), by(b.nurse), ehr.Filter{PatientID: b.patient.UserID})
	require.NoError(t, err)
	require.Empty(t, page.Items)
	require.NotNil(t, page.Items)
	require.Equal(t, "record.read", b.Last(t).Type)
	require.NotContains(t, b.Last(t).Data, "recordIds")
}

func TestList_PagesThroughEachRecordOnceDespiteConcurrentWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := map[uuid.UUID]bool{}
	create := func(day int) uuid.UUID {
		in := b.report()
		in.EffectiveAt = ehr.At(time.Date(2026, 1, day, 12, 0, 0, 123456789, time.UTC))
		r, err := b.reports.Create(t.Context(), by(b.doctor), in)
		require.NoError(t, err)
		return r.ID
	}
	for i := range 11 {
		want[create(1+i/3)] = true // Three records have the same time: the id determines the order.
	}
	seen := map[uuid.UUID]bool{}
	f := ehr.Filter{PatientID: b.patient.UserID, Limit: 3}
	var lastTime time.Time
	for pages := 1; ; pages++ {
		page, err := b.reports.List(t.Context(), by(b.patient), f)
		require.NoError(t, err)
		for _, r := range page.Items {
			require.False(t, seen[r.ID], "shown twice")
			seen[r.ID] = true
			require.True(t, lastTime.IsZero() || !r.Body.EffectiveAt.Start().After(lastTime))
			lastTime = r.Body.EffectiveAt.Start()
		}
		if page.Next == "" {
			require.Equal(t, 4, pages)
			break
		}
		require.Len(t, page.Items, 3)
		f.Cursor = page.Next
		create(28) // Newer than all others: before the pages still to be read.
	}
	require.Equal(t, want, seen)
}

func TestList_RejectsInvalidPaging(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, f := range []ehr.Filter{{Limit: -1}, {Limit: 201}} {
		_, err := b.reports.List(t.Context(), by(b.doctor), f)
		requireCode(t, err, care.Invalid, "limit")
	}
	for _, cursor := range []string{"x", "!!!", "AAAA", "f_________________________________8"} {
		_, err := b.reports.List(t.Context(), by(b.doctor), ehr.Filter{Cursor: cursor})
		requireCode(t, err, care.Invalid, "cursor")
	}
}

func TestList_ReadsAnIndexInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	// Each filter matches enough rows to make sorting expensive, and few enough to make a full scan
	// expensive.
	b.Exec(t, `INSERT INTO users (id, email, given_name, family_name)
		SELECT md5(n::text)::uuid, n || '@x.example', 'x', 'y' FROM generate_series(1, 300) AS n`)
	b.Exec(t, `INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT md5(n::text)::uuid, $1, $2 FROM generate_series(1, 50) AS n`, b.here, b.doctor.UserID)
	b.Exec(t, `INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at,
			body, created_at, created_by, updated_at, updated_by)
		SELECT gen_random_uuid(), (ARRAY['lab_report', 'condition', 'allergy'])[n % 3 + 1], 1, 'final',
			CASE WHEN n % 20 = 0 THEN $3 ELSE md5((n % 300 + 1)::text)::uuid END, CASE WHEN n % 5 = 0 THEN $4 ELSE $1 END::uuid,
			CASE WHEN n % 20 = 0 THEN $5 ELSE $2 END::uuid, 's', 'c', now() - n * interval '1 minute',
			'{}', now(), CASE WHEN n % 20 = 0 THEN $5::text ELSE md5((n % 50)::text) END, now(), 'x'
		FROM generate_series(1, $6::int) AS n`, b.there, b.stranger.UserID, b.patient.UserID, b.here, b.doctor.UserID, 60_000)
	b.Exec(t, "ANALYZE records, care_team, memberships")
	for index, f := range map[string]ehr.Filter{
		"records_patient_idx": {PatientID: b.patient.UserID},
		"records_doctor_idx":  {DoctorID: b.doctor.UserID},
		"records_author_idx":  {AuthorID: b.doctor.UserID},
	} {
		plan := b.plan(t, f)
		require.Contains(t, plan, "Index Scan using "+index)
		require.NotContains(t, plan, "Seq Scan on records")
		require.NotContains(t, plan, "Sort", "the index has the order")
	}
}
