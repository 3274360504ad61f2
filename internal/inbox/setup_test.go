package inbox_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/clinictest"
	"carewire/internal/inbox"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

type bundle struct {
	*clinictest.Bundle

	inbox           *inbox.Service
	person, another care.Actor
	position        int64
}

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{Bundle: clinictest.New(t, "UTC", "UTC")}
	b.inbox = inbox.New(b.Writer)
	b.person, b.another = b.Person(t, care.Patient, &b.Here), b.Person(t, care.Patient, &b.Here)
	return b
}

// notified inserts a notification of the person, and returns its id. Later ones are newer.
func (b *bundle) notified(t *testing.T, person care.Actor, deliveries ...string) uuid.UUID {
	t.Helper()
	b.position++
	id := uuid.Must(uuid.NewV7())
	b.Exec(t, `INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, clinic_id, category, priority,
			rule, rule_version, template, created_at)
		VALUES ($1, $2, $3, 'billing.invoice_issued', 'invoice/1', $4, $5, 'billing', 'normal', 'r', 1, 'billing', $6)`,
		id, b.position, uuid.New(), person.UserID, b.Here, time.Now().Add(time.Duration(b.position-1000)*time.Second))
	for i, state := range deliveries {
		b.Exec(t, `INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority, fallback)
			VALUES ($1, $2, $3, $1, $4, $5, $6, 'r', 'billing', 'normal', '{sms}')`,
			uuid.New(), b.position, id, person.UserID, []string{"email", "push", "whatsapp", "teams"}[i], state)
	}
	return id
}

func (b *bundle) list(t *testing.T, f inbox.Filter) inbox.Page {
	t.Helper()
	if f.Limit == 0 {
		f.Limit = 50
	}
	if f.Before == (care.PageCursor{}) {
		f.Before = care.AfterAll
	}
	page, err := b.inbox.List(t.Context(), b.person, f)
	require.NoError(t, err)
	return page
}

func ids(page inbox.Page) (all []uuid.UUID) {
	for _, item := range page.Items {
		all = append(all, item.ID)
	}
	return all
}

func (b *bundle) mark(t *testing.T, mark inbox.Mark, target inbox.Target) inbox.Marked {
	t.Helper()
	m, err := b.inbox.Mark(t.Context(), clinictest.By(b.person), mark, target)
	require.NoError(t, err)
	return m
}
