package analytics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Outcomes lists the outcomes of messages that are counted. A message that was sent, delivered and
// read counts once in each.
var Outcomes = []string{"sent", "delivered", "read", "failed", "unknown", "cancelled", "suppressed"}

// addDeliveries counts the outcomes of messages in a batch of events.
func addDeliveries(ctx context.Context, tx pgx.Tx, batch []event.Event) error {
	var rows db.DeliveryCountAddParams
	for i := range batch {
		if err := addOutcomes(&rows, &batch[i]); err != nil {
			return err
		}
	}
	if len(rows.Times) == 0 {
		return nil
	}
	if err := db.New(tx).DeliveryCountAdd(ctx, rows); err != nil {
		return fmt.Errorf("add to the delivery counts: %w", err)
	}
	return nil
}

// addOutcomes adds the outcomes that the event reports: one of a delivery, and each channel that a
// decision suppressed or cancelled.
func addOutcomes(rows *db.DeliveryCountAddParams, e *event.Event) error {
	switch e.Type {
	case "notification.sent", "notification.delivered", "notification.read", "notification.failed":
	case "notification.planned", "notification.suppressed", "notification.cancelled":
	default:
		return nil
	}
	data, err := e.Decode()
	if err != nil {
		return err
	}
	add := func(channel, provider, rule, outcome string) {
		rows.Times, rows.ClinicIds = append(rows.Times, e.Time), append(rows.ClinicIds, care.OrZero(e.ClinicID))
		rows.Channels, rows.Providers = append(rows.Channels, channel), append(rows.Providers, provider)
		rows.Rules, rows.Outcomes = append(rows.Rules, rule), append(rows.Outcomes, outcome)
	}
	switch d := data.(type) {
	case event.Delivery:
		outcome := e.Type[len("notification."):]
		if outcome == "failed" && slices.Contains(Outcomes, d.State) {
			outcome = d.State
		}
		add(d.Channel, d.Provider, d.Rule, outcome)
	case event.Notification:
		for _, c := range d.Channels {
			if c.State == "suppressed" || c.State == "cancelled" {
				add(c.Channel, "", d.Rule, c.State)
			}
		}
	}
	return nil
}

// DeliveryCount is the number of messages with an outcome on a day. Dimensions that were not asked
// for are empty.
type DeliveryCount struct {
	Day      string     `json:"day" format:"date" doc:"In UTC." example:"2026-03-14"`
	ClinicID *uuid.UUID `json:"clinicId,omitempty" format:"uuid" doc:"With by=clinic; left out for messages without a clinic."`
	Channel  string     `json:"channel,omitempty" doc:"With by=channel." example:"email"`
	Provider string     `json:"provider,omitempty" doc:"With by=provider; left out where no provider was called." example:"ses"`
	Rule     string     `json:"rule,omitempty" doc:"With by=rule; left out for outcomes that an earlier release recorded." example:"critical-result"`
	Outcome  string     `json:"outcome" enum:"sent,delivered,read,failed,unknown,cancelled,suppressed" doc:"A message counts once in each outcome that it reached."`
	Count    int64      `json:"count" minimum:"1"`
}

// DeliveryFilter selects and groups counts of messages.
type DeliveryFilter struct {
	// Clinics selects the counts of these clinics; EveryClinic selects those of all clinics and of
	// none.
	Clinics     []uuid.UUID
	EveryClinic bool
	// Channel and Rule are names; empty for all.
	Channel, Rule string
	// First and Last are the days, in UTC, both inclusive.
	First, Last time.Time
	// By lists the dimensions besides day and outcome: clinic, channel, provider, rule.
	By []string
	// Limit is the maximum number of counts.
	Limit int
}

// ListDeliveryCounts returns counts of messages, by day, the dimensions of f.By, and outcome.
func ListDeliveryCounts(ctx context.Context, q db.DBTX, f DeliveryFilter) ([]DeliveryCount, error) {
	rows, err := db.New(q).DeliveryCountList(ctx, db.DeliveryCountListParams{
		FirstDay: f.First.UTC().Format(time.DateOnly), LastDay: f.Last.UTC().Format(time.DateOnly), EveryClinic: f.EveryClinic, ClinicIds: slices.Concat([]uuid.UUID{}, f.Clinics),
		Channel: f.Channel, Rule: f.Rule, ByClinic: slices.Contains(f.By, "clinic"), ByChannel: slices.Contains(f.By, "channel"),
		ByProvider: slices.Contains(f.By, "provider"), ByRule: slices.Contains(f.By, "rule"), MaxRows: int32(f.Limit),
	})
	if err != nil {
		return nil, fmt.Errorf("read delivery counts: %w", postgres.Translate(err))
	}
	counts := make([]DeliveryCount, len(rows))
	for i, r := range rows {
		counts[i] = DeliveryCount{
			Day: r.Day, ClinicID: care.NonZero(r.ClinicID), Channel: r.Channel, Provider: r.Provider, Rule: r.Rule,
			Outcome: r.Outcome, Count: r.Count,
		}
	}
	return counts, nil
}
