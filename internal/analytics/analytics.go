// Package analytics counts events: how many of each type, at each clinic, in each hour (UTC). It is the smallest useful
// follower of the ledger, and shows what a listener needs: a Handler that writes in the transaction that also advances
// the follower, so that each event is counted once however often a batch is tried, and one registration where the
// service is put together. Nothing changes where the events come from.
//
// An event counts in the hour in which it happened (its time), not in which it was recorded; one of no clinic counts
// under none. The counts are the ledger's: setting the follower back to position 0 counts everything again, so that
// whoever does it empties event_counts first.
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

// Follower is the name under which the counter follows the ledger.
const Follower = "analytics"

// Counter counts what the ledger holds. It implements ledger.Handler and is safe for concurrent use.
type Counter struct{}

var _ ledger.Handler = Counter{}

// New makes a Counter.
func New() Counter { return Counter{} }

// Handle adds a batch of events to the counts, in one statement.
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
	return nil
}

// Count is how many events of a type happened at a clinic in the hour that begins at Hour.
type Count struct {
	ClinicID *uuid.UUID `json:"clinicId" format:"uuid" nullable:"true" doc:"Null for events that belong to no clinic."`
	Type     string     `json:"type" example:"ehr.lab_report.created"`
	Hour     time.Time  `json:"hour" format:"date-time" doc:"When the hour begins, in UTC."`
	Count    int64      `json:"count" minimum:"1"`
}

// Filter says which counts to read.
type Filter struct {
	// Clinics are those to read of; EveryClinic reads of all, and what belongs to none.
	Clinics     []uuid.UUID
	EveryClinic bool
	// Type is a pattern; empty for every type.
	Type event.Pattern
	// From and To bound the hours by their beginning: From included, To not.
	From, To time.Time
	// Limit is how many counts at most.
	Limit int
}

// Counts reads counts, by hour, clinic and type. Hours in which nothing happened have none.
func Counts(ctx context.Context, q db.DBTX, f Filter) ([]Count, error) {
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

// types are those of the catalog that the pattern matches; never nil.
func types(p event.Pattern) []string {
	matching := []string{}
	for _, d := range event.Catalog {
		if p.Match(d.Type) {
			matching = append(matching, d.Type)
		}
	}
	return matching
}
