// Package analytics counts events: the number per type, clinic and hour (UTC). It is the smallest
// useful follower of the ledger, and shows the parts of a listener: a Handler that writes in the
// transaction that also advances the follower, so that each event is counted once even if a batch
// is retried, and one registration in the service's wiring. The event producers are unaffected.
//
// It also counts the outcomes of messages, by day (UTC), clinic, channel, provider and rule.
//
// An event counts in the hour in which it happened (its time), not in which it was recorded. An
// event without a clinic counts for none. The counts follow the ledger: if the follower is reset to
// position 0 it counts everything again, so empty event_counts
// and delivery_counts first.
package analytics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Follower is the name of the counter in the table followers.
const Follower = "analytics"

// Counter counts the ledger's events. It implements ledger.Handler and is safe for concurrent use.
type Counter struct{}

var _ ledger.Handler = Counter{}

// New returns a Counter.
func New() Counter { return Counter{} }

// Handle adds a batch of events to the counts of events, and those about messages to the counts of
// deliveries: one statement for each.
func (Counter) Handle(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
	var rows db.EventCountAddParams
	for i := range batch {
		var clinic uuid.UUID
		if batch[i].ClinicID != nil {
			clinic = *batch[i].ClinicID
		}
		rows.ClinicIds = append(rows.ClinicIds, clinic)
		rows.Types = append(rows.Types, batch[i].Type)
		rows.Times = append(rows.Times, batch[i].Time)
	}
	if err := db.New(tx).EventCountAdd(ctx, rows); err != nil {
		return fmt.Errorf("add to the event counts: %w", err)
	}
	return addDeliveries(ctx, tx, batch)
}

// Count is the number of events of a type that happened at a clinic in the hour that begins at
// Hour.
type Count struct {
	ClinicID *uuid.UUID `json:"clinicId" format:"uuid" nullable:"true" doc:"Null for events without a clinic."`
	Type     string     `json:"type" example:"ehr.lab_report.created"`
	Hour     time.Time  `json:"hour" format:"date-time" doc:"Start of the hour, in UTC."`
	Count    int64      `json:"count" minimum:"1"`
}

// Filter selects counts.
type Filter struct {
	// Clinics selects the counts of these clinics; EveryClinic selects those of all clinics and of
	// none.
	Clinics     []uuid.UUID
	EveryClinic bool
	// Type is a pattern; empty for every type.
	Type event.Pattern
	// From and To bound the beginning of the hours: From is inclusive, To exclusive.
	From, To time.Time
	// Limit is the maximum number of counts.
	Limit int
}

// ListCounts returns counts, by hour, clinic and type. Hours without events have none.
func ListCounts(ctx context.Context, q db.DBTX, f Filter) ([]Count, error) {
	rows, err := db.New(q).EventCountList(ctx, db.EventCountListParams{
		FromHour: f.From, Until: f.To, EveryClinic: f.EveryClinic, ClinicIds: slices.Concat([]uuid.UUID{}, f.Clinics),
		EveryType: f.Type == "", Types: types(f.Type), MaxRows: int32(f.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read event counts: %w", postgres.Translate(err))
	}
	counts := make([]Count, len(rows))
	for i, r := range rows {
		counts[i] = Count{ClinicID: r.ClinicID, Type: r.Type, Hour: r.Hour.UTC(), Count: r.Count}
	}
	return counts, nil
}

// types returns the types of the catalog that the pattern matches; never nil.
func types(p event.Pattern) []string {
	matching := []string{}
	for _, d := range event.Catalog {
		if p.Match(d.Type) {
			matching = append(matching, d.Type)
		}
	}
	return matching
}
