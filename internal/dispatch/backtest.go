package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// DefaultBacktestPeriod is the length of a backtest without a beginning.
const DefaultBacktestPeriod = 7 * 24 * time.Hour

// BacktestRequest is a draft of the rules, and a part of the ledger.
type BacktestRequest struct {
	// Source is the rule set, in YAML.
	Source string
	// From is the first event; by default, the first of the DefaultBacktestPeriod before To.
	From Bound
	// To is the last event; by default, and at most, the last one that the planner has planned.
	To Bound
	// Limit bounds the listed differences. All of them are counted.
	Limit int
}

// Bound is a place in the ledger: a position, or the time at which events were recorded. As an end,
// the position is included and the time is not. The zero Bound is the default.
type Bound struct {
	Position int64
	Time     time.Time
}

// IsZero reports whether the bound is the default.
func (b Bound) IsZero() bool { return b.Position == 0 && b.Time.IsZero() }

// Change is the kind of a difference.
type Change string

// The changes.
const (
	Added   Change = "added"   // The draft sends a message that was not planned.
	Removed Change = "removed" // The draft does not send a message that was planned.
	Changed Change = "changed" // The draft sends it with another priority, template or class of reason.
)

// Backtest is the comparison of a draft of the rules with what was planned. It contains ids and
// codes. Its slices are never nil.
type Backtest struct {
	// Differences are in the order of the ledger.
	Differences []BacktestDifference `json:"differences"`
	// Groups count all differences, the most frequent ones first.
	Groups  []BacktestGroup `json:"groups"`
	Summary BacktestSummary `json:"summary"`
}

// BacktestDifference is a difference for one person on one channel. The channel inapp is the
// notification in the inbox.
type BacktestDifference struct {
	Change      Change          `json:"change"`
	Position    int64           `json:"position"`
	EventID     uuid.UUID       `json:"eventId"`
	Type        string          `json:"type"`
	RecipientID uuid.UUID       `json:"recipientId"`
	PlanKey     string          `json:"planKey,omitempty"`
	Channel     string          `json:"channel"`
	Before      BacktestMessage `json:"before"`
	After       BacktestMessage `json:"after"`
}

// Rule returns the rule of the draft that sends the message, or else the one that planned it.
func (d *BacktestDifference) Rule() string {
	if d.Change == Removed {
		return d.Before.Rule
	}
	return d.After.Rule
}

// BacktestMessage is a message, or the reason why there is none. It is empty if no rule names the
// person and the channel.
type BacktestMessage struct {
	// Sent reports that it was planned to be sent, at once or later.
	Sent     bool   `json:"sent"`
	Rule     string `json:"rule,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Priority string `json:"priority,omitempty"`
	Template string `json:"template,omitempty"`
}

// BacktestGroup counts the differences of one kind.
type BacktestGroup struct {
	Change  Change `json:"change"`
	Rule    string `json:"rule"`
	Type    string `json:"type"`
	Channel string `json:"channel"`
	Count   int64  `json:"count"`
}

// BacktestSummary has the totals of a backtest.
type BacktestSummary struct {
	// From and To are the positions of the part that was compared. To is below From if it is empty.
	From int64 `json:"from"`
	To   int64 `json:"to"`
	// Partial reports that the comparison was interrupted: To is where it ended.
	Partial bool `json:"partial"`
	// Events are those that rules see, Matched those of them to which a rule of the draft applies.
	Events  int64 `json:"events"`
	Matched int64 `json:"matched"`
	// Unreadable are events that cannot be read completely. They are not compared.
	Unreadable int64 `json:"unreadable"`
	// MessagesBefore and MessagesAfter are the messages that were planned and those of the draft.
	MessagesBefore int64 `json:"messagesBefore"`
	MessagesAfter  int64 `json:"messagesAfter"`
	Same           int64 `json:"same"`
	Added          int64 `json:"added"`
	Removed        int64 `json:"removed"`
	Changed        int64 `json:"changed"`
	// Unlisted are the differences beyond the limit.
	Unlisted int64 `json:"unlisted"`
	// ConditionFailures counts the conditions of the draft that could not be evaluated on an event.
	ConditionFailures int64 `json:"conditionFailures"`
}

// Differences returns the number of all differences.
func (s *BacktestSummary) Differences() int64 { return s.Added + s.Removed + s.Changed }

// BacktestProgress is how far a backtest is.
type BacktestProgress struct {
	// Done and Total are positions of the ledger.
	Done, Total int64
	// Events is the number of events read.
	Events int64
}

const (
	// backtestPage is the number of positions that are compared at once.
	backtestPage = 4000
	// backtestRows bounds the notifications that are in memory at once for one page, except that
	// those of one event are never divided.
	backtestRows = 50_000
	// backtestWorkers is the number of pages that are compared at the same time.
	backtestWorkers = 2
)

// Backtest decides the events of a part of the ledger with a draft of the rules, and compares the
// result with the notifications and deliveries that were planned. An event is planned with the
// addresses, preferences and roles that people have now, as of the time when it was planned; if it
// led to no notification, as of its own time. It writes nothing: it reads each page in a READ ONLY
// transaction. The pool must run as carewire_worker.
//
// Messages are compared as they were planned: whether they arrived, and deliveries that replaced a
// failed one, make no difference. progress is called after each page, in the goroutine of the
// caller; it may be nil. If ctx ends meanwhile, the result is Partial.
//
// The error for an invalid draft or part is of code care.Invalid.
func (p *Planner) Backtest(ctx context.Context, pool *pgxpool.Pool, in BacktestRequest, known Known, progress func(BacktestProgress)) (Backtest, error) {
	b := backtester{planner: p, pool: pool, limit: in.Limit, result: newPageResult()}
	err := postgres.InReadTx(ctx, pool, func(tx pgx.Tx) (err error) {
		if b.draft, err = parseWithTemplates(ctx, tx, []byte(in.Source), known); err != nil {
			return err
		}
		b.first, b.last, err = in.part(ctx, tx)
		return err
	})
	if err != nil {
		return Backtest{}, err
	}
	for _, d := range event.Catalog {
		if d.RuleVisible {
			b.types = append(b.types, d.Type)
		}
	}
	return b.run(ctx, progress)
}

// part returns the first and the last position.
func (in *BacktestRequest) part(ctx context.Context, q db.DBTX) (first, last int64, err error) {
	if err := in.check(); err != nil {
		return 0, 0, err
	}
	planned, err := db.New(q).FollowerGet(ctx, Follower)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, 0, fmt.Errorf("read the planner's position: %w", err)
	}
	last, until := planned, time.Now()
	switch {
	case !in.To.Time.IsZero():
		until = in.To.Time
		if last, err = ledger.PositionAt(ctx, q, until); err != nil {
			return 0, 0, err
		}
		last--
	case in.To.Position > 0:
		last = in.To.Position
		row, err := db.New(q).LedgerTimeFrom(ctx, last)
		if err == nil {
			until = row.RecordedAt
		} else if !errors.Is(err, pgx.ErrNoRows) {
			return 0, 0, fmt.Errorf("read the time of an event: %w", err)
		}
	}
	if first = in.From.Position; first == 0 {
		from := in.From.Time
		if from.IsZero() {
			from = until.Add(-DefaultBacktestPeriod)
		}
		if first, err = ledger.PositionAt(ctx, q, from); err != nil {
			return 0, 0, err
		}
	}
	if mixed := in.From.Position > 0 && !in.To.Time.IsZero() || in.To.Position > 0 && !in.From.Time.IsZero(); mixed && first > last {
		return 0, 0, errBacktestOrder
	}
	return first, min(last, planned), nil
}

var errBacktestOrder = care.InvalidField("from", "must not be after to")

func (in *BacktestRequest) check() error {
	switch {
	case in.From.Position < 0:
		return care.InvalidField("from", "position must be at least 1")
	case in.To.Position < 0:
		return care.InvalidField("to", "position must be at least 1")
	case in.Limit < 0:
		return care.InvalidField("limit", "must be at least 0")
	case in.To.Position > 0 && in.From.Position > in.To.Position, !in.To.Time.IsZero() && in.From.Time.After(in.To.Time):
		return errBacktestOrder
	}
	return nil
}

// backtester runs one backtest.
type backtester struct {
	planner     *Planner
	pool        *pgxpool.Pool
	draft       *rule.Set
	first, last int64
	types       []string
	limit       int
	result      pageResult
}

// run compares the pages, some at the same time, and adds their results in the order of the ledger.
func (b *backtester) run(ctx context.Context, progress func(BacktestProgress)) (Backtest, error) {
	work, stop := context.WithCancel(ctx)
	type done struct {
		page pageResult
		end  int64
		err  error
	}
	var pending []chan done
	defer func() {
		stop()
		for _, page := range pending {
			<-page
		}
	}()
	next, end := b.first, b.first
	for len(pending) > 0 || next <= b.last {
		for len(pending) < backtestWorkers && next <= b.last {
			page, first, end := make(chan done, 1), next, min(next+backtestPage, b.last+1)
			go func() {
				result, err := b.page(work, first, end)
				page <- done{result, end, err}
			}()
			pending, next = append(pending, page), end
		}
		result := <-pending[0]
		pending = pending[1:]
		if result.err != nil {
			if ctx.Err() != nil {
				return b.backtest(end-1, true), nil
			}
			return Backtest{}, result.err
		}
		b.result.add(result.page, b.limit)
		end = result.end
		if progress != nil {
			progress(BacktestProgress{Done: end - b.first, Total: b.last + 1 - b.first, Events: b.result.summary.Events})
		}
	}
	return b.backtest(b.last, false), nil
}

// backtest returns the result up to a position.
func (b *backtester) backtest(last int64, partial bool) Backtest {
	s := b.result.summary
	s.From, s.To, s.Partial = b.first, last, partial
	s.Unlisted = s.Differences() - int64(len(b.result.listed))
	return Backtest{Differences: b.result.listed, Groups: b.result.groupList(), Summary: s}
}

// page compares the events from a position on to before another. It reads in several transactions
// if they led to very many notifications.
func (b *backtester) page(ctx context.Context, first, end int64) (pageResult, error) {
	all := newPageResult()
	for first < end {
		var c comparison
		err := postgres.InReadTx(ctx, b.pool, func(tx pgx.Tx) (err error) {
			c = comparison{limit: b.limit, result: newPageResult()}
			if err := c.stored.load(ctx, db.New(tx), first, end); err != nil {
				return err
			}
			if err := b.decide(ctx, tx, first, &c); err != nil {
				return err
			}
			return c.explain(ctx, db.New(tx))
		})
		if err != nil {
			return all, err
		}
		all.add(c.result, b.limit)
		first = c.stored.end
	}
	return all, nil
}

// decide decides the events of a page with the draft, and compares each.
func (b *backtester) decide(ctx context.Context, tx pgx.Tx, first int64, c *comparison) error {
	events, err := ledger.ReadTypes(ctx, tx, first, c.stored.end, b.types)
	if err != nil {
		return err
	}
	inForce := make([]versioned, len(events))
	for i := range events {
		c.result.summary.Events++
		if events[i].Unreadable != "" {
			c.result.summary.Unreadable++
			continue
		}
		inForce[i].set = b.draft
	}
	for at := 0; at < len(events); {
		var found []matched
		if found, at, err = match(events, inForce, at); err != nil {
			return err
		}
		c.result.summary.Matched += int64(len(found))
		people, err := loadPeople(ctx, db.New(tx), found, time.Time{})
		if err != nil {
			return err
		}
		for _, m := range found {
			c.skipTo(m.event.Position)
			stored := c.stored.take(m.event.Position)
			people.Now = stored.plannedAt(m.event.Time)
			people.Due = people.Now
			plan := rule.Resolve(m.event, m.matches, people, b.planner.configured)
			c.compare(about{m.event.Position, m.event.ID, m.event.Type}, stored, &plan)
		}
	}
	c.skipTo(c.stored.end)
	return nil
}
