package app

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"carewire/internal/notify"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// buildInfo is 1, and says in its labels which carewire this is.
func buildInfo() prometheus.Collector {
	b := Version()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "carewire_build_info", Help: "Always 1; the labels say which carewire this is.",
		ConstLabels: prometheus.Labels{"version": b.Number, "revision": b.Revision, "go": b.Go},
	}, func() float64 { return 1 })
}

// watchProviders shows the providers of each channel: circuit breaker, rate, and what waits for them.
func (m *metrics) watchProviders(stats func() map[string][]notify.ProviderStats) {
	for channel, providers := range stats() {
		for i, p := range providers {
			m.watchProvider(prometheus.Labels{"channel": channel, "provider": p.Name}, func() notify.ProviderStats { return stats()[channel][i] })
		}
	}
}

func (m *metrics) watchProvider(labels prometheus.Labels, stats func() notify.ProviderStats) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	gauge("carewire_breaker_state", "The provider's circuit breaker, as this instance has it: 0 closed, 1 half-open, 2 open.",
		func() float64 { return float64(stats().Breaker) })
	gauge("carewire_provider_rate", "How many messages a second this instance may send by the provider now.",
		func() float64 { return stats().Rate })
	gauge("carewire_provider_waiting", "Messages of this instance that wait for the provider's circuit breaker or rate.",
		func() float64 { return float64(stats().Waiting) })
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "carewire_provider_throttled_total", Help: "How often the provider said that this instance calls it too often.", ConstLabels: labels,
	}, func() float64 { return float64(stats().Throttled) }))
}

var (
	poolConnsDesc    = prometheus.NewDesc("carewire_db_pool_connections", "Connections of this instance's pool, by state.", []string{"pool", "state"}, nil)
	poolMaxDesc      = prometheus.NewDesc("carewire_db_pool_max_connections", "How many connections the pool may open.", []string{"pool"}, nil)
	poolWaitsDesc    = prometheus.NewDesc("carewire_db_pool_waits_total", "How often somebody had to wait for a connection.", []string{"pool"}, nil)
	poolWaitTimeDesc = prometheus.NewDesc("carewire_db_pool_wait_seconds_total", "How long they waited, together.", []string{"pool"}, nil)
)

// poolCollector shows the pools of connections. It asks the database nothing.
type poolCollector map[string]*pgxpool.Pool

// Describe names the metrics.
func (c poolCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolConnsDesc, poolMaxDesc, poolWaitsDesc, poolWaitTimeDesc} {
		ch <- d
	}
}

// Collect reads them.
func (c poolCollector) Collect(ch chan<- prometheus.Metric) {
	for name, pool := range c {
		s := pool.Stat()
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{name}, labels...)...)
		}
		gauge(poolConnsDesc, float64(s.AcquiredConns()), "in_use")
		gauge(poolConnsDesc, float64(s.IdleConns()), "idle")
		gauge(poolConnsDesc, float64(s.ConstructingConns()), "opening")
		gauge(poolMaxDesc, float64(s.MaxConns()))
		ch <- prometheus.MustNewConstMetric(poolWaitsDesc, prometheus.CounterValue, float64(s.EmptyAcquireCount()), name)
		ch <- prometheus.MustNewConstMetric(poolWaitTimeDesc, prometheus.CounterValue, s.EmptyAcquireWaitTime().Seconds(), name)
	}
}

var (
	jobsDesc              = prometheus.NewDesc("carewire_jobs", "Jobs that are not over, by queue and state.", []string{"queue", "state"}, nil)
	jobOldestDesc         = prometheus.NewDesc("carewire_job_oldest_available_seconds", "How long the oldest job has been ready without being worked; 0 when there is none.", []string{"queue"}, nil)
	oldestTransactionDesc = prometheus.NewDesc("carewire_database_oldest_transaction_seconds", "Age of the oldest transaction in the database that the service's user may see; 0 when there is none.", nil, nil)
)

// loadCollector reads at each scrape how much work waits in the database, and who holds it up.
type loadCollector struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
}

// Describe names the metrics.
func (c *loadCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, jobOldestDesc, oldestTransactionDesc} {
		ch <- d
	}
}

// Collect reads them, and leaves out what the database does not answer.
func (c *loadCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if err := c.collect(ctx, ch); err != nil {
		c.logger.WarnContext(ctx, "metrics of the database's load left out", "error", postgres.SafeError(err))
	}
}

func (c *loadCollector) collect(ctx context.Context, ch chan<- prometheus.Metric) error {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	open, err := db.New(c.pool).JobsOpen(ctx)
	if err != nil {
		return err
	}
	counts := zeroes(knownChannels().Names(), "available", "running", "retryable", "scheduled")
	oldest := map[string]float64{}
	for _, channel := range knownChannels().Names() {
		oldest[channel] = 0
	}
	for _, o := range open {
		counts[[2]string{o.Queue, o.State}] = float64(o.Jobs)
		oldest[o.Queue] = max(oldest[o.Queue], o.OldestAvailableSeconds)
	}
	for of, n := range counts {
		gauge(jobsDesc, n, of[0], of[1])
	}
	for queue, age := range oldest {
		gauge(jobOldestDesc, age, queue)
	}
	age, err := postgres.OldestTransaction(ctx, c.pool)
	if err != nil {
		return err
	}
	gauge(oldestTransactionDesc, age.Seconds())
	return nil
}

// zeroes begins a count by two labels, so that a series is there before the first of its kind, and does not end with the
// last.
func zeroes(first []string, second ...string) map[[2]string]float64 {
	counts := map[[2]string]float64{}
	for _, a := range first {
		for _, b := range second {
			counts[[2]string{a, b}] = 0
		}
	}
	return counts
}
