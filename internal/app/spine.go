package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"carewire/internal/care"
	"carewire/internal/care/billing"
	"carewire/internal/care/chat"
	"carewire/internal/care/directory"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/periodic"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/realtime"
	"carewire/internal/rule"
)

// spine is what carries an event from the outbox to those it concerns.
type spine struct {
	writer    *outbox.Writer
	directory *directory.Service
	verifier  *httpapi.Verifier
	issuer    *httpapi.LocalIssuer // In demo mode only.
	providers *providers
	river     *river.Client[pgx.Tx]
	follower  *ledger.Follower
	hub       *realtime.Hub
	known     rule.Known // What a rule set may name.
	// operations are there on every instance: they are asked for by request.
	operations *operations
}

// startSpine starts the parts behind the API: those that every instance has (bell, listener), then those of its roles.
func (s *Service) startSpine(ctx context.Context) (*spine, error) {
	providers, err := s.openProviders(ctx)
	if err != nil {
		return nil, err
	}
	bell := outbox.NewBell(s.db.app, s.logger)
	listener := ledger.NewListener(postgres.Config{URL: s.db.url, Role: postgres.Worker, AppName: listenerName + providers.address}, s.logger)
	s.group.run("bell", bell.Run)
	s.group.run("listener", listener.Run)
	sp := &spine{writer: outbox.NewWriter(s.db.app, bell), providers: providers}
	sp.directory = directory.New(sp.writer, slices.Collect(maps.Keys(providers.channels))...)
	known, err := knownToRules()
	if err != nil {
		return nil, err
	}
	sp.known = known
	s.metrics.registry.MustRegister(&spineCollector{queries: db.New(s.db.worker), known: known, logger: s.logger})
	if err := s.prepare(ctx, sp, known); err != nil {
		return nil, err
	}
	if err := s.signIn(sp); err != nil {
		return nil, err
	}
	if err := s.startWork(ctx, sp, bell); err != nil {
		return nil, err
	}
	planner := dispatch.New(dispatch.Config{
		River: sp.river, Known: known, Channels: slices.Collect(maps.Keys(sp.providers.channels)), Logger: s.logger, Tracer: s.tracer,
	})
	sp.operations = &operations{writer: outbox.NewWriter(s.db.worker, bell), river: sp.river, handlers: followerHandlers(planner)}
	if s.cfg.Does("dispatch") {
		s.startDispatch(sp, bell, listener)
	}
	if s.cfg.Does("realtime") {
		return sp, s.startRealtime(ctx, sp, listener)
	}
	return sp, nil
}

// prepare makes sure that the database holds what every instance counts on: the catalog, a rule set, and in demo mode
// the demo's people.
func (s *Service) prepare(ctx context.Context, sp *spine, known rule.Known) error {
	if err := outbox.SyncCatalog(ctx, s.db.worker); err != nil {
		return fmt.Errorf("write the event catalog: %w", err)
	}
	if s.cfg.Demo {
		if err := claimDemo(ctx, s.db.app); err != nil {
			return err
		}
		if err := seedDemo(ctx, sp.directory); err != nil {
			return err
		}
	}
	return publishDefaults(ctx, sp, known)
}

// signIn builds the verifier of tokens: the demo's own key, or the identity provider's.
func (s *Service) signIn(sp *spine) error {
	cfg := httpapi.VerifierConfig{Issuer: s.cfg.OIDCIssuer, Audience: s.cfg.OIDCAudience, Logger: s.logger}
	if s.cfg.Demo {
		issuer, err := httpapi.NewLocalIssuer(keyFile(s.cfg), s.cfg.OIDCAudience)
		if err != nil {
			return err
		}
		sp.issuer, cfg.Local = issuer, issuer
	}
	var err error
	sp.verifier, err = httpapi.NewVerifier(cfg)
	return err
}

// publishDefaults puts the default rules in force where no rule set was ever published.
func publishDefaults(ctx context.Context, sp *spine, known rule.Known) error {
	_, err := dispatch.Current(ctx, sp.writer.Pool())
	if care.CodeOf(err) != care.NotFound {
		return err
	}
	cmd := care.Command{Actor: care.SystemActor("setup")}
	_, err = dispatch.Publish(ctx, sp.writer, cmd, rule.Default(), "the defaults", known)
	if err != nil {
		return fmt.Errorf("publish the default rules: %w", err)
	}
	return nil
}

// startWork makes the River client. Every instance has one, as the planner and the dashboard need it too; only those with
// the role work its queues.
func (s *Service) startWork(ctx context.Context, sp *spine, bell *outbox.Bell) error {
	worker, err := notify.New(notify.Config{
		Pool: s.db.worker, Channels: sp.providers.channels, BaseURL: s.cfg.BaseURL, Logger: s.logger, Ring: bell.Ring,
		Observe: s.metrics.observeDelivery, Tracer: s.tracer, Issue: directory.NewSecrets(s.db.worker).Issue,
	})
	if err != nil {
		return err
	}
	cfg := &river.Config{Schema: notify.Schema}
	if s.cfg.Does("work") {
		s.metrics.watchProviders(worker.Stats)
		cfg = worker.RiverConfig(s.logger, 0)
		periodic.Add(cfg, sp.directory)
		periodic.AddOverdue(cfg, billing.New(sp.writer))
		periodic.AddChat(cfg, chat.New(sp.writer))
	}
	cfg.Logger = libraryLogger(s.logger)
	sp.river, err = river.NewClient(riverpgxv5.New(s.db.worker), cfg)
	if err != nil {
		return fmt.Errorf("build the River client: %w", err)
	}
	if !s.cfg.Does("work") {
		return nil
	}
	// Stop lets jobs under way finish; those that do not are tried again by another instance.
	if err := sp.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	s.group.onStop("river", sp.river.Stop)
	s.group.onStop("held jobs", closing(worker.Drain)) // River's Stop would wait for them.
	return nil
}

// startDispatch moves the outbox into the ledger, and plans.
func (s *Service) startDispatch(sp *spine, bell *outbox.Bell, listener *ledger.Listener) {
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{
		Pool: s.db.worker, Wake: []<-chan struct{}{bell.C(), listener.Outbox()}, Logger: s.logger, Tracer: s.tracer,
	})
	s.metrics.watchSequencer(sequencer.Stats)
	s.group.run("sequencer", sequencer.Run)
	for _, name := range Followers() {
		follower := s.follow(name, sp.operations.handlers[name], listener)
		if name == dispatch.Follower {
			sp.follower = follower
		}
	}
}

// follow runs a follower of the ledger.
func (s *Service) follow(name string, h ledger.Handler, listener *ledger.Listener) *ledger.Follower {
	wake, stop := listener.Ledger()
	follower := ledger.NewFollower(ledger.FollowerConfig{Name: name, Pool: s.db.worker, Handler: h, Wake: wake, Logger: s.logger})
	s.metrics.watchFollower(name, follower.Stats)
	s.group.run(name, func(ctx context.Context) error {
		defer stop()
		return follower.Run(ctx)
	})
	return follower
}

// startRealtime serves sockets.
func (s *Service) startRealtime(ctx context.Context, sp *spine, listener *ledger.Listener) error {
	key, err := ledger.CursorKey(ctx, s.db.app)
	if err != nil {
		return err
	}
	wake, stop := listener.Ledger()
	sp.hub, err = realtime.New(realtime.Config{
		Pool: s.db.app, Wake: wake, Codec: ledger.NewCodec(key), Rights: httpapi.Rights(sp.directory, chat.New(sp.writer)), Origins: s.cfg.Origins, Logger: s.logger,
		Verify: httpapi.Sessions(sp.verifier, sp.directory), Denied: httpapi.Denials(sp.writer),
	})
	if err != nil {
		stop()
		return err
	}
	s.metrics.watchSockets(sp.hub.Stats)
	s.group.run("realtime", func(ctx context.Context) error {
		defer stop()
		return sp.hub.Run(ctx)
	})
	s.group.onStop("sockets", sp.hub.Shutdown)
	return nil
}

// ready says what is still missing, or nil.
func (sp *spine) ready(ctx context.Context) error {
	if sp.providers.sandbox != nil && !slices.Contains(sp.providers.sandboxes(ctx), sp.providers.address) {
		return errors.New("sandbox: other instances do not see it yet")
	}
	if sp.follower != nil && !sp.follower.Stats().Looked {
		return errors.New("dispatch: has not looked at the ledger yet")
	}
	return nil
}
