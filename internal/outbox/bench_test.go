package outbox_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/postgrestest"
)

// BenchmarkWriter_InBatch measures a write of one row and one event in one round trip.
func BenchmarkWriter_InBatch(b *testing.B) {
	d := postgrestest.New(b)
	w := outbox.NewWriter(d.App, outbox.NewWaker(d.App, quiet))
	cmd := care.Command{Actor: care.SystemActor("test")}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, w.InBatch(b.Context(), cmd, func(batch *outbox.Batch) {
			batch.QueryRow(func(row pgx.Row) error { return row.Scan(new(int)) }, "SELECT 1")
			batch.Append(b.Context(), anEvent())
		}))
	}
}
