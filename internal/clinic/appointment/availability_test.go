package appointment_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

// everyDay returns a week with the same hours every day.
func everyDay(opens, closes string) []appointment.Opening {
	var week []appointment.Opening
	for _, day := range []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} {
		week = append(week, appointment.Opening{Weekday: day, OpensAt: opens, ClosesAt: closes})
	}
	return week
}

// opened sets the doctor's hours at both clinics to 08:00-12:00 on every day, and b.start to 08:00.
func (b *testBundle) opened(t *testing.T) {
	t.Helper()
	for clinic, by2 := range map[uuid.UUID]care.Actor{b.here: b.receptionist, b.there: b.elsewhere} {
		_, err := b.service.UpdateHours(t.Context(), by(by2), clinic, b.doctor.UserID, 0, everyDay("08:00", "12:00"))
		require.NoError(t, err)
	}
	b.start = b.start.Truncate(24 * time.Hour).Add(8 * time.Hour)
}

// day selects the doctor's day of b.start at the clinic here.
func (b *testBundle) day() appointment.Day {
	return appointment.Day{ClinicID: b.here, DoctorID: b.doctor.UserID, Date: b.start.Format(time.DateOnly), Minutes: 30}
}

func (b *testBundle) free(t *testing.T, actor care.Actor, day appointment.Day) appointment.Availability {
	t.Helper()
	got, err := b.service.GetAvailability(t.Context(), by(actor), day)
	require.NoError(t, err)
	return got
}

func starts(spans []care.Span) []string {
	list := []string{}
	for _, s := range spans {
		list = append(list, s.StartsAt.Format("15:04"))
	}
	return list
}

func TestAvailability_ShowsTheDayWithoutPatientsAndOtherClinics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opened(t)
	b.create(t, b.receptionist, b.input(1))
	elsewhere := b.input(2)
	elsewhere.ClinicID = b.there
	b.create(t, b.elsewhere, elsewhere)
	b.create(t, b.patient, b.input(5)) // A request does not hold its time.
	cancelled := b.create(t, b.receptionist, b.input(6))
	_, err := b.service.Transition(t.Context(), by(b.patient), cancelled.ID, 1, appointment.Cancel)
	require.NoError(t, err)
	before := b.Count(t, "outbox")
	for _, actor := range []care.Actor{b.patient, b.neighbour, b.receptionist, b.doctor, b.colleague, b.nurse, b.admin} {
		got := b.free(t, actor, b.day())
		require.Equal(t, []string{"08:00", "09:30", "10:00", "10:30", "11:00", "11:30"}, starts(got.Free))
		require.Len(t, got.Busy, 1, "what is here and what is elsewhere are one span")
		require.True(t, b.slot(1).StartsAt.Equal(got.Busy[0].StartsAt) && b.slot(2).EndsAt.Equal(got.Busy[0].EndsAt))
		require.Len(t, got.Open, 1)
		require.False(t, got.DefaultHours)
		require.Equal(t, "UTC", got.TimeZone)
	}
	require.Equal(t, before, b.Count(t, "outbox"), "nobody's data was shown")
	for _, actor := range []care.Actor{b.stranger, b.elsewhere, b.auditor, b.operator} {
		_, err := b.service.GetAvailability(t.Context(), by(actor), b.day())
		requireCode(t, err, care.Forbidden)
		require.Equal(t, "access.denied", b.Last(t).Type)
		require.Equal(t, "availability.read", b.Last(t).Data["action"])
	}
	none := b.day()
	for _, id := range []uuid.UUID{uuid.New(), b.stranger.UserID, b.nurse.UserID} {
		none.DoctorID = id
		_, err := b.service.GetAvailability(t.Context(), by(b.patient), none)
		requireCode(t, err, care.NotFound)
	}
}

func TestAvailability_UsesTheClinicsTimeZone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.Exec(t, "UPDATE clinics SET time_zone = 'Pacific/Auckland' WHERE id = $1", b.here)
	_, err := b.service.UpdateHours(t.Context(), by(b.admin), b.here, b.doctor.UserID, 0, everyDay("00:00", "24:00"))
	require.NoError(t, err)
	zone, err := time.LoadLocation("Pacific/Auckland")
	require.NoError(t, err)
	day := b.day()
	year, month, date := b.start.Date()
	midnight := time.Date(year, month, date, 0, 0, 0, 0, zone)
	in := b.input(0)
	in.Slot = appointment.Slot{StartsAt: midnight.Add(-15 * time.Minute), EndsAt: midnight.Add(15 * time.Minute)}
	a := b.create(t, b.receptionist, in)
	require.Equal(t, "Pacific/Auckland", a.TimeZone)
	require.Equal(t, time.UTC, a.StartsAt.Location())
	got := b.free(t, b.patient, day)
	require.Equal(t, midnight.Format(time.RFC3339), got.Open[0].StartsAt.Format(time.RFC3339))
	require.Equal(t, midnight.Format(time.RFC3339), got.Busy[0].StartsAt.Format(time.RFC3339), "only the part on that day")
	require.Equal(t, midnight.Add(30*time.Minute).Format(time.RFC3339), got.Free[0].StartsAt.Format(time.RFC3339))
}

func TestAvailability_ChecksItsInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for field, change := range map[string]func(*appointment.Day){
		"doctorId":        func(d *appointment.Day) { d.DoctorID = uuid.Nil },
		"clinicId":        func(d *appointment.Day) { d.ClinicID = uuid.Nil },
		"date":            func(d *appointment.Day) { d.Date = "2027-02-30" },
		"durationMinutes": func(d *appointment.Day) { d.Minutes = 4 },
	} {
		day := b.day()
		change(&day)
		_, err := b.service.GetAvailability(t.Context(), by(b.patient), day)
		requireCode(t, err, care.Invalid, field)
	}
	past := b.day()
	past.Date = "2026-03-02"
	got := b.free(t, b.patient, past)
	require.Empty(t, got.Free, "what has begun cannot be had")
	require.Len(t, got.Open, 1)
	require.True(t, got.DefaultHours)
}

func TestHours_DefaultToMondayToFriday(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.service.GetHours(t.Context(), by(b.patient), b.here, b.doctor.UserID)
	require.NoError(t, err)
	require.True(t, got.Default)
	require.Zero(t, got.Version)
	require.Len(t, got.Openings, 5)
	require.Equal(t, appointment.Opening{Weekday: "friday", OpensAt: "09:00", ClosesAt: "17:00"}, got.Openings[4])

	split := []appointment.Opening{{Weekday: "tuesday", OpensAt: "13:00", ClosesAt: "24:00"}, {Weekday: "tuesday", OpensAt: "00:00", ClosesAt: "13:00"}, {Weekday: "monday", OpensAt: "09:00", ClosesAt: "09:05"}}
	set, err := b.service.UpdateHours(t.Context(), by(b.doctor), b.here, b.doctor.UserID, 0, split)
	require.NoError(t, err)
	require.Equal(t, []appointment.Opening{split[2], split[1], split[0]}, set.Openings, "in the order of the week")
	e := b.Last(t)
	require.Equal(t, "doctor.hours_changed", e.Type)
	require.Equal(t, map[string]any{"userId": b.doctor.ID, "doctorId": b.doctor.ID, "clinicId": b.here.String()}, e.Data)
	require.EqualValues(t, 1, *e.Version)
	got, err = b.service.GetHours(t.Context(), by(b.patient), b.here, b.doctor.UserID)
	require.NoError(t, err)
	require.Equal(t, set, got)

	_, err = b.service.UpdateHours(t.Context(), by(b.admin), b.here, b.doctor.UserID, 0, nil)
	requireCode(t, err, care.PreconditionRequired)
	_, err = b.service.UpdateHours(t.Context(), by(b.admin), b.here, b.doctor.UserID, 7, nil)
	require.EqualValues(t, 1, refused(t, err, care.PreconditionFailed).Version)
	set, err = b.service.UpdateHours(t.Context(), by(b.admin), b.here, b.doctor.UserID, 1, nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, set.Version)
	require.Empty(t, b.free(t, b.patient, b.day()).Open, "no openings are not the default")
	require.Equal(t, 0, b.Count(t, "doctor_hours_spans"))
	require.EqualValues(t, 2, *b.Last(t).Version)
}

func TestHours_AreSetByReceptionAndTheDoctor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	week := everyDay("08:00", "12:00")
	for _, actor := range []care.Actor{b.patient, b.colleague, b.nurse, b.stranger, b.elsewhere, b.operator} {
		_, err := b.service.UpdateHours(t.Context(), by(actor), b.here, b.doctor.UserID, 0, week)
		requireCode(t, err, care.Forbidden)
		require.Equal(t, "hours.write", b.Last(t).Data["action"])
	}
	_, err := b.service.UpdateHours(t.Context(), by(b.receptionist), b.here, b.nurse.UserID, 0, week)
	requireCode(t, err, care.NotFound)
	require.Zero(t, b.Count(t, "doctor_hours"))
	for i, actor := range []care.Actor{b.receptionist, b.admin, b.doctor} {
		_, err := b.service.UpdateHours(t.Context(), by(actor), b.here, b.doctor.UserID, int64(i), week)
		require.NoError(t, err)
	}
	opening := func(weekday, opens, closes string) appointment.Opening {
		return appointment.Opening{Weekday: weekday, OpensAt: opens, ClosesAt: closes}
	}
	for field, bad := range map[string][]appointment.Opening{
		"openings[0].weekday":  {opening("Monday", "09:00", "17:00")},
		"openings[0].opensAt":  {opening("monday", "9:00", "17:00")},
		"openings[0].closesAt": {opening("monday", "09:00", "24:01")},
		"openings[1].closesAt": {week[0], opening("friday", "09:00", "09:00")},
		"openings[1]":          {week[0], opening("monday", "11:59", "13:00")},
		"openings":             make([]appointment.Opening, 43),
	} {
		_, err := b.service.UpdateHours(t.Context(), by(b.admin), b.here, b.doctor.UserID, 3, bad)
		requireCode(t, err, care.Invalid, field)
	}
}

func TestHours_SetConcurrentlyAreSetOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = b.service.UpdateHours(t.Context(), by(b.admin), b.here, b.doctor.UserID, 0, everyDay("08:00", "12:00"))
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.Contains(t, []care.Code{care.Conflict, care.PreconditionRequired}, care.CodeOf(err), "%v", err)
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, b.Count(t, "outbox"))
}

func TestConflicts_HaveTheNextFreeTimes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.opened(t)
	wish := b.input(0)
	wish.PatientID = b.neighbour.UserID
	asked := b.create(t, b.neighbour, wish)
	b.create(t, b.receptionist, b.input(0))
	other := b.input(1) // The patient has another appointment.
	other.DoctorID = b.colleague.UserID
	b.create(t, b.receptionist, other)
	late := b.create(t, b.receptionist, b.input(6))

	in := b.input(0)
	_, err := b.service.Create(t.Context(), by(b.receptionist), in)
	require.Equal(t, []string{"09:00", "09:30", "10:00"}, starts(refused(t, err, care.Conflict, "startsAt").NextFree), "both are free then")
	_, err = b.service.Transition(t.Context(), by(b.receptionist), asked.ID, 1, appointment.Book)
	require.Equal(t, []string{"08:30", "09:00", "09:30"}, starts(refused(t, err, care.Conflict, "startsAt").NextFree))
	_, err = b.service.Reschedule(t.Context(), by(b.receptionist), late.ID, 1, appointment.NewTime{Slot: b.slot(0)})
	require.Equal(t, []string{"09:00", "09:30", "10:00"}, starts(refused(t, err, care.Conflict, "startsAt").NextFree))
	for _, slot := range refused(t, err, care.Conflict).NextFree {
		in := b.input(0)
		in.Slot = appointment.Slot{StartsAt: slot.StartsAt, EndsAt: slot.EndsAt}
		b.create(t, b.receptionist, in)
	}

	// The free times after the end of this day are on the next.
	in = b.input(6)
	_, err = b.service.Create(t.Context(), by(b.receptionist), in)
	next := refused(t, err, care.Conflict, "startsAt").NextFree
	require.Equal(t, []string{"11:30", "08:00", "08:30"}, starts(next))
	require.Equal(t, b.start.AddDate(0, 0, 1), next[1].StartsAt.UTC())

	// At another clinic the conflict has no details, but the free times.
	in.ClinicID = b.there
	_, err = b.service.Create(t.Context(), by(b.elsewhere), in)
	e := refused(t, err, care.Conflict, "startsAt")
	require.Equal(t, "is not available: choose another time", e.Fields[0].Message)
	require.Equal(t, []string{"11:30", "08:00", "08:30"}, starts(e.NextFree))

	// Longer than any opening.
	in = b.input(0)
	in.EndsAt = in.StartsAt.Add(5 * time.Hour)
	_, err = b.service.Create(t.Context(), by(b.receptionist), in)
	require.Empty(t, refused(t, err, care.Conflict, "startsAt").NextFree)
}
