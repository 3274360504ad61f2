package app

import (
	"context"
	"errors"
	"fmt"
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
	"carewire/internal/logging"
	"carewire/internal/notify"
	"carewire/internal/operator"
	"carewire/internal/outbox"
	"carewire/internal/periodic"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/realtime"
	"carewire/internal/rule"
	"carewire/internal/scheduler"
	"carewire/internal/templateset"
)

// pipeline moves events from the outbox to followers, deliveries and sockets.
type pipeline struct {
	writer    *outbox.Writer
	directory *directory.Service
	verifier  *auth.Verifier
	issuer    *auth.DemoIssuer // In demo mode only.
	providers *providers
	worker    *notify.Worker
	river     *river.Client[pgx.Tx]
	followers map[string]*ledger.Follower // Those of this instance, by name.
	hub       *realtime.Hub
	known     dispatch.Known // What a rule set is checked against.
	// operator exists on every instance, for the API.
	operator *operator.Operator
}

// startPipeline starts the parts of every instance (listener, and waker unless it has a sequencer),
// then those of its roles.
func (s *Service) startPipeline(ctx context.Context) (*pipeline, error) {
	providers, err := s.openProviders(ctx)
	if err != nil {
		return nil, err
	}
	known, err := operator.KnownToRules(knownChannels(), s.cfg.ImageHosts)
	if err != nil {
		return nil, err
	}
	waker := outbox.NewWaker(s.db.app, s.logger)
	listener := ledger.NewListener(postgres.Config{URL: s.db.work.URL, Setting: s.db.work.Setting, Role: postgres.Worker, AppName: listenerName + providers.address}, s.logger)
	if !s.cfg.Does("dispatch") {
		s.lifecycle.run("waker", waker.Run)
	}
	s.lifecycle.run("listener", listener.Run)
	pl := &pipeline{writer: outbox.NewWriter(s.db.app, waker), providers: providers, followers: map[string]*ledger.Follower{}, known: known}
	pl.directory = directory.New(pl.writer, providers.configured().Names()...).WithChannels(knownChannels()).WithImageHosts(s.cfg.ImageHosts)
	s.metrics.registry.MustRegister(&pipelineCollector{queries: db.New(s.db.worker), known: known.Known, logger: s.logger})
	if err := s.waiter.do(ctx, "prepare the database", func(ctx context.Context) error { return s.bootstrap(ctx, pl, known) }); err != nil {
		return nil, err
	}
	if err := s.newVerifier(pl); err != nil {
		return nil, err
	}
	if err := s.startWork(ctx, pl, waker); err != nil {
		return nil, err
	}
	planner := dispatch.New(dispatch.Config{
		River: pl.river, Known: known.Known, Channels: pl.providers.configured(), Logger: s.logger, Tracer: s.tracer,
		Unreached: s.metrics.unreached.Inc, ConditionFailed: s.metrics.countConditionFailure,
	})
	listeners := handlers()
	pl.operator, err = operator.New(operator.Config{
		App: s.db.app, Writer: outbox.NewWriter(s.db.worker, waker), River: pl.river, Planner: planner, Listeners: listeners,
		Channels: knownChannels(), Known: known, Logger: s.logger,
	})
	if err != nil {
		return nil, err
	}
	if s.cfg.Does("dispatch") {
		s.startDispatch(pl, operator.FollowerHandlers(listeners, planner), waker, listener)
		s.startScheduler(planner, waker, listener)
	}
	if s.cfg.Does("realtime") {
		return pl, s.startRealtime(ctx, pl, listener)
	}
	return pl, nil
}

// bootstrap writes the rows that every instance depends on: the event catalog, the keys that they
// share, a rule set, and in demo mode the demo's people.
func (s *Service) bootstrap(ctx context.Context, pl *pipeline, known dispatch.Known) error {
	if err := outbox.SyncCatalog(ctx, s.db.worker); err != nil {
		return fmt.Errorf("write the event catalog: %w", err)
	}
	key, err := sharedSecret(ctx, s.db.worker, "verification_limits")
	if err != nil {
		return err
	}
	pl.directory = pl.directory.WithLimitKey(key)
	if s.cfg.Demo {
		if err := claimDemo(ctx, s.db.app, s.db.worker); err != nil {
			return err
		}
		if err := seedDemo(ctx, pl.directory); err != nil {
			return err
		}
	}
	return s.publishDefaults(ctx, pl, known)
}

// newVerifier creates the verifier of tokens, with the demo's own key or the keys of the identity
// provider.
func (s *Service) newVerifier(pl *pipeline) error {
	cfg := auth.VerifierConfig{Issuer: s.cfg.OIDCIssuer, Audience: s.cfg.OIDCAudience, KeysMaxAge: s.cfg.OIDCKeysMaxAge, Logger: s.logger}
	if s.cfg.Demo {
		issuer, err := auth.NewDemoIssuer(keyFile(s.cfg), s.cfg.OIDCAudience)
		if err != nil {
			return err
		}
		pl.issuer, cfg.Demo = issuer, issuer
	}
	var err error
	pl.verifier, err = auth.NewVerifier(cfg)
	return err
}

// publishDefaults publishes the built-in templates, and the default rules if no rule set was ever
// published. The templates come first: the rules are checked against them.
func (s *Service) publishDefaults(ctx context.Context, pl *pipeline, known dispatch.Known) error {
	version, err := known.Templates.PublishBuiltin(ctx, pl.writer)
	switch code := care.CodeOf(err); {
	case code == care.Invalid, code == care.Conflict:
		s.logger.WarnContext(ctx, "the built-in templates do not fit the newest rules; the published ones remain in force", "error", err.Error())
	case err != nil:
		return fmt.Errorf("publish the built-in templates: %w", err)
	case version > 0:
		s.logger.InfoContext(ctx, "built-in templates published", "version", version)
	}
	_, err = dispatch.Current(ctx, pl.writer.Pool())
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

// startWork creates the River client. Every instance has one, because the planner and the dashboard
// need it; only instances with the role work run its queues.
func (s *Service) startWork(ctx context.Context, pl *pipeline, waker *outbox.Waker) error {
	if err := s.openLinks(ctx); err != nil {
		return err
	}
	worker, err := notify.New(notify.Config{
		Pool: s.db.worker, Templates: templateset.Source{Sets: pl.known.Templates, Pool: s.db.worker}, Channels: pl.providers.channels, Known: knownChannels(), BaseURL: s.cfg.BaseURL, Logger: s.logger, Wake: waker.WakeSoon,
		Observe: s.metrics.observeDelivery, ObserveCall: s.metrics.observeCall, ObserveMessage: s.metrics.observeMessage, Tracer: s.tracer, Links: s.links, IssueSecret: directory.NewSecrets(s.db.worker).Issue,
		CriticalAlerts: s.cfg.PushCriticalAlerts,
	})
	if err != nil {
		return err
	}
	pl.worker = worker
	cfg := &river.Config{Schema: notify.Schema}
	if s.cfg.Does("work") {
		s.metrics.watchProviders(worker.Stats)
		cfg = worker.RiverConfig(s.logger, 0)
		periodic.Add(cfg, pl.directory)
		periodic.AddOverdue(cfg, billing.New(pl.writer))
		periodic.AddChat(cfg, chat.New(pl.writer))
		periodic.AddAttention(cfg, appointment.New(pl.writer))
		if s.cfg.AuditClientRetention > 0 {
			periodic.AddClients(cfg, s.db.worker, s.cfg.AuditClientRetention)
		}
	}
	cfg.Logger = logging.ForLibrary(s.logger)
	return s.waiter.do(ctx, "start the job queue", func(ctx context.Context) error { return s.startRiver(ctx, pl, worker, cfg) })
}

// startRiver creates the client and starts it if this instance works jobs.
func (s *Service) startRiver(ctx context.Context, pl *pipeline, worker *notify.Worker, cfg *river.Config) (err error) {
	pl.river, err = river.NewClient(riverpgxv5.New(s.db.worker), cfg)
	if err != nil {
		return fmt.Errorf("create the River client: %w", err)
	}
	if !s.cfg.Does("work") {
		return nil
	}
	if err := pl.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	client := pl.river
	s.lifecycle.onStop(front, "river", func(ctx context.Context) error {
		worker.Drain() // River's Stop would wait for the jobs that Drain releases.
		return stopRiver(ctx, client)
	})
	return nil
}

// softShare is the share of a stop's time, in percent, in which running jobs may finish. In the
// rest, jobs that did not finish are cancelled and record their outcome.
const softShare = 70

// jobClient is the part of a River client that stopRiver uses.
type jobClient interface {
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// stopRiver takes no more jobs and lets running ones finish, at most for softShare of the time.
// Then it cancels their contexts: an attempt in the middle of a call is recorded as uncertain,
// instead of being cut off with the process. Anything that must happen before River stops, such as
// releasing jobs that only wait, must run before the call of Stop.
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

// startDispatch starts the sequencer, which moves the outbox into the ledger, and the followers.
func (s *Service) startDispatch(pl *pipeline, handlers map[string]ledger.Handler, waker *outbox.Waker, listener *ledger.Listener) {
	sequencer := ledger.NewSequencer(ledger.SequencerConfig{
		Pool: s.db.worker, Wake: []<-chan struct{}{waker.C(), listener.Outbox()}, Logger: s.logger, Tracer: s.tracer,
	})
	s.metrics.watchSequencer(sequencer.Stats)
	s.lifecycle.run("sequencer", sequencer.Run)
	for _, name := range Followers() {
		pl.followers[name] = s.follow(name, handlers[name], listener)
	}
}

// startScheduler starts the loop that serves what is due later.
func (s *Service) startScheduler(planner *dispatch.Planner, waker *outbox.Waker, listener *ledger.Listener) {
	wake, stop := listener.Ledger()
	loop := scheduler.New(scheduler.Config{
		Pool: s.db.worker, Sources: []scheduler.Source{planner.Escalations(), planner.Due(), planner.Digests()}, Wake: wake, Committed: waker.Wake, Logger: s.logger,
	})
	s.metrics.watchScheduler(loop.Stats)
	s.lifecycle.run("scheduler", func(ctx context.Context) error {
		defer stop()
		return loop.Run(ctx)
	})
}

// follow starts a follower of the ledger.
func (s *Service) follow(name string, h ledger.Handler, listener *ledger.Listener) *ledger.Follower {
	wake, stop := listener.Ledger()
	l := listeners()[name]
	cfg := ledger.FollowerConfig{Name: name, Pool: s.db.worker, Handler: h, StartAt: l.startAt, Wake: wake, Poll: l.every, Logger: s.logger}
	if l.every > 0 {
		cfg.Wake = nil
	}
	follower := ledger.NewFollower(cfg)
	s.metrics.watchFollower(name, follower.Stats)
	s.lifecycle.run(name, func(ctx context.Context) error {
		defer stop()
		return follower.Run(ctx)
	})
	return follower
}

// startRealtime starts the hub that serves sockets.
func (s *Service) startRealtime(ctx context.Context, pl *pipeline, listener *ledger.Listener) error {
	var key []byte
	err := s.waiter.do(ctx, "read the cursor key", func(ctx context.Context) (err error) {
		key, err = ledger.CursorKey(ctx, s.db.worker)
		return err
	})
	if err != nil {
		return err
	}
	wake, stop := listener.Ledger()
	pl.hub, err = realtime.New(realtime.Config{
		Pool: s.db.app, Wake: wake, Codec: ledger.NewCodec(key), Authorizer: rest.Rights(pl.directory, chat.New(pl.writer)), Origins: s.cfg.Origins, Logger: s.logger,
		Inbox:  rest.InboxCounts(pl.writer),
		Verify: rest.Sessions(pl.verifier, pl.directory), Denied: rest.Denials(pl.writer),
		Limits: realtime.Limits{ConnectionsPerUser: s.cfg.SocketsPerPerson},
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

// ready returns the reason the pipeline is not ready, or nil.
func (pl *pipeline) ready(ctx context.Context) error {
	if pl.providers.sandbox != nil && !slices.Contains(pl.providers.sandboxes(ctx), pl.providers.address) {
		return errors.New("sandbox: not visible to other instances yet")
	}
	if pl.hub != nil && !pl.hub.Ready() {
		return errors.New("realtime: has not read the latest events yet")
	}
	if planner := pl.followers[dispatch.Follower]; planner != nil && !planner.Stats().CaughtUp {
		return errors.New("dispatch: has not read the ledger yet")
	}
	for name, follower := range pl.followers {
		if err := follower.Stalled(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
