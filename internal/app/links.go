package app

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"carewire/internal/notify/link"
)

// openLinks creates the signer of links in messages. All instances share its key.
func (s *Service) openLinks(ctx context.Context) error {
	var key []byte
	err := s.waiter.do(ctx, "read the link key", func(ctx context.Context) (err error) {
		key, err = sharedSecret(ctx, s.db.worker, "link_key")
		return err
	})
	if err != nil {
		return err
	}
	s.links, err = link.New(key, s.cfg.BaseURL)
	return err
}

// countLinks returns the function that counts the requests of links in messages.
func (s *Service) countLinks() func(kind, outcome string) {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "carewire_links_total", Help: "Requests of links in messages, by kind (open, unsubscribe) and outcome (ok, expired, invalid).",
	}, []string{"kind", "outcome"})
	s.metrics.registry.MustRegister(counter)
	return func(kind, outcome string) { counter.WithLabelValues(kind, outcome).Inc() }
}
