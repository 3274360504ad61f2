package dispatch

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
	"carewire/internal/tracing"
)

// Inserter is the part of River's client that the planner uses.
type Inserter interface {
	InsertManyFastTx(ctx context.Context, tx pgx.Tx, params []river.InsertManyParams) (int, error)
}

// Config is what a Planner needs.
type Config struct {
	// River inserts the jobs. Its client needs no workers.
	River Inserter
	// Known is what a stored rule set is checked against when it is loaded.
	Known rule.Known
	// Channels are those that this installation has a provider for.
	Channels []string
	Logger   *slog.Logger
	// Tracer shows what was planned for each sampled event; nil means nobody looks.
	Tracer *tracing.Tracer
}

// Planner plans what the rules say. It implements ledger.Handler and is safe for concurrent use.
type Planner struct {
	river      Inserter
	sets       *sets
	configured map[string]bool
	tracer     *tracing.Tracer
}

// New makes a Planner.
func New(cfg Config) *Planner {
	p := &Planner{river: cfg.River, sets: newSets(cfg.Known, cfg.Logger), configured: map[string]bool{}, tracer: cfg.Tracer}
	for _, channel := range cfg.Channels {
		p.configured[channel] = true
	}
	return p
}

// matched is an event with the rules that apply to it.
type matched struct {
	event   *event.Event
	version int32
	matches []rule.Match
}

// Handle plans a batch of events, in the order of their positions. An event whose rule set this binary does not understand
// is answered with a ledger.HeldError, or with a care.Error of code care.Conflict; see the package comment.
func (p *Planner) Handle(ctx context.Context, tx pgx.Tx, batch []event.Event) (err error) {
	began := time.Now()
	queries := db.New(tx)
	inForce, err := p.sets.inForce(ctx, queries, batch)
	if err != nil {
		return err
	}
	var all []matched
	for i := range batch {
		if refused := inForce[i].err; refused != nil {
			if refused.Code == care.Unavailable {
				return &ledger.HeldError{Position: batch[i].Position, Cause: refused}
			}
			return refused
		}
		if inForce[i].set == nil {
			continue
		}
		if found := inForce[i].set.Match(batch[i]); len(found) > 0 {
			all = append(all, matched{event: &batch[i], version: inForce[i].version, matches: found})
		}
	}
	var plan plan
	defer func() {
		if err == nil {
			p.trace(began, batch, inForce, &plan)
		}
	}()
	if len(all) == 0 {
		return nil
	}
	people, err := lookUp(ctx, queries, all)
	if err != nil {
		return err
	}
	for _, m := range all {
		plan.add(m, rule.Resolve(m.event, m.matches, people, p.configured))
	}
	return p.write(ctx, tx, &plan)
}

// plan is what a batch comes to, in the order of the events.
type plan struct {
	notifications []notification
	decisions     []decision
}

// add takes in what the rules come to for one event. Ids are given in its order.
func (p *plan) add(m matched, o rule.Outcome) {
	for _, t := range o.Tellings {
		n := notification{id: newID(), event: m.event, version: m.version, recipient: t.Recipient, match: t.Match}
		for _, d := range t.Messages {
			n.deliveries = append(n.deliveries, delivery{
				id: newID(), channel: d.Channel, suppressed: d.Suppressed, reason: d.Reason, match: d.Match, fallback: d.Fallback,
			})
		}
		p.notifications = append(p.notifications, n)
	}
	for _, d := range o.Refusals {
		p.decisions = append(p.decisions, decision{
			event: m.event, version: m.version, rule: d.Rule, recipient: d.Recipient, channel: d.Channel, reason: d.Reason,
		})
	}
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// notification is what one person is told of one event.
type notification struct {
	id         uuid.UUID
	event      *event.Event
	version    int32
	recipient  uuid.UUID
	match      *rule.Match // The first of those that tell the person.
	deliveries []delivery
}

// delivery is the message on one channel. It is queued unless suppressed.
type delivery struct {
	id         uuid.UUID
	channel    string
	suppressed bool
	reason     string
	match      *rule.Match
	fallback   []string
}

func (d *delivery) state() string {
	if d.suppressed {
		return "suppressed"
	}
	return "queued"
}

// queued reports whether anything is to be sent.
func (n *notification) queued() bool {
	return slices.ContainsFunc(n.deliveries, func(d delivery) bool { return !d.suppressed })
}

// decision is something that a matching rule did not do, and why. recipient and channel may be empty.
type decision struct {
	event     *event.Event
	version   int32
	rule      string
	recipient uuid.UUID
	channel   string
	reason    string
}
