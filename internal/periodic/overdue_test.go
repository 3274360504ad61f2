package periodic

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

func TestInvoices_AreMarkedOverdue(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	logger := slog.New(slog.DiscardHandler)
	writer := outbox.NewWriter(db.App, outbox.NewWaker(db.App, logger))
	bills := billing.New(writer)
	clinic, person := uuid.New(), uuid.New()
	for _, sql := range []string{
		`INSERT INTO clinics (id, name, time_zone) SELECT $1, 'Clinic', 'UTC' WHERE $2::uuid IS NOT NULL`,
		`INSERT INTO users (id, email, given_name, family_name) SELECT $2, 'a@b.example', 'A', 'B' WHERE $1::uuid IS NOT NULL`,
		`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $2, $1, 'patient')`,
	} {
		_, err := db.Owner.Exec(t.Context(), sql, clinic, person)
		require.NoError(t, err)
	}
	desk := care.Actor{ID: "desk", UserID: uuid.New(), Memberships: []care.Membership{{ClinicID: &clinic, Role: care.Receptionist}}}
	_, err := bills.Issue(t.Context(), care.Command{Actor: desk}, billing.NewInvoice{
		PatientID: person, ClinicID: clinic, Currency: "EUR", DueOn: time.Now().AddDate(0, 1, 0).Format(time.DateOnly), Lines: []billing.Line{{Description: "Visit", Quantity: 1, UnitMinor: 1}},
	})
	require.NoError(t, err)
	_, err = db.Owner.Exec(t.Context(), "UPDATE invoices SET due_on = current_date - 2")
	require.NoError(t, err)

	cfg := &river.Config{Schema: "river", Logger: logger, Workers: river.NewWorkers(), Queues: map[string]river.QueueConfig{}, ReindexerSchedule: river.NeverSchedule()}
	Add(cfg, directory.New(writer))
	AddOverdue(cfg, bills)
	client, err := river.NewClient(riverpgxv5.New(db.Worker), cfg)
	require.NoError(t, err)
	require.NoError(t, client.Start(t.Context()))
	t.Cleanup(func() { <-client.Stopped() })

	require.Eventually(t, func() bool {
		var events int
		require.NoError(t, db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE type = 'billing.invoice_overdue'`).Scan(&events))
		return events == 1
	}, 20*time.Second, 50*time.Millisecond)
}
