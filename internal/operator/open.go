package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/dispatch"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
	"carewire/internal/rule"
	"carewire/internal/templateset"
)

const (
	// maxConns is the size of a command's pool, small because the service shares the database.
	maxConns = 4
	// statementTimeout bounds each statement of a command, so that it cannot hold locks indefinitely.
	statementTimeout = time.Minute
)

// OpenConfig has the settings and registries that Open needs. All fields are required.
type OpenConfig struct {
	// Settings name the database.
	Settings config.Config
	// Listeners are the handlers of the followers other than dispatch, by name.
	Listeners map[string]ledger.Handler
	// Channels are all channels of this binary.
	Channels care.Channels
	// Configured returns the channels that the service has a provider for.
	Configured func(ctx context.Context, worker *pgxpool.Pool) (care.Channels, error)
	// LibraryLogger is the logger of the River client.
	LibraryLogger *slog.Logger
	Logger        *slog.Logger
}

// Validate returns an error if a field is missing.
func (c OpenConfig) Validate() error {
	switch {
	case c.Listeners == nil:
		return errors.New("operator: OpenConfig.Listeners is required")
	case c.Channels == nil:
		return errors.New("operator: OpenConfig.Channels is required")
	case c.Configured == nil:
		return errors.New("operator: OpenConfig.Configured is required")
	case c.LibraryLogger == nil:
		return errors.New("operator: OpenConfig.LibraryLogger is required")
	case c.Logger == nil:
		return errors.New("operator: OpenConfig.Logger is required")
	}
	return nil
}

// Open returns an Operator for a command. It connects to a database on the first call that needs
// it, and each role's pool only if a method needs that role, so that a command works with the login
// of its own role alone. Its methods return errors that fit one line of a terminal and hold no
// data. Close it after use.
//
// It loads the templates on first use too: rendering all of them takes longer than most commands.
func Open(cfg OpenConfig) (*Operator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := &Operator{followers: FollowerNames(cfg.Listeners), channels: cfg.Channels, logger: cfg.Logger, terminal: true}
	o.known = &lazy[dispatch.Known]{open: func(context.Context) (dispatch.Known, error) {
		return KnownToRules(cfg.Channels, cfg.Settings.ImageHosts)
	}}
	o.app = &lazy[*pgxpool.Pool]{open: func(ctx context.Context) (*pgxpool.Pool, error) { return openPool(ctx, cfg.Settings, postgres.App) }}
	o.worker = &lazy[*pgxpool.Pool]{open: func(ctx context.Context) (*pgxpool.Pool, error) { return openPool(ctx, cfg.Settings, postgres.Worker) }}
	o.jobs = &lazy[*jobs]{open: func(ctx context.Context) (*jobs, error) { return o.openJobs(ctx, cfg) }}
	return o, nil
}

// Close closes the pools that Open's Operator opened.
func (o *Operator) Close() {
	for _, pool := range []*lazy[*pgxpool.Pool]{o.app, o.worker} {
		if pool.open != nil && pool.done {
			pool.value.Close()
		}
	}
}

func (o *Operator) openJobs(ctx context.Context, cfg OpenConfig) (*jobs, error) {
	pool, err := o.worker.get(ctx)
	if err != nil {
		return nil, err
	}
	configured, err := cfg.Configured(ctx, pool)
	if err != nil {
		return nil, o.safe(err)
	}
	client, err := insertOnlyClient(pool, cfg.LibraryLogger)
	if err != nil {
		return nil, err
	}
	known, err := o.known.get(ctx)
	if err != nil {
		return nil, err
	}
	planner := dispatch.New(dispatch.Config{River: client, Known: known.Known, Channels: configured, Logger: o.logger})
	// The service learns of these writes from its own poll.
	writer := outbox.NewWriter(pool, outbox.NewWaker(pool, o.logger))
	return &jobs{writer: writer, river: client, handlers: FollowerHandlers(cfg.Listeners, planner), planner: planner}, nil
}

// insertOnlyClient returns a River client that inserts jobs and works none.
func insertOnlyClient(pool *pgxpool.Pool, logger *slog.Logger) (*river.Client[pgx.Tx], error) {
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: notify.Schema, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("create the River client: %w", err)
	}
	return client, nil
}

// Database returns the database that a command uses in the role: the URL of the role's own setting,
// DATABASE_URL, or that of the embedded server that a running service keeps in CAREWIRE_DATA_DIR.
// It never starts a server.
func Database(cfg config.Config, role postgres.Role) (config.Database, error) {
	if d := cfg.DatabaseFor(string(role)); d.URL != "" {
		return d, cfg.CheckDatabase()
	}
	if !cfg.Embedded() {
		return config.Database{}, fmt.Errorf("DATABASE_URL is not set: this command runs as %s and needs the login of the database's owner", role)
	}
	url, err := embedded.RunningURL(cfg.DataDir)
	return config.Database{URL: url}, err
}

func openPool(ctx context.Context, cfg config.Config, role postgres.Role) (*pgxpool.Pool, error) {
	d, err := Database(cfg, role)
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, postgres.Config{
		URL: d.URL, Setting: d.Setting, Role: role, MaxConns: maxConns, AppName: "carewire-cli", StatementTimeout: statementTimeout,
	})
}

// KnownToRules returns the channels and templates that a rule may name: all channels, configured or
// not, and the published templates, or without a database those in this binary. imageHosts are the
// hosts of images in templates.
func KnownToRules(channels care.Channels, imageHosts []string) (dispatch.Known, error) {
	sets := templateset.New(template.Options{Channels: channels, ImageHosts: imageHosts})
	builtin, err := sets.Builtin()
	if err != nil {
		return dispatch.Known{}, fmt.Errorf("load the templates: %w", err)
	}
	return dispatch.Known{Known: rule.Known{Channels: channels.Names(), Template: builtin.Has}, Templates: sets}, nil
}
