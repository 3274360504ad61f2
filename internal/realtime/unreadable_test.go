package realtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

// unreadable adds an event to the ledger with a time that no program can read, as a version without
// the check did.
func (b *bundle) unreadable(t *testing.T, e event.Event, time string) {
	t.Helper()
	b.exec(t, "ALTER TABLE outbox DROP CONSTRAINT IF EXISTS outbox_valid")
	b.exec(t, "ALTER TABLE events DROP CONSTRAINT IF EXISTS events_time_readable")
	b.exec(t, `INSERT INTO outbox (event_id, type, source, subject, time, data, clinic_id, person_id, actor_id, actor_role)
		VALUES ($1, $2, $3, $4, $5::text::timestamptz, $6, $7, $8, $9, $10)`,
		e.ID, e.Type, e.Source, e.Subject, time, e.Data, e.ClinicID, e.PersonID, e.ActorID, e.ActorRole)
	b.append(t)
}

func TestHub_SkipsUnreadableEventsAndSendsTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.doctor)
	start := c.cursor
	first, second, third := b.report(b.patient, b.here), b.report(b.patient, b.here), b.report(b.patient, b.here)
	b.append(t, first)
	b.unreadable(t, b.report(b.patient, b.here), "infinity")
	b.append(t, second)
	b.unreadable(t, b.report(b.patient, b.here), "20000-01-01")
	b.append(t, third)
	c.gets(first, second, third)

	b.start(t) // An instance that starts now fills its ring with them.
	b.dial(t, b.doctor, resume(start)).gets(first, second, third)
	b.start(t, func(cfg *realtime.Config) { cfg.Limits.RingEvents = 1 }) // An instance whose sockets read pages.
	c = b.dial(t, b.doctor, resume(start))
	c.gets(first, second, third)
	fourth := b.report(b.patient, b.here)
	b.append(t, fourth)
	c.gets(fourth)
}

func TestHub_RevokesARightAlsoWithAnUnreadableEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c := b.dial(t, b.receptionist)
	before, after := b.updated(b.patient, b.here), b.updated(b.patient, b.here)
	b.append(t, before)
	b.unreadable(t, b.membership("membership.revoked", b.receptionist, b.here, care.Receptionist), "infinity")
	b.append(t, after)
	c.gets(before)
	c.closes(4403)
	require.Empty(t, c.pending)
}
