package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/batch"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// settlement is the result of one attempt as it is written to the database.
type settlement struct {
	delivery
	// run is the run that claimed the attempt. It is zero without a claim; then only the attempt
	// has to match.
	run   uuid.UUID
	state string
	// unused reports that the attempt is not counted.
	unused            bool
	reason            string
	code              string
	receipt           Receipt
	possibleDuplicate bool
	wait              time.Duration
	// events are appended with the settlement, each with the id of the delivery or device that it
	// is about.
	events []pendingEvent
	gone   []goneDevice
	// suppressed is the address that gets no more messages, if the provider refused it for good.
	suppressed *suppression
	// client inserts the jobs of a fallback that a waiting receipt needs; nil without a claim.
	client *river.Client[pgx.Tx]
}

// delivery holds the values of a delivery that events contain.
type delivery struct {
	id, notificationID, eventID, recipientID uuid.UUID
	clinicID                                 *uuid.UUID
	channel, rule                            string
	ruleVersion                              int32
	attempt                                  int32
	correlationID, traceparent               *string
}

type pendingEvent struct {
	ref   uuid.UUID
	event event.Event
}

type goneDevice struct{ id, userID uuid.UUID }

func (a *attempt) delivery() delivery {
	return delivery{
		id: a.ID, notificationID: a.NotificationID, eventID: a.EventID, recipientID: a.RecipientID, clinicID: a.ClinicID,
		channel: a.Channel, rule: a.Rule, ruleVersion: a.RuleVersion, attempt: a.Attempt,
		correlationID: a.CorrelationID, traceparent: a.Traceparent,
	}
}

// CutOffPrefix begins the reason of a delivery that is no longer true; the type of the event that made
// it untrue follows.
const CutOffPrefix = "cut_off:"

// predecessors are the states from which a settlement of the same attempt leads to a state. A known
// result also overwrites the states that others assumed after a silence: uncertain, or, if the
// message was sent, unknown. A known result is never overwritten: sent stays sent.
var predecessors = map[string]string{
	"queued":     "queued,uncertain",
	"uncertain":  "queued",
	"sent":       "queued,uncertain,unknown",
	"suppressed": "queued,uncertain",
	"failed":     "queued,uncertain",
	"cancelled":  "queued",
	"unknown":    "uncertain",
}

// settlement returns the row's change and the events of a result.
func (a *attempt) settlement(e result) settlement {
	s := settlement{
		delivery: a.delivery(), run: a.run, client: a.client, unused: e.outcome == OutcomeThrottled || e.outcome == OutcomeHeld, code: e.code, receipt: e.receipt, possibleDuplicate: e.possibleDuplicate, wait: e.wait,
	}
	switch e.outcome {
	case OutcomeSent:
		s.state = "sent"
		s.addEvent(s.outcome("notification.sent", "", a.PossibleDuplicate))
	case OutcomeFailed:
		s.state = "failed"
		s.addEvent(s.outcome("notification.failed", e.code, a.PossibleDuplicate))
		if e.code == SuppressedOptedOut {
			s.suppressed = &suppression{
				id: newID(), kind: a.kind.Address, channel: a.Channel, reason: SuppressedOptedOut, source: e.receipt.Provider,
				user: a.RecipientID, address: a.Address, cause: s.delivery,
			}
		}
	case OutcomeSuppressed:
		s.state, s.reason = "suppressed", e.code
		s.addEvent(s.decision("notification.suppressed", event.ChannelDecision{
			Channel: a.Channel, DeliveryID: a.ID, State: "suppressed", Reason: e.code,
		}))
	case OutcomeCutOff:
		s.state, s.reason, s.code = "cancelled", e.code, ""
		s.addEvent(s.decision("notification.cancelled", event.ChannelDecision{
			Channel: a.Channel, DeliveryID: a.ID, State: "cancelled", Reason: e.code,
		}))
	case OutcomeUncertain:
		s.state = "uncertain"
	default:
		s.state = "queued"
	}
	for i, id := range a.DeviceIds {
		for _, gone := range e.receipt.Gone {
			if id == gone {
				s.remove(id, a.DevicePlatforms[i])
			}
		}
	}
	return s
}

func (s *settlement) addEvent(e event.Event) { s.events = append(s.events, pendingEvent{s.id, e}) }

// remove removes a device that the provider no longer knows.
func (s *settlement) remove(id uuid.UUID, platform string) {
	cmd := s.command()
	e := event.New(cmd, "device.removed", care.Ref{Kind: "device", ID: id}, event.Device{
		DeviceID: id, UserID: s.recipientID, Platform: platform, Reason: "unregistered",
	}).About(cmd, s.recipientID, nil)
	e.CauseID = &s.eventID
	s.events = append(s.events, pendingEvent{id, e})
	s.gone = append(s.gone, goneDevice{id, s.recipientID})
}

func (d delivery) command() care.Command {
	cmd := care.Command{Actor: care.SystemActor("notify")}
	if d.correlationID != nil {
		cmd.CorrelationID = *d.correlationID
	}
	if d.traceparent != nil {
		cmd.Traceparent = *d.traceparent
	}
	return cmd
}

// outcome returns the event notification.sent or notification.failed. Only the latter has the
// state: failed, cancelled or unknown.
func (s *settlement) outcome(typ, code string, possibleDuplicate bool) event.Event {
	data := event.Delivery{
		NotificationID: s.notificationID, DeliveryID: s.id, UserID: s.recipientID, Channel: s.channel, Rule: s.rule, Attempt: s.attempt,
		Provider: s.receipt.Provider, ProviderID: s.receipt.ProviderID, Code: code, PossibleDuplicate: possibleDuplicate,
	}
	if typ == "notification.failed" {
		data.State = s.state
	}
	return s.event(typ, data)
}

// expiry ends a delivery for which no receipt came until its deadline. Its state becomes unknown.
// Only one of the priorities critical and high uses its fallback channel, as a possible duplicate.
func expiry(r db.DeliveryExpiredRow) (s settlement, fallback []string) {
	s = settlement{
		delivery: delivery{
			id: r.ID, notificationID: r.NotificationID, eventID: r.EventID, recipientID: r.RecipientID, clinicID: r.ClinicID,
			channel: r.Channel, rule: r.Rule, ruleVersion: r.RuleVersion, attempt: r.Attempt,
			correlationID: r.CorrelationID, traceparent: r.Traceparent,
		},
		state: "unknown", code: "no_receipt",
	}
	s.addEvent(s.outcome("notification.failed", s.code, r.PossibleDuplicate))
	if r.Priority == "critical" || r.Priority == "high" {
		fallback = r.Fallback
	}
	return s, fallback
}

// decision returns the event notification.planned, suppressed or cancelled for one channel.
func (d delivery) decision(typ string, c event.ChannelDecision) event.Event {
	return d.event(typ, event.Notification{
		NotificationID: d.notificationID, UserID: d.recipientID, Rule: d.rule, RuleVersion: d.ruleVersion,
		Channels: []event.ChannelDecision{c},
	})
}

func (d delivery) event(typ string, data event.Payload) event.Event {
	cmd := d.command()
	e := event.New(cmd, typ, care.Ref{Kind: "notification", ID: d.notificationID}, data).About(cmd, d.recipientID, d.clinicID)
	e.CauseID = &d.eventID
	return e
}

// closed reports whether the delivery ends without being known to have reached the person.
func (s *settlement) closed() bool {
	return s.state == "failed" || s.state == "suppressed" || s.state == "unknown"
}

// commitWithRetry commits a settlement and retries until it is written: a known result is kept as
// long as the process lives, even if the job's time is over. A settlement whose commit was not
// confirmed is found written, and no longer belongs to the attempt.
func (w *Worker) commitWithRetry(ctx context.Context, client *river.Client[pgx.Tx], s settlement, fallback []string) (settled bool, err error) {
	ctx = context.WithoutCancel(ctx)
	err = retryTransient(ctx, nil, func() error {
		settled, err = w.commit(ctx, client, s, fallback)
		return err
	}, func(err error) {
		w.cfg.Logger.WarnContext(ctx, "outcome of a delivery not written yet; retrying", "delivery_id", s.id, "state", s.state, "error", postgres.SafeError(err))
	})
	return settled, err
}

// commit writes a settlement. A closed one plans the next fallback channel, and suppresses the
// address, in the same transaction; every other is batched with those of concurrent workers. It reports whether the delivery still
// belonged to this attempt.
func (w *Worker) commit(ctx context.Context, client *river.Client[pgx.Tx], s settlement, fallback []string) (bool, error) {
	if !s.closed() || (len(fallback) == 0 && s.suppressed == nil) {
		return w.settler.Do(ctx, s)
	}
	return w.commitWithFallback(context.WithoutCancel(ctx), client, s, fallback)
}

func (w *Worker) commitWithFallback(ctx context.Context, client *river.Client[pgx.Tx], s settlement, fallback []string) (settled bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, batch.Timeout)
	defer cancel()
	err = postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		// The fallback may make the notification due.
		if err := db.New(tx).NotificationLockOf(ctx, []uuid.UUID{s.id}); err != nil {
			return fmt.Errorf("lock notification: %w", err)
		}
		ids, err := settleAll(ctx, tx, []settlement{s})
		if settled = len(ids) == 1; err != nil || !settled {
			return err
		}
		if s.suppressed != nil {
			if _, err := raiseSuppressions(ctx, tx, []suppression{*s.suppressed}); err != nil {
				return err
			}
		}
		return w.fallBack(ctx, tx, client, s, fallback)
	})
	if err == nil {
		w.cfg.Wake()
	}
	return settled, err
}

// fallBack plans the first of the channels on which the person can be reached and does not have the
// event yet. If the person may have quiet hours or a daily digest, the scheduler decides when it is
// sent.
func (w *Worker) fallBack(ctx context.Context, tx pgx.Tx, client *river.Client[pgx.Tx], s settlement, channels []string) error {
	for i, channel := range channels {
		kind, ok := w.cfg.Known.Lookup(channel)
		if !ok || w.routes[channel] == nil {
			continue
		}
		reason := fmt.Sprintf("fallback for %s, rule %s", s.channel, s.rule)
		if s.state == "unknown" {
			reason = fmt.Sprintf("fallback for %s, which may have arrived, rule %s", s.channel, s.rule)
		}
		row, err := db.New(tx).DeliveryFallback(ctx, db.DeliveryFallbackParams{
			ID: newID(), Channel: channel, AddressKind: string(kind.Address), Reason: reason, Fallback: channels[i+1:], InsteadOf: s.id,
		})
		if err == pgx.ErrNoRows { //nolint:errorlint // pgx returns it unwrapped
			continue
		}
		if err != nil {
			return fmt.Errorf("plan fallback: %w", err)
		}
		err = outbox.Append(ctx, tx, s.decision("notification.planned", event.ChannelDecision{
			Channel: channel, DeliveryID: row.ID, State: row.State, Reason: reason,
		}))
		if err != nil || row.State != "queued" {
			return err
		}
		if _, err := client.InsertTx(ctx, tx, DeliveryArgs{DeliveryID: row.ID}, JobOpts(channel, row.Priority)); err != nil {
			return fmt.Errorf("insert fallback job: %w", err)
		}
		return nil
	}
	return nil
}

// settleAll ends attempts in one statement. It returns the ids of the deliveries that still
// belonged to them.
func settleAll(ctx context.Context, tx db.DBTX, all []settlement) ([]uuid.UUID, error) {
	var p db.DeliverySettleParams
	var events outbox.Columns
	removed := map[uuid.UUID]bool{}
	for _, s := range all {
		p.Ids = append(p.Ids, s.id)
		p.Attempts = append(p.Attempts, s.attempt)
		p.Runs = append(p.Runs, s.run)
		p.Unused = append(p.Unused, s.unused)
		p.FromStates = append(p.FromStates, predecessors[s.state])
		p.States = append(p.States, s.state)
		p.Reasons = append(p.Reasons, s.reason)
		p.Providers = append(p.Providers, s.receipt.Provider)
		p.ProviderIds = append(p.ProviderIds, s.receipt.ProviderID)
		p.ErrorCodes = append(p.ErrorCodes, s.code)
		p.PossibleDuplicates = append(p.PossibleDuplicates, s.possibleDuplicate)
		p.WaitSeconds = append(p.WaitSeconds, s.wait.Seconds())
		for _, n := range s.events {
			// Two messages may report the same device as gone; it has one event.
			if n.ref != s.id && removed[n.ref] {
				continue
			}
			removed[n.ref] = n.ref != s.id
			p.EventRefs = append(p.EventRefs, n.ref)
			events.Append(&n.event)
		}
		for _, g := range s.gone {
			p.GoneIds = append(p.GoneIds, g.id)
			p.GoneUserIds = append(p.GoneUserIds, g.userID)
		}
	}
	p.EventIds, p.Types, p.Sources, p.Subjects, p.Times, p.Datas = events.IDs, events.Types, events.Sources, events.Subjects, events.Times, events.Data
	p.ClinicIds, p.PersonIds, p.ActorIds, p.ActorRoles = events.ClinicIDs, events.PersonIDs, events.ActorIDs, events.ActorRoles
	p.CauseIds, p.CorrelationIds, p.Traceparents = events.CauseIDs, events.CorrelationIDs, events.Traceparents
	return db.New(tx).DeliverySettle(ctx, p)
}
