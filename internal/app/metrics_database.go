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

// buildInfo returns a gauge that is always 1, with the version in its labels.
func buildInfo() prometheus.Collector {
	b := Version()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "carewire_build_info", Help: "Always 1; the labels have the version of the binary.",
		ConstLabels: prometheus.Labels{"version": b.Number, "revision": b.Revision, "go": b.Go},
	}, func() float64 { return 1 })
}

// watchProviders registers the metrics of each channel's providers: calls, circuit breaker, rate,
// and waiting messages.
func (m *metrics) watchProviders(stats func() map[string][]notify.ProviderStats) {
	for channel, providers := range stats() {
		for i, p := range providers {
			// Initialize the series to 0, so that the alert sees the first increase.
			for _, result := range notify.CallResults {
				m.calls.WithLabelValues(channel, p.Name, result)
			}
			m.callSeconds.WithLabelValues(channel, p.Name)
			m.watchProvider(prometheus.Labels{"channel": channel, "provider": p.Name}, func() notify.ProviderStats { return stats()[channel][i] })
		}
	}
}

func (m *metrics) watchProvider(labels prometheus.Labels, stats func() notify.ProviderStats) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value))
	}
	gauge("carewire_breaker_state", "Circuit breaker of the provider in this instance: 0 closed, 1 half-open, 2 open.",
		func() float64 { return float64(stats().Breaker) })
	gauge("carewire_provider_rate", "Current rate limit of the provider in this instance, in messages a second.",
		func() float64 { return stats().Rate })
	gauge("carewire_provider_waiting", "Messages of this instance that wait because no provider of the channel admits them.",
		func() float64 { return float64(stats().Waiting) })
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "carewire_provider_throttled_total", Help: "Responses of the provider that throttled this instance.", ConstLabels: labels,
	}, func() float64 { return float64(stats().Throttled) }))
}

var (
	poolConnsDesc    = prometheus.NewDesc("carewire_db_pool_connections", "Connections of this instance's pool, by state.", []string{"pool", "state"}, nil)
	poolMaxDesc      = prometheus.NewDesc("carewire_db_pool_max_connections", "Maximum connections of the pool.", []string{"pool"}, nil)
	poolWaitsDesc    = prometheus.NewDesc("carewire_db_pool_waits_total", "Acquisitions that waited for a connection.", []string{"pool"}, nil)
	poolWaitTimeDesc = prometheus.NewDesc("carewire_db_pool_wait_seconds_total", "Total time that acquisitions waited for a connection.", []string{"pool"}, nil)
)

// poolCollector collects the statistics of the connection pools. It does not query the database.
type poolCollector map[string]*pgxpool.Pool

// Describe implements prometheus.Collector.
func (c poolCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{poolConnsDesc, poolMaxDesc, poolWaitsDesc, poolWaitTimeDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
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
	jobsDesc              = prometheus.NewDesc("carewire_jobs", "Unfinished jobs by queue and state.", []string{"queue", "state"}, nil)
	jobOldestDesc         = prometheus.NewDesc("carewire_job_oldest_available_seconds", "Time that the oldest available job has been waiting for a worker; 0 if there is none.", []string{"queue"}, nil)
	oldestTransactionDesc = prometheus.NewDesc("carewire_database_oldest_transaction_seconds", "Age of the oldest transaction in the database that is visible to the service's user; 0 if there is none.", nil, nil)
)

// loadCollector queries the jobs and the oldest transaction in the database at each scrape.
type loadCollector struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
}

// Describe implements prometheus.Collector.
func (c *loadCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{jobsDesc, jobOldestDesc, oldestTransactionDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. Without a response of the database the metrics are
// missing.
func (c *loadCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if err := c.collect(ctx, ch); err != nil {
		c.logger.WarnContext(ctx, "cannot collect the metrics of the database's load", "error", postgres.SafeError(err))
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

// zeroes returns zero counts for every combination of two labels, so that a series exists before
// its first item and after its last.
func zeroes(first []string, second ...string) map[[2]string]float64 {
	counts := map[[2]string]float64{}
	for _, a := range first {
		for _, b := range second {
			counts[[2]string{a, b}] = 0
		}
	}
	return counts
}
