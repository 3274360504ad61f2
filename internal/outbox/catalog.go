package outbox

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// requiredData returns the data fields that every event of a type has, by type.
var requiredData = sync.OnceValue(func() map[string][]string {
	required := make(map[string][]string, len(event.Catalog))
	for i := range event.Catalog {
		required[event.Catalog[i].Type] = event.Catalog[i].Required()
	}
	return required
})

// SyncCatalog writes event.Catalog to the table event_types, which the SQL function outbox_append()
// checks events against. Call it when the service starts, with a pool of the worker role. Types
// that this binary does not know remain in the table.
func SyncCatalog(ctx context.Context, pool *pgxpool.Pool) error {
	var p db.EventTypeUpsertManyParams
	for i := range event.Catalog {
		d := &event.Catalog[i]
		p.Types = append(p.Types, d.Type)
		p.Categories = append(p.Categories, string(d.Category))
		p.Required = append(p.Required, strings.Join(requiredData()[d.Type], ","))
	}
	if err := db.New(pool).EventTypeUpsertMany(ctx, p); err != nil {
		return fmt.Errorf("write the event catalog: %w", postgres.Translate(err))
	}
	return nil
}
