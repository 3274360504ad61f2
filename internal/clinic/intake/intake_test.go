package intake_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/intake"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// bundle is a clinic with a patient, a doctor and two other systems, and another clinic with a
// patient and a system.
type bundle struct {
	db                         *postgrestest.DB
	intake                     *intake.Service
	here, there                uuid.UUID
	patient, doctor, stranger  uuid.UUID
	gateway, pharmacy, foreign care.Actor
}

func setup(t *testing.T) *bundle {
	t.Helper()
	d := postgrestest.New(t)
	b := &bundle{
		db: d, intake: intake.New(outbox.NewWriter(d.App, outbox.NewWaker(d.App, slog.New(slog.DiscardHandler)))),
		here: uuid.New(), there: uuid.New(), patient: uuid.New(), doctor: uuid.New(), stranger: uuid.New(),
	}
	for _, clinic := range []uuid.UUID{b.here, b.there} {
		b.exec(t, "INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Clinic', 'UTC')", clinic)
	}
	for _, p := range []struct {
		id, clinic uuid.UUID
		role       care.Role
	}{{b.patient, b.here, care.Patient}, {b.doctor, b.here, care.Doctor}, {b.stranger, b.there, care.Patient}} {
		b.exec(t, "INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'A', 'B')", p.id, p.id.String()+"@x.example")
		b.exec(t, "INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $1, $2, $3)", p.id, p.clinic, p.role)
	}
	b.gateway, b.pharmacy, b.foreign = b.service(t, b.here), b.service(t, b.here), b.service(t, b.there)
	return b
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Owner.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (b *bundle) service(t *testing.T, clinic uuid.UUID) care.Actor {
	t.Helper()
	id := uuid.New()
	b.exec(t, "INSERT INTO service_accounts (id, clinic_id, name, issuer, subject, created_by, activated_at) VALUES ($1, $2, 'S', 'i', $3, 'test', now())", id, clinic, id.String())
	return care.ServiceActor(id, []care.Membership{{ClinicID: &clinic, Role: care.Service}})
}

// reading returns a valid event of the gateway.
func (b *bundle) reading() intake.Event {
	account, _ := b.gateway.ServiceAccount()
	data := event.Reading{
		ReadingID: uuid.New(), DeviceID: uuid.New(), UserID: b.patient, ClinicID: b.here, Urgency: "urgent", MeasuredAt: "2026-03-14T09:30:00Z",
	}
	return intake.Event{ID: uuid.New(), Type: "device.reading_received", Source: intake.Source(account), Subject: "reading/" + data.ReadingID.String(), Data: data}
}

func (b *bundle) append(t *testing.T, by care.Actor, events ...intake.Event) error {
	t.Helper()
	return b.intake.Append(t.Context(), care.Command{Actor: by, CorrelationID: "request-1"}, events)
}

// waiting returns the ids in the outbox, in order.
func (b *bundle) waiting(t *testing.T, where string) []uuid.UUID {
	t.Helper()
	rows, err := b.db.Owner.Query(context.Background(), "SELECT event_id FROM outbox WHERE "+where+" ORDER BY id")
	require.NoError(t, err)
	defer rows.Close()
	ids := []uuid.UUID{}
	for rows.Next() {
		var id uuid.UUID
		require.NoError(t, rows.Scan(&id))
		ids = append(ids, id)
	}
	require.NoError(t, rows.Err())
	return ids
}

func requireCode(t *testing.T, err error, code care.Code, fields ...string) {
	t.Helper()
	var e *care.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, "%v", err)
	var named []string
	for _, f := range e.Fields {
		named = append(named, f.Field)
	}
	require.Equal(t, fields, named)
}

func TestAppend_StoresTheEventWithTheSystemAsItsSource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.reading()
	in.Source += "/site-1/ward-3/device-0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
	in.Time = time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	in.ClinicID, in.PersonID = &b.here, &b.patient
	in.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	require.NoError(t, b.append(t, b.gateway, in))
	var actor, role, source, subject, correlation, trace string
	var clinic, person uuid.UUID
	var version *int64
	var at time.Time
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `
		SELECT actor_id, actor_role, source, subject, clinic_id, person_id, time, subject_version, correlation_id, traceparent FROM outbox`).
		Scan(&actor, &role, &source, &subject, &clinic, &person, &at, &version, &correlation, &trace))
	require.Equal(t, b.gateway.ID, actor)
	require.Equal(t, "service", role)
	require.Equal(t, in.Source, source)
	require.Equal(t, in.Subject, subject)
	require.Equal(t, b.here, clinic)
	require.Equal(t, b.patient, person)
	require.True(t, in.Time.Equal(at))
	require.Nil(t, version)
	require.Equal(t, "request-1", correlation)
	require.Equal(t, in.Traceparent, trace)
}

func TestAppend_RefusesBadEventsByField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	data := func(harm func(d *event.Reading)) func(e *intake.Event) {
		return func(e *intake.Event) {
			d := e.Data.(event.Reading)
			harm(&d)
			e.Data = d
		}
	}
	other, _ := b.pharmacy.ServiceAccount()
	own, _ := b.gateway.ServiceAccount()
	for name, c := range map[string]struct {
		harm  func(e *intake.Event)
		field string
	}{
		"an id of zeros":                     {func(e *intake.Event) { e.ID = uuid.Nil }, "id"},
		"a type of carewire's own":           {func(e *intake.Event) { e.Type = "user.created" }, "type"},
		"a type of the planner's":            {func(e *intake.Event) { e.Type = "notification.sent" }, "type"},
		"an unknown type":                    {func(e *intake.Event) { e.Type = "device.exploded" }, "type"},
		"another system's source":            {func(e *intake.Event) { e.Source = intake.Source(other) }, "source"},
		"carewire's source":                  {func(e *intake.Event) { e.Source = event.Source }, "source"},
		"a source that only begins well":     {func(e *intake.Event) { e.Source = intake.Source(own) + "x" }, "source"},
		"a source with a name in it":         {func(e *intake.Event) { e.Source = intake.Source(own) + "/Mrs Smith" }, "source"},
		"a source of too many parts":         {func(e *intake.Event) { e.Source = intake.Source(own) + "/site-1/floor-2/ward-3/bed-4" }, "source"},
		"a source with a name for a part":    {func(e *intake.Event) { e.Source = intake.Source(own) + "/Smith" }, "source"},
		"a source with a name behind a part": {func(e *intake.Event) { e.Source = intake.Source(own) + "/ward-smith" }, "source"},
		"a source with a record's number":    {func(e *intake.Event) { e.Source = intake.Source(own) + "/bed-4711471147" }, "source"},
		"a source with a line behind it":     {func(e *intake.Event) { e.Source = intake.Source(own) + "/ward-3\n" }, "source"},
		"no subject":                         {func(e *intake.Event) { e.Subject = "" }, "subject"},
		"a subject of another's":             {func(e *intake.Event) { e.Subject = "reading/" + uuid.NewString() }, "subject"},
		"a subject of another kind":          {func(e *intake.Event) { e.Subject = "lab_report/" + e.Subject[len("reading/"):] }, "subject"},
		"the person as the subject":          {func(e *intake.Event) { e.Subject = "user/" + b.patient.String() }, "subject"},
		"a time to come":                     {func(e *intake.Event) { e.Time = time.Now().Add(time.Hour) }, "time"},
		"a time long gone":                   {func(e *intake.Event) { e.Time = time.Now().AddDate(0, -2, 0) }, "time"},
		"another clinic in the envelope":     {func(e *intake.Event) { e.ClinicID = &b.there }, "clinicid"},
		"another person in the envelope":     {func(e *intake.Event) { e.PersonID = &b.stranger }, "personid"},
		"another clinic's patient":           {data(func(d *event.Reading) { d.UserID = b.stranger }), "data.userId"},
		"nobody":                             {data(func(d *event.Reading) { d.UserID = uuid.New() }), "data.userId"},
	} {
		in := b.reading()
		c.harm(&in)
		requireCode(t, b.append(t, b.gateway, in), care.Invalid, c.field)
		first, second := b.reading(), in
		second.Path = "[1]."
		requireCode(t, b.append(t, b.gateway, first, second), care.Invalid, "[1]."+c.field)
		require.Empty(t, b.waiting(t, "true"), "%s: all or nothing", name)
	}
	var accepted int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT count(*) FROM accepted_events").Scan(&accepted))
	require.Zero(t, accepted)
	_, err := intake.Declared("type", "user.created")
	for _, typ := range event.ExternalTypes() {
		require.ErrorContains(t, err, typ)
	}
}

func TestAppend_RequiresADoctorOfTheClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	account, _ := b.gateway.ServiceAccount()
	order := func(doctor *uuid.UUID) intake.Event {
		d := event.LabOrder{OrderID: uuid.New(), UserID: b.patient, ClinicID: b.here, DoctorID: doctor, Status: "accepted", ReceivedAt: "2026-03-14T09:30:00Z"}
		return intake.Event{ID: uuid.New(), Type: "lab.order_received", Source: intake.Source(account), Subject: "order/" + d.OrderID.String(), Data: d}
	}
	require.NoError(t, b.append(t, b.gateway, order(nil), order(&b.doctor)))
	requireCode(t, b.append(t, b.gateway, order(&b.patient)), care.Invalid, "data.doctorId")
	b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.doctor)
	requireCode(t, b.append(t, b.gateway, order(&b.doctor)), care.Invalid, "data.doctorId")
}

func TestAppend_IsForServiceAccountsAndAuditsDenials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := care.Actor{ID: b.doctor.String(), UserID: b.doctor, Memberships: []care.Membership{{ClinicID: &b.here, Role: care.Doctor}}}
	for name, actor := range map[string]care.Actor{
		"a doctor": doctor, "carewire itself": care.SystemActor("seed"), "a system without a clinic": care.ServiceActor(uuid.New(), nil), "nobody": {},
	} {
		if name == "nobody" {
			actor.ID = "x" // Unauthenticated callers do not get this far.
		}
		before := len(b.waiting(t, "type = 'access.denied'"))
		requireCode(t, b.append(t, actor, b.reading()), care.Forbidden)
		require.Len(t, b.waiting(t, "type = 'access.denied'"), before+1, name)
	}
	requireCode(t, b.append(t, b.foreign, b.reading()), care.Forbidden, "data.clinicId")
	require.Len(t, b.waiting(t, "type = 'access.denied' AND actor_role = 'service' AND actor_id = '"+b.foreign.ID+"' AND data ->> 'action' = 'event.append'"), 1)
	require.Empty(t, b.waiting(t, "type <> 'access.denied'"))
}

func TestAppend_AcceptsARetryAndRefusesOtherContent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second, third := b.reading(), b.reading(), b.reading()
	require.NoError(t, b.append(t, b.gateway, first))
	require.NoError(t, b.append(t, b.gateway, first))
	require.NoError(t, b.append(t, b.gateway, second, first, third), "new events of a batch are appended")
	require.Equal(t, []uuid.UUID{first.ID, second.ID, third.ID}, b.waiting(t, "true"))
	b.exec(t, "DELETE FROM outbox")
	b.exec(t, "UPDATE memberships SET revoked_at = now() WHERE user_id = $1", b.patient)
	require.NoError(t, b.append(t, b.gateway, first, second, third), "a retry is accepted after the outbox was emptied and the person has left")
	require.Empty(t, b.waiting(t, "true"))
	requireCode(t, b.append(t, b.gateway, b.reading()), care.Invalid, "data.userId")
	b.exec(t, "UPDATE memberships SET revoked_at = NULL WHERE user_id = $1", b.patient)

	changed := first
	d := first.Data.(event.Reading)
	d.Urgency = "routine"
	changed.Data = d
	requireCode(t, b.append(t, b.gateway, changed), care.Conflict, "id")
	fresh := b.reading()
	fresh.Path, changed.Path = "[0].", "[1]."
	requireCode(t, b.append(t, b.gateway, fresh, changed), care.Conflict, "[1].id")
	later := first
	later.Time = time.Now()
	requireCode(t, b.append(t, b.gateway, later), care.Conflict, "id")
	twice := b.reading()
	again := twice
	again.Path = "[1]."
	requireCode(t, b.append(t, b.gateway, twice, again), care.Invalid, "[1].id")

	account, _ := b.pharmacy.ServiceAccount()
	stolen := first
	stolen.Source = intake.Source(account)
	requireCode(t, b.append(t, b.pharmacy, stolen), care.Conflict, "id")
	require.Empty(t, b.waiting(t, "true"), "no refused event was appended")
}

func TestAppend_RefusesAnIDOfTheLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := b.reading()
	b.exec(t, `INSERT INTO events (position, epoch, event_id, type, source, subject, time, data, actor_id, actor_role, imported, recorded_at, leaf_hash)
		VALUES (1, 1, $1, 'user.created', '/carewire', 'user/1', now(), '{}', 'x', 'x', false, now(), sha256(''))`, in.ID)
	requireCode(t, b.append(t, b.gateway, in), care.Conflict, "id")
	require.Empty(t, b.waiting(t, "true"), "the sequencer would have dropped it silently")
}

func TestAppend_ConcurrentlyAppendsOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	batch := []intake.Event{b.reading(), b.reading(), b.reading()}
	reversed := []intake.Event{batch[2], batch[1], batch[0]}
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() {
			events := batch
			if i%2 == 1 {
				events = reversed
			}
			errs[i] = b.intake.Append(context.Background(), care.Command{Actor: b.gateway}, events)
		})
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err, "no deadlock")
	}
	require.Len(t, b.waiting(t, "true"), 3)
}
