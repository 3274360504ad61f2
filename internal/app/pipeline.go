package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/operator"
	"carewire/internal/outbox"
	"carewire/internal/periodic"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/realtime"
	"carewire/internal/rule"
)

// pipeline is what carries an event from the outbox to those it concerns.
type pipeline struct {
	writer    *outbox.Writer
	directory *directory.Service
	verifier  *httpapi.Verifier
	issuer    *httpapi.LocalIssuer // In demo mode only.
	providers *providers
	river     *river.Client[pgx.Tx]
	followers map[string]*ledger.Follower // Those of this instance, by name.
	hub       *realtime.Hub
	known     rule.Known // What a rule set may name.
	// operator is on every instance: the API uses it.
	operator *operator.Operator
}

// startPipeline starts the parts behind the API: those that every instance has (bell, listener), then those of its roles.
func (s *Service) startPipeline(ctx context.Context) (*pipeline, error) {
	providers, err := s.openProviders(ctx)
	if err != nil {
		return nil, err
	}
	bell := outbox.NewBell(s.db.app, s.logger)
	listener := ledger.NewListener(postgres.Config{URL: s.db.work.URL, Setting: s.db.work.Setting, Role: postgres.Worker, AppName: listenerName + providers.address}, s.logger)
	s.lifecycle.run("bell", bell.Run)
	s.lifecycle.run("listener", listener.Run)
	pl := &pipeline{writer: outbox.NewWriter(s.db.app, bell), providers: providers, followers: map[string]*ledger.Follower{}}
	pl.directory = directory.New(pl.writer, slices.Collect(maps.Keys(providers.channels))...)
	known, err := operator.KnownToRules()
	if err != nil {
		return nil, err
	}
	pl.known = known
	s.metrics.registry.MustRegister(&pipelineCollector{queries: db.New(s.db.worker), known: known, logger: s.logger})
	if err := s.waiter.do(ctx, "prepare the database", func(ctx context.Context) error { return s.bootstrap(ctx, pl, known) }); err != nil {
		return nil, err
	}
	if err := s.signIn(pl); err != nil {
		return nil, err
	}
	if err := s.startWork(ctx, pl, bell); err != nil {
		return nil, err
	}
	planner := dispatch.New(dispatch.Config{
		River: pl.river, Known: known, Channels: slices.Collect(maps.Keys(pl.providers.channels)), Logger: s.logger, Tracer: s.tracer,
		Unreached: s.metrics.unreached.Inc,
	})
	pl.operator, err = operator.New(operator.Config{
		App: s.db.app, Writer: outbox.NewWriter(s.db.worker, bell), River: pl.river, Planner: planner, Listeners: listeners(),
		Known: known, Logger: s.logger,
	})
	if err != nil {
		return nil, err
	}
	if s.cfg.Does("dispatch") {
		s.startDispatch(pl, operator.FollowerHandlers(listeners(), planner), bell, listener)
	}
	if s.cfg.Does("realtime") {
		return pl, s.startRealtime(ctx, pl, listener)
	}
	return pl, nil
}

// bootstrap makes sure that the database holds what every instance counts on: the catalog, a rule set, and in demo mode
// the demo's people.
func (s *Service) bootstrap(ctx context.Context, pl *pipeline, known rule.Known) error {
	if err := outbox.SyncCatalog(ctx, s.db.worker); err != nil {
		return fmt.Errorf("write the event catalog: %w", err)
	}
	if s.cfg.Demo {
		if err := claimDemo(ctx, s.db.app, s.db.worker); err != nil {
			return err
		}
		if err := seedDemo(ctx, pl.directory); err != nil {
			return err
		}
	}
	return publishDefaults(ctx, pl, known)
}

// signIn builds the verifier of tokens: the demo's own key, or the identity provider's.
func (s *Service) signIn(pl *pipeline) error {
	cfg := httpapi.VerifierConfig{Issuer: s.cfg.OIDCIssuer, Audience: s.cfg.OIDCAudience, KeysMaxAge: s.cfg.OIDCKeysMaxAge, Logger: s.logger}
	if s.cfg.Demo {
		issuer, err := httpapi.NewLocalIssuer(keyFile(s.cfg), s.cfg.OIDCAudience)
		if err != nil {
			return err
		}
		pl.issuer, cfg.Local = issuer, issuer
	}
	var err error
	pl.verifier, err = httpapi.NewVerifier(cfg)
	return err
}

// publishDefaults puts the default rules in force where no rule set was ever published.
func publishDefaults(ctx context.Context, pl *pipeline, known rule.Known) error {
	_, err := dispatch.Current(ctx, pl.writer.Pool())
	if care.CodeOf(err) != care.NotFound {
		return err
	}
	cmd := care.Command{Actor: care.SystemActor("setup")}
	_, err = dispatch.Publish(ctx, pl.writer, cmd, rule.Default(), "the defaults", known)
	if err != nil {
		return fmt.Errorf("publish the default rules: %w", err)
	}
	return nil
}

// startWork makes the River client. Every instance has one, as the planner and the dashboard need it too; only those with
// the role work its queues.
func (s *Service) startWork(ctx context.Context, pl *pipeline, bell *outbox.Waker) error {
	worker, err := notify.New(notify.Config{
		Pool: s.db.worker, Channels: pl.providers.channels, BaseURL: s.cfg.BaseURL, Logger: s.logger, Wake: bell.Wake,
		Observe: s.metrics.observeDelivery, Tracer: s.tracer, IssueSecret: directory.NewSecrets(s.db.worker).Issue,
	})
	if err != nil {
		return err
	}
	cfg := &river.Config{Schema: notify.Schema}
	if s.cfg.Does("work") {
		s.metrics.watchProviders(worker.Stats)
		cfg = worker.RiverConfig(s.logger, 0)
		periodic.Add(cfg, pl.directory)
		periodic.AddOverdue(cfg, billing.New(pl.writer))
		periodic.AddChat(cfg, chat.New(pl.writer))
		periodic.AddAttention(cfg, appointment.New(pl.writer))
	}
	cfg.Logger = libraryLogger(s.logger)
	return s.waiter.do(ctx, "start the job queue", func(ctx context.Context) error { return s.startRiver(ctx, pl, worker, cfg) })
}

// startRiver makes the client and, where this instance works jobs, starts it.
func (s *Service) startRiver(ctx context.Context, pl *pipeline, worker *notify.Worker, cfg *river.Config) (err error) {
	pl.river, err = river.NewClient(riverpgxv5.New(s.db.worker), cfg)
	if err != nil {
		return fmt.Errorf("build the River client: %w", err)
	}
	if !s.cfg.Does("work") {
		return nil
	}
	if err := pl.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	client := pl.river
	s.lifecycle.onStop(front, "river", func(ctx context.Context) error {
		worker.Drain() // River's Stop would wait for the jobs that it holds.
		return stopRiver(ctx, client)
	})
	return nil
}

// softShare is how much of the time that a stop has, in per cent, jobs under way may finish in. In what is left those that
// did not are ended, and write down how.
const softShare = 70

// jobClient is what stopRiver needs of a River client.
type jobClient interface {
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// stopRiver takes no more jobs and lets those under way finish, at most for their share of the time. Then it ends their
// contexts: an attempt in the middle of a call becomes uncertain and is written down as that, instead of being cut off with
// the process. What is to happen before River stops, such as letting go of jobs that only wait, belongs in front of Stop.
func stopRiver(ctx context.Context, client jobClient) error {
	soft, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		soft, cancel = context.WithTimeout(ctx, time.Until(deadline)*softShare/100)
	}
	defer cancel()
	if err := client.Stop(soft); err == nil {
		return nil
	}
	return client.StopAndCancel(ctx)
}

// startDispatch moves the outbox into the ledger, and plans.
func (s *Service) startDispatch(pl *pipeline, handlers map[string]ledger.Handler, bell *outbox.Waker, listener *ledger.Listener) {
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{
		Pool: s.db.worker, Wake: []<-chan struct{}{bell.C(), listener.Outbox()}, Logger: s.logger, Tracer: s.tracer,
	})
	s.metrics.watchSequencer(sequencer.Stats)
	s.lifecycle.run("sequencer", sequencer.Run)
	for _, name := range Followers() {
		pl.followers[name] = s.follow(name, handlers[name], listener)
	}
}

// follow runs a follower of the ledger.
func (s *Service) follow(name string, h ledger.Handler, listener *ledger.Listener) *ledger.Follower {
	wake, stop := listener.Ledger()
	follower := ledger.NewFollower(ledger.FollowerConfig{Name: name, Pool: s.db.worker, Handler: h, Wake: wake, Logger: s.logger})
	s.metrics.watchFollower(name, follower.Stats)
	s.lifecycle.run(name, func(ctx context.Context) error {
		defer stop()
		return follower.Run(ctx)
	})
	return follower
}

// startRealtime serves sockets.
func (s *Service) startRealtime(ctx context.Context, pl *pipeline, listener *ledger.Listener) error {
	var key []byte
	err := s.waiter.do(ctx, "read the cursors' key", func(ctx context.Context) (err error) {
		key, err = ledger.CursorKey(ctx, s.db.worker)
		return err
	})
	if err != nil {
		return err
	}
	wake, stop := listener.Ledger()
	pl.hub, err = realtime.New(realtime.Config{
		Pool: s.db.app, Wake: wake, Codec: ledger.NewCodec(key), Authorizer: httpapi.Rights(pl.directory, chat.New(pl.writer)), Origins: s.cfg.Origins, Logger: s.logger,
		Verify: httpapi.Sessions(pl.verifier, pl.directory), Denied: httpapi.Denials(pl.writer),
	})
	if err != nil {
		stop()
		return err
	}
	s.metrics.watchSockets(pl.hub.Stats)
	s.lifecycle.run("realtime", func(ctx context.Context) error {
		defer stop()
		return pl.hub.Run(ctx)
	})
	s.lifecycle.onStop(front, "sockets", pl.hub.Shutdown)
	return nil
}

// ready says what is still missing, or nil.
func (pl *pipeline) ready(ctx context.Context) error {
	if pl.providers.sandbox != nil && !slices.Contains(pl.providers.sandboxes(ctx), pl.providers.address) {
		return errors.New("sandbox: other instances do not see it yet")
	}
	if pl.hub != nil && !pl.hub.Ready() {
		return errors.New("realtime: has not read the last events yet")
	}
	if planner := pl.followers[dispatch.Follower]; planner != nil && !planner.Stats().CaughtUp {
		return errors.New("dispatch: has not looked at the ledger yet")
	}
	for name, follower := range pl.followers {
		if err := follower.Stalled(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
