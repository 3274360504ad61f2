package notify

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// named returns a provider of the name, order and weight.
func named(t *testing.T, name string, order int, weight float64) *Provider {
	t.Helper()
	return newTestProvider(t, func(cfg *ProviderConfig) { cfg.Name, cfg.Order, cfg.Weight = name, order, weight })
}

func names(providers []*Provider) (all []string) {
	for _, p := range providers {
		all = append(all, p.name)
	}
	return all
}

func TestRoute_TriesProvidersByOrderAndThenByTheList(t *testing.T) {
	t.Parallel()
	r := newRoute([]*Provider{named(t, "a", 0, 0), named(t, "b", 0, 0), named(t, "c", 0, 0)})
	require.Equal(t, []string{"a", "b", "c"}, names(r.candidates(nil)))
	require.Equal(t, []string{"b", "c"}, names(r.candidates(r.groups[0])))
	r = newRoute([]*Provider{named(t, "a", 9, 0), named(t, "b", 3, 0), named(t, "c", 5, 0)})
	require.Equal(t, []string{"b", "c", "a"}, names(r.candidates(nil)))
}

func TestRoute_SharesTheMessagesOfOneOrderByWeight(t *testing.T) {
	t.Parallel()
	r := newRoute([]*Provider{named(t, "a", 1, 3), named(t, "b", 1, 1), named(t, "c", 2, 100)})
	const n = 8000
	first := map[string]int{}
	for range n {
		all := names(r.candidates(nil))
		require.Len(t, all, 3)
		require.Equal(t, "c", all[2])
		first[all[0]]++
	}
	// Ten standard deviations.
	require.InDelta(t, n*3/4, first["a"], 400)
	require.Equal(t, n, first["a"]+first["b"])
}

func TestRoute_GoesToTheNextProviderWhileTheFirstIsOpenOrFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := newTestProvider(t, func(cfg *ProviderConfig) { cfg.Name, cfg.MaxRate = "slow", 1 })
		r := newRoute([]*Provider{slow, named(t, "next", 0, 0)})
		admit := func() string {
			c, _ := r.admit(t.Context(), nil, 1, func() { t.Error("held by a breaker") })
			defer c.finish(Receipt{}, nil)
			return c.name()
		}
		require.Equal(t, []string{"slow", "next", "next"}, []string{admit(), admit(), admit()})
		elapse(time.Second)
		require.Equal(t, "slow", admit())

		open := newTestRoute(t)
		openBreaker(t, open)
		r = newRoute([]*Provider{open.groups[0][0], named(t, "next", 0, 0)})
		require.Equal(t, "next", admit())
		elapse(11 * time.Second)
		require.Equal(t, "test", admit(), "a probe")
		require.Equal(t, "test", admit())
		require.Equal(t, BreakerClosed, r.stats()[0].Breaker)
	})
}

func TestRoute_AWaiterIsAdmittedByTheProviderThatIsFreeFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := func(name string, rate float64) *Provider {
			return newTestProvider(t, func(cfg *ProviderConfig) { cfg.Name, cfg.MaxRate = name, rate })
		}
		r := newRoute([]*Provider{at("slow", 0.1), at("fast", 1)})
		for _, want := range []string{"slow", "fast", "fast"} {
			c, _ := r.admit(t.Context(), nil, 1, func() {})
			require.Equal(t, want, c.name())
			c.finish(Receipt{}, nil)
		}
	})
}
