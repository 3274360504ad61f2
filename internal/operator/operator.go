// Package operator implements the tasks of people who run carewire: inspecting followers and
// redriving failures, listing and retrying deliveries, requeueing dead letters, publishing rules,
// and importing data. The command line and the REST API share one type, Operator.
//
// An Operator is safe for concurrent use. The service builds one from its own pools with New; a
// command opens one with Open, which connects on first use, and closes it with Close. A mutating
// method takes the care.Command it acts for and commits an event with that actor in the transaction
// of the change.
package operator

import (
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// Operator performs operators' tasks on one database.
type Operator struct {
	app       *lazy[*pgxpool.Pool]
	worker    *lazy[*pgxpool.Pool]
	jobs      *lazy[*jobs]
	followers []string
	channels  care.Channels
	// known lists the channels and templates that a rule may name.
	known  *lazy[dispatch.Known]
	logger *slog.Logger
	// terminal reports errors in one line without data, as Open describes.
	terminal bool
}

// jobs has the dependencies of a redrive.
type jobs struct {
	writer *outbox.Writer
	// river inserts jobs; it needs no workers.
	river *river.Client[pgx.Tx]
	// handlers are those of the followers, by name; planner is one of them.
	handlers map[string]ledger.Handler
	planner  *dispatch.Planner
}

// Config has the dependencies of New. All fields are required.
type Config struct {
	// App is a pool of the role carewire_app.
	App *pgxpool.Pool
	// Writer appends events on a pool of the role carewire_worker.
	Writer *outbox.Writer
	// River inserts jobs.
	River *river.Client[pgx.Tx]
	// Planner is the handler of the follower dispatch.
	Planner *dispatch.Planner
	// Listeners are the handlers of the other followers, by name.
	Listeners map[string]ledger.Handler
	// Channels are all channels of this binary.
	Channels care.Channels
	// Known lists the channels and templates that a rule may name.
	Known  dispatch.Known
	Logger *slog.Logger
}

// Validate returns an error if a dependency is missing.
func (c Config) Validate() error {
	switch {
	case c.App == nil:
		return errors.New("operator: Config.App is required")
	case c.Writer == nil:
		return errors.New("operator: Config.Writer is required")
	case c.River == nil:
		return errors.New("operator: Config.River is required")
	case c.Planner == nil:
		return errors.New("operator: Config.Planner is required")
	case c.Listeners == nil:
		return errors.New("operator: Config.Listeners is required")
	case c.Channels == nil:
		return errors.New("operator: Config.Channels is required")
	case c.Known.Templates == nil:
		return errors.New("operator: Config.Known is required")
	case c.Logger == nil:
		return errors.New("operator: Config.Logger is required")
	}
	return nil
}

// New returns an Operator on the service's own pools, which it does not close. Its methods return
// errors as they are, for the API to translate.
func New(cfg Config) (*Operator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Operator{
		app:       opened(cfg.App),
		worker:    opened(cfg.Writer.Pool()),
		jobs:      opened(&jobs{writer: cfg.Writer, river: cfg.River, handlers: FollowerHandlers(cfg.Listeners, cfg.Planner), planner: cfg.Planner}),
		followers: FollowerNames(cfg.Listeners),
		channels:  cfg.Channels,
		known:     opened(cfg.Known),
		logger:    cfg.Logger,
	}, nil
}

// read runs fn with the pool of carewire_app.
func (o *Operator) read(ctx context.Context, fn func(pool *pgxpool.Pool) error) error {
	pool, err := o.app.get(ctx)
	if err != nil {
		return err
	}
	return o.safe(fn(pool))
}

// readAsOperator runs fn in a transaction of carewire_app that sees the rows an operator may see.
func (o *Operator) readAsOperator(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return o.read(ctx, func(pool *pgxpool.Pool) error {
		return postgres.InTxAs(ctx, pool, CommandLine().Actor, fn)
	})
}

// withJobs runs fn with the dependencies of a redrive.
func (o *Operator) withJobs(ctx context.Context, fn func(j *jobs) error) error {
	j, err := o.jobs.get(ctx)
	if err != nil {
		return err
	}
	return o.safe(fn(j))
}

// withWriter runs fn with a writer on the pool of carewire_worker. The service learns of these
// writes from its own poll.
func (o *Operator) withWriter(ctx context.Context, fn func(writer *outbox.Writer) error) error {
	pool, err := o.worker.get(ctx)
	if err != nil {
		return err
	}
	return o.oneLine(fn(outbox.NewWriter(pool, outbox.NewWaker(pool, o.logger))))
}
