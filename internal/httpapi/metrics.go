package httpapi

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of requests. Their labels have patterns of routes, never paths, so that
// their number is bounded.
type metrics struct {
	requests  *prometheus.CounterVec
	durations *prometheus.HistogramVec
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carewire_http_requests_total", Help: "Requests answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "carewire_http_request_duration_seconds", Help: "How long requests took, by method, route and class of status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "route", "status"}),
	}
	if registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.durations} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(verb, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method(verb), route, strconv.Itoa(status)).Inc()
	if route != SocketPath { // The duration of a socket is no latency.
		m.durations.WithLabelValues(method(verb), route, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
	}
}
