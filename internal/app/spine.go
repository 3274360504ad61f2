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

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi/rest"
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
	verifier  *auth.Verifier
	issuer    *auth.DemoIssuer // In demo mode only.
	providers *providers
	river     *river.Client[pgx.Tx]
	followers map[string]*ledger.Follower // Those of this instance, by name.
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
	listener := ledger.NewListener(postgres.Config{URL: s.db.work.url, Setting: s.db.work.setting, Role: postgres.Worker, AppName: listenerName + providers.address}, s.logger)
	s.group.run("bell", bell.Run)
	s.group.run("listener", listener.Run)
	sp := &spine{writer: outbox.NewWriter(s.db.app, bell), providers: providers, followers: map[string]*ledger.Follower{}}
	sp.directory = directory.New(sp.writer, slices.Collect(maps.Keys(providers.channels))...)
	known, err := knownToRules()
	if err != nil {
		return nil, err
	}
	sp.known = known
	s.metrics.registry.MustRegister(&spineCollector{queries: db.New(s.db.worker), known: known, logger: s.logger})
	if err := s.waiter.do(ctx, "prepare the database", func(ctx context.Context) error { return s.prepare(ctx, sp, known) }); err != nil {
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
		Unreached: s.metrics.unreached.Inc,
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
		if err := claimDemo(ctx, s.db.app, s.db.worker); err != nil {
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
	cfg := auth.VerifierConfig{Issuer: s.cfg.OIDCIssuer, Audience: s.cfg.OIDCAudience, KeysMaxAge: s.cfg.OIDCKeysMaxAge, Logger: s.logger}
	if s.cfg.Demo {
		issuer, err := auth.NewDemoIssuer(keyFile(s.cfg), s.cfg.OIDCAudience)
		if err != nil {
			return err
		}
		sp.issuer, cfg.Demo = issuer, issuer
	}
	var err error
	sp.verifier, err = auth.NewVerifier(cfg)
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
func (s *Service) startWork(ctx context.Context, sp *spine, bell *outbox.Waker) error {
	worker, err := notify.New(notify.Config{
		Pool: s.db.worker, Channels: sp.providers.channels, BaseURL: s.cfg.BaseURL, Logger: s.logger, Wake: bell.Wake,
		Observe: s.metrics.observeDelivery, Tracer: s.tracer, IssueSecret: directory.NewSecrets(s.db.worker).Issue,
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
		periodic.AddAttention(cfg, appointment.New(sp.writer))
	}
	cfg.Logger = libraryLogger(s.logger)
	return s.waiter.do(ctx, "start the job queue", func(ctx context.Context) error { return s.startRiver(ctx, sp, worker, cfg) })
}

// startRiver makes the client and, where this instance works jobs, starts it.
func (s *Service) startRiver(ctx context.Context, sp *spine, worker *notify.Worker, cfg *river.Config) (err error) {
	sp.river, err = river.NewClient(riverpgxv5.New(s.db.worker), cfg)
	if err != nil {
		return fmt.Errorf("build the River client: %w", err)
	}
	if !s.cfg.Does("work") {
		return nil
	}
	if err := sp.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	client := sp.river
	s.group.onStop(front, "river", func(ctx context.Context) error {
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
func (s *Service) startDispatch(sp *spine, bell *outbox.Waker, listener *ledger.Listener) {
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{
		Pool: s.db.worker, Wake: []<-chan struct{}{bell.C(), listener.Outbox()}, Logger: s.logger, Tracer: s.tracer,
	})
	s.metrics.watchSequencer(sequencer.Stats)
	s.group.run("sequencer", sequencer.Run)
	for _, name := range Followers() {
		sp.followers[name] = s.follow(name, sp.operations.handlers[name], listener)
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
	var key []byte
	err := s.waiter.do(ctx, "read the cursors' key", func(ctx context.Context) (err error) {
		key, err = ledger.CursorKey(ctx, s.db.worker)
		return err
	})
	if err != nil {
		return err
	}
	wake, stop := listener.Ledger()
	sp.hub, err = realtime.New(realtime.Config{
		Pool: s.db.app, Wake: wake, Codec: ledger.NewCodec(key), Authorizer: rest.Rights(sp.directory, chat.New(sp.writer)), Origins: s.cfg.Origins, Logger: s.logger,
		Verify: rest.Sessions(sp.verifier, sp.directory), Denied: rest.Denials(sp.writer),
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
	s.group.onStop(front, "sockets", sp.hub.Shutdown)
	return nil
}

// ready says what is still missing, or nil.
func (sp *spine) ready(ctx context.Context) error {
	if sp.providers.sandbox != nil && !slices.Contains(sp.providers.sandboxes(ctx), sp.providers.address) {
		return errors.New("sandbox: other instances do not see it yet")
	}
	if sp.hub != nil && !sp.hub.Ready() {
		return errors.New("realtime: has not read the last events yet")
	}
	if planner := sp.followers[dispatch.Follower]; planner != nil && !planner.Stats().CaughtUp {
		return errors.New("dispatch: has not looked at the ledger yet")
	}
	for name, follower := range sp.followers {
		if err := follower.Stalled(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
