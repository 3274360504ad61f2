package app

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"carewire/internal/httpapi/webhook"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/realtime"
	"carewire/internal/rule"
	"carewire/internal/scheduler"
)

// scrapeTimeout bounds the database queries of a scrape. A scrape that times out still returns the
// process's own metrics.
const scrapeTimeout = 2 * time.Second

// metrics are the service's Prometheus metrics, except those of the API.
type metrics struct {
	registry   *prometheus.Registry
	deliveries *prometheus.CounterVec
	attempts   *prometheus.HistogramVec
	// calls and callSeconds are the calls of providers: an attempt has several if one moves it on.
	calls       *prometheus.CounterVec
	callSeconds *prometheus.HistogramVec
	// messages are the outcomes of messages by the version of their templates.
	messages *prometheus.CounterVec
	receipts *prometheus.CounterVec
	refused  *prometheus.CounterVec
	// unreached counts calls of dispatch.Config.Unreached.
	unreached prometheus.Counter
	// conditions counts calls of dispatch.Config.ConditionFailed; ruleNames are its rules so far.
	conditions *prometheus.CounterVec
	ruleNames  ruleNames
}

// maxRuleNames bounds the values of the label rule: names change with each rule set, and a set has
// rarely a hundred rules.
const maxRuleNames = 1000

// ruleNames are the rules with series of their own.
type ruleNames struct {
	mu   sync.Mutex
	seen map[string]bool
}

// label returns the rule's name, or "other" once there are too many.
func (n *ruleNames) label(name string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	if !n.seen[name] && len(n.seen) >= maxRuleNames {
		return "other"
	}
	n.seen[name] = true
	return name
}

// countConditionFailure implements dispatch.Config.ConditionFailed.
func (m *metrics) countConditionFailure(rule, condition string) {
	m.conditions.WithLabelValues(m.ruleNames.label(rule), condition).Inc()
}

// callBuckets are the buckets of the durations of a provider's calls, in seconds.
var callBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carewire_delivery_attempts_total", Help: "Delivery attempts by channel and outcome.",
		}, []string{"channel", "outcome"}),
		attempts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "carewire_delivery_attempt_seconds", Help: "Duration of delivery attempts, from claim to settlement.",
			Buckets: callBuckets,
		}, []string{"channel"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carewire_provider_calls_total", Help: "Calls of a provider by result: accepted, permanent, transient, throttled or uncertain.",
		}, []string{"channel", "provider", "result"}),
		callSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "carewire_provider_call_seconds", Help: "Duration of calls of a provider.",
			Buckets: callBuckets,
		}, []string{"channel", "provider"}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carewire_messages_total",
			Help: "Messages by outcome: sent, failed, uncertain or suppressed after an attempt; delivered, read, bounced or complained by a receipt.",
		}, []string{"channel", "provider", "template_version", "outcome"}),
		receipts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carewire_receipts_total", Help: "Delivery receipts that this instance received, by provider and result.",
		}, []string{"provider", "result"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carewire_receipts_refused_total", Help: "Requests to the webhooks of receipts that this instance refused, by provider and reason.",
		}, []string{"provider", "reason"}),
		unreached: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "carewire_critical_unreached_total", Help: "Critical events planned by this instance for which nobody at the clinic can be reached.",
		}),
		conditions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carewire_rule_condition_failures_total", Help: "Events planned by this instance for which a condition of the rule could not be evaluated.",
		}, []string{"rule", "condition"}),
	}
	m.conditions.WithLabelValues("other", string(rule.When))
	// Initialize the series to 0, so that the alert sees the first increase.
	for _, channel := range knownChannels().Names() {
		m.deliveries.WithLabelValues(channel, string(notify.OutcomeUnsettleable))
	}
	m.registry.MustRegister(m.deliveries, m.attempts, m.calls, m.callSeconds, m.messages, m.receipts, m.refused, m.unreached, m.conditions, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo())
	return m
}

// observeDelivery implements notify.Config.Observe.
func (m *metrics) observeDelivery(channel string, outcome notify.Outcome, took time.Duration) {
	m.deliveries.WithLabelValues(channel, string(outcome)).Inc()
	if took > 0 {
		m.attempts.WithLabelValues(channel).Observe(took.Seconds())
	}
}

// observeCall implements notify.Config.ObserveCall.
func (m *metrics) observeCall(channel, provider, result string, took time.Duration) {
	m.calls.WithLabelValues(channel, provider, result).Inc()
	m.callSeconds.WithLabelValues(channel, provider).Observe(took.Seconds())
}

// observeMessage implements notify.Config.ObserveMessage. Versions are few: a person publishes each.
func (m *metrics) observeMessage(o notify.MessageOutcome) {
	m.messages.WithLabelValues(o.Channel, o.Provider, strconv.Itoa(int(o.TemplateVersion)), o.Outcome).Inc()
}

// observeReceipts implements webhook.Config.Observe.
func (m *metrics) observeReceipts(provider string, result webhook.Result, reason string, n int) {
	if n > 0 {
		m.receipts.WithLabelValues(provider, string(result)).Add(float64(n))
	}
	if reason != "" {
		m.refused.WithLabelValues(provider, reason).Inc()
	}
}

func (m *metrics) watchSequencer(stats func() ledger.SequencerStats) {
	counter := func(name, help string, value func() int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
	}
	counter("carewire_sequencer_moved_total", "Events that this instance moved to the ledger.", func() int64 { return stats().Moved })
	counter("carewire_sequencer_duplicates_total", "Outbox rows dropped because their event was in the ledger already.", func() int64 { return stats().Duplicates })
	counter("carewire_sequencer_rejected_total", "Outbox rows that this instance dead-lettered to outbox_rejected.", func() int64 { return stats().Rejected })
}

func (m *metrics) watchFollower(name string, stats func() ledger.FollowerStats) {
	labels := prometheus.Labels{"follower": name}
	m.registry.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "carewire_follower_handled_total", Help: "Events handled by this instance.", ConstLabels: labels,
		}, func() float64 { return float64(stats().Handled) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "carewire_follower_failed_total", Help: "Events that this instance failed to handle and skipped; each is in follower_failures.", ConstLabels: labels,
		}, func() float64 { return float64(stats().Failed) }),
	)
}

// watchScheduler adds the state of the scheduler's sources, of which stats returns the current one.
func (m *metrics) watchScheduler(stats func() []scheduler.Stats) {
	for i, source := range stats() {
		labels := prometheus.Labels{"source": source.Source}
		m.registry.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "carewire_scheduler_handled_total", Help: "Due rows that this instance handled.", ConstLabels: labels,
			}, func() float64 { return float64(stats()[i].Handled) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "carewire_scheduler_postponed_total", Help: "Due rows that this instance could not handle and postponed.", ConstLabels: labels,
			}, func() float64 { return float64(stats()[i].Postponed) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "carewire_scheduler_panics_total", Help: "Panics of the source on this instance.", ConstLabels: labels,
			}, func() float64 { return float64(stats()[i].Panics) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "carewire_scheduler_overdue_seconds", Help: "For how long the first waiting row has been due; 0 if none is.", ConstLabels: labels,
			}, func() float64 { return stats()[i].Overdue.Seconds() }),
		)
	}
}

func (m *metrics) watchSockets(stats func() realtime.Stats) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("carewire_sockets", "Open sockets of this instance.", func() float64 { return float64(stats().Sessions) })
	gauge("carewire_socket_rooms", "Rooms with at least one socket of this instance.", func() float64 { return float64(stats().Rooms) })
	gauge("carewire_socket_position", "Last position sent to sockets of this instance.", func() float64 { return float64(stats().Position) })
	gauge("carewire_socket_ring_events", "Events in the ring that sockets read from.", func() float64 { return float64(stats().RingEvents) })
	gauge("carewire_socket_ring_oldest_position", "Oldest position in the ring; sockets behind it read from PostgreSQL.", func() float64 { return float64(stats().RingOldest) })
	gauge("carewire_socket_ring_bytes", "Approximate upper bound of the memory of the events in the ring.", func() float64 { return float64(stats().RingBytes) })
	gauge("carewire_socket_window_events", "Events buffered for sockets behind the ring.", func() float64 { return float64(stats().WindowEvents) })
	gauge("carewire_socket_flight_bytes", "Bytes of the frames that clients have not received yet, each counted once.", func() float64 { return float64(stats().FlightBytes) })
	gauge("carewire_socket_window_bytes", "Approximate upper bound of the memory of the events buffered for sockets behind the ring.", func() float64 { return float64(stats().WindowBytes) })
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "carewire_socket_pages_total", Help: "Reads from PostgreSQL for sockets behind the ring; sockets that need the same events share a read.",
	}, func() float64 { return float64(stats().Pages) }))
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "carewire_socket_frames_total", Help: "Frames of events that this instance has encoded; sockets that see the same events share a frame.",
	}, func() float64 { return float64(stats().FramesEncoded) }))
}

// pipelineCollector queries the state of the pipeline in the database at each scrape.
type pipelineCollector struct {
	queries *db.Queries
	known   rule.Known
	logger  *slog.Logger

	mu sync.Mutex
	// seen is the newest rule set that was checked; broken is true if this binary cannot parse it.
	seen   db.RuleSetNewestRow
	broken bool
}

var (
	unsequencedDesc = prometheus.NewDesc("carewire_outbox_oldest_seconds", "Age of the oldest event in the outbox; 0 if it is empty.", nil, nil)
	headDesc        = prometheus.NewDesc("carewire_ledger_position", "Last position of the ledger.", nil, nil)
	failuresDesc    = prometheus.NewDesc("carewire_follower_failures_open", "Events that the follower failed to handle and that wait for a redrive.", []string{"follower"}, nil)
	deadLettersDesc = prometheus.NewDesc("carewire_outbox_rejected_open", "Dead-lettered outbox rows that wait for a redrive.", nil, nil)
	brokenDesc      = prometheus.NewDesc("carewire_rule_set_broken", "1 if this binary cannot parse the newest rule set; events it applies to wait. Otherwise 0.", nil, nil)
	lagDesc         = prometheus.NewDesc("carewire_follower_lag_events", "Events that the follower has not handled yet.", []string{"follower"}, nil)
	stalledDesc     = prometheus.NewDesc("carewire_follower_stalled_seconds", "Time since the follower last advanced while it has events to handle; 0 if it has none.", []string{"follower"}, nil)
	lagSecondsDesc  = prometheus.NewDesc("carewire_follower_lag_seconds", "Age in the ledger of the first event that the follower has not handled; 0 if there is none.", []string{"follower"}, nil)
	openDesc        = prometheus.NewDesc("carewire_deliveries_open", "Deliveries without a final state.", []string{"channel", "state"}, nil)
	skewDesc        = prometheus.NewDesc("carewire_database_clock_skew_seconds", "Clock of the database minus the clock of this process.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *pipelineCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		unsequencedDesc, headDesc, lagDesc, lagSecondsDesc, stalledDesc, failuresDesc, deadLettersDesc, brokenDesc, openDesc, skewDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Without a response of the database the metrics are
// missing, which has an alert of its own.
func (c *pipelineCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if err := c.collect(ctx, ch); err != nil {
		c.logger.WarnContext(ctx, "cannot collect the metrics of the database", "error", postgres.SafeError(err))
	}
}

func (c *pipelineCollector) collect(ctx context.Context, ch chan<- prometheus.Metric) error {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	asked := time.Now()
	state, err := c.queries.SpineState(ctx)
	if err != nil {
		return err
	}
	// The database read its clock about half-way between request and response.
	gauge(skewDesc, state.DatabaseTime.Sub(asked.Add(time.Since(asked)/2)).Seconds())
	gauge(unsequencedDesc, max(0, state.OldestUnsequencedSeconds))
	gauge(headDesc, float64(state.Head))
	if err := c.collectFollowers(ctx, gauge); err != nil {
		return err
	}
	rejected, err := c.queries.RejectedOpen(ctx)
	if err != nil {
		return err
	}
	gauge(deadLettersDesc, float64(rejected))
	broken, err := c.ruleSetBroken(ctx)
	if err != nil {
		return err
	}
	gauge(brokenDesc, broken)
	open, err := c.queries.DeliveriesOpen(ctx)
	if err != nil {
		return err
	}
	counts := zeroes(knownChannels().Names(), "planned", "queued", "uncertain")
	for _, o := range open {
		counts[[2]string{o.Channel, o.State}] = float64(o.Deliveries)
	}
	for of, n := range counts {
		gauge(openDesc, n, of[0], of[1])
	}
	return nil
}

func (c *pipelineCollector) collectFollowers(ctx context.Context, gauge func(d *prometheus.Desc, value float64, labels ...string)) error {
	followers, err := c.queries.FollowerList(ctx)
	if err != nil {
		return err
	}
	for _, f := range followers {
		gauge(lagDesc, float64(f.Lag), f.Name)
		gauge(lagSecondsDesc, f.LagSeconds, f.Name)
		gauge(stalledDesc, f.StalledSeconds, f.Name)
		gauge(failuresDesc, float64(f.Failures), f.Name)
	}
	return nil
}

// ruleSetBroken returns 1 if this binary cannot parse the newest rule set, else 0. Each rule set is
// checked once.
func (c *pipelineCollector) ruleSetBroken(ctx context.Context) (float64, error) {
	newest, err := c.queries.RuleSetNewest(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if newest != c.seen {
		set, err := c.queries.RuleSetGet(ctx, newest.Version)
		if err != nil {
			return 0, err
		}
		_, err = rule.Load([]byte(set.Source), rule.Known{Channels: c.known.Channels})
		c.seen, c.broken = newest, err != nil
	}
	if c.broken {
		return 1, nil
	}
	return 0, nil
}
