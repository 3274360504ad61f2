package notify_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

// BenchmarkWorker measures deliveries a second through River with a provider that answers at once,
// and beside it, as the floor, River alone with jobs that do nothing.
func BenchmarkWorker(b *testing.B) {
	for _, c := range []struct {
		name string
		work bool
	}{{"floor", false}, {"deliveries", true}} {
		b.Run(c.name, func(b *testing.B) {
			db := postgrestest.New(b)
			pool := db.Pool(b, postgres.Worker, 24)
			w, err := notify.New(notify.Config{
				Pool: pool, Logger: slog.New(slog.DiscardHandler),
				Channels: providers(b, map[string]notify.Notifier{notify.Email: &notifytest.Recorder{}}, slog.New(slog.DiscardHandler)),
			})
			require.NoError(b, err)
			rc := w.RiverConfig(slog.New(slog.DiscardHandler), 64)
			rc.PeriodicJobs = nil
			if !c.work {
				rc.Workers = river.NewWorkers()
				river.AddWorker(rc.Workers, river.WorkFunc(func(context.Context, *river.Job[notify.DeliveryArgs]) error { return nil }))
			}
			client, err := river.NewClient(riverpgxv5.New(pool), rc)
			require.NoError(b, err)
			seed(b, db, b.N)
			done, stop := client.SubscribeConfig(&river.SubscribeConfig{Kinds: []river.EventKind{river.EventKindJobCompleted}, ChanSize: b.N})
			defer stop()
			b.ResetTimer()
			require.NoError(b, client.Start(context.Background()))
			for range b.N {
				<-done
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			require.NoError(b, client.Stop(ctx))
		})
	}
}

// seed plans n emails to as many people, with their jobs.
func seed(b *testing.B, db *postgrestest.DB, n int) {
	b.Helper()
	for _, sql := range []string{
		`INSERT INTO users (id, email, email_verified, given_name, family_name)
			SELECT gen_random_uuid(), 'p' || i || '@mail.example', true, 'A', 'B' FROM generate_series(1, $1) AS i`,
		`INSERT INTO notifications (id, event_position, event_id, event_type, subject, recipient_id, category, priority, rule, rule_version, template)
			SELECT gen_random_uuid(), 1, gen_random_uuid(), 'ehr.lab_report.created', 'lab_report/1', id, 'clinical', 'normal', 'r', 1, 'clinical' FROM users LIMIT $1`,
		`INSERT INTO deliveries (id, event_position, notification_id, event_id, recipient_id, channel, state, rule, template, priority)
			SELECT gen_random_uuid(), event_position, id, event_id, recipient_id, 'email', 'queued', 'r', 'clinical', 'normal' FROM notifications LIMIT $1`,
		`INSERT INTO river.river_job (kind, queue, args, max_attempts, state)
			SELECT 'delivery', 'email', jsonb_build_object('deliveryId', id), 12, 'available' FROM deliveries LIMIT $1`,
	} {
		_, err := db.Owner.Exec(b.Context(), sql, n)
		require.NoError(b, err)
	}
	_, err := db.Owner.Exec(b.Context(), `ANALYZE users, notifications, deliveries`)
	require.NoError(b, err)
}
