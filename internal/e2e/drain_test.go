package e2e_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/app"
	"carewire/internal/postgres/postgrestest"
)

// balancer is a load balancer as clinics use it: it keeps connections to its backends, polls
// /readyz of each, and sends a request to one that was ready at the last poll.
type balancer struct {
	*httptest.Server
	mu       sync.Mutex
	backends []*backend
	next     int
}

type backend struct {
	url      string
	proxy    *httputil.ReverseProxy
	ready    bool
	removed  bool
	underWay int
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

// add adds an instance, which gets requests when it is ready. It is polled until the test ends.
func (b *balancer) add(t *testing.T, address string) *backend {
	t.Helper()
	target, err := url.Parse(address)
	require.NoError(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	one := &backend{url: address, proxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}}
	b.mu.Lock()
	b.backends = append(b.backends, one)
	b.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.watch(ctx, one)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		transport.CloseIdleConnections()
	})
	return one
}

func (b *balancer) watch(ctx context.Context, one *backend) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ready := false
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, one.url+"/readyz", nil)
		if res, err := client.Do(req); err == nil {
			ready = res.StatusCode == http.StatusOK
			_ = res.Body.Close()
		}
		b.mu.Lock()
		one.ready = ready && !one.removed
		b.mu.Unlock()
	}
}

// remove takes the instance out of the balancer for good: a service of another test may get its port.
func (b *balancer) remove(one *backend) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one.ready, one.removed = false, true
}

// ServeHTTP forwards a request.
func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	one := b.pick()
	if one == nil {
		http.Error(w, "no instance is ready", http.StatusBadGateway)
		return
	}
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		one.underWay--
	}()
	one.proxy.ServeHTTP(w, r)
}

func (b *balancer) pick() *backend {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.backends {
		b.next++
		if one := b.backends[b.next%len(b.backends)]; one.ready {
			one.underWay++
			return one
		}
	}
	return nil
}

// sends reports whether the instance gets requests.
func (b *balancer) sends(one *backend) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return one.ready
}

// leftAlone reports whether the instance gets no more requests, and has none in progress.
func (b *balancer) leftAlone(one *backend) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !one.ready && one.underWay == 0
}

// startInstance starts one instance of the clinic in this process.
func (c *clinic) startInstance() *app.Service {
	c.t.Helper()
	s, err := app.Start(c.t.Context(), c.cfg, slog.New(slog.NewTextHandler(io.MultiWriter(c.t.Output(), &c.log), &slog.HandlerOptions{Level: slog.LevelWarn})))
	require.NoError(c.t, err)
	c.t.Cleanup(func() {
		s.Hurry()
		s.Stop()
	})
	return s
}

func TestStop_RollingRestartsBehindALoadBalancerFailNoWrite(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	cfg := testConfig(t, db)
	// The test ends each delay after the balancer's poll, so that the speed of the machine does not
	// matter.
	long := time.Hour
	cfg.DrainDelay, cfg.RateLimit = &long, 100000
	c := newClinic(t, cfg)
	c.db = db
	b := newBalancer(t)
	c.url = b.URL
	c.api.urls = []func() string{func() string { return b.URL }}
	var services []*app.Service
	var backends []*backend
	for range 3 {
		s := c.startInstance()
		services, backends = append(services, s), append(backends, b.add(t, s.URL))
	}
	for _, one := range backends {
		c.within(2*patience, "the balancer sends it requests", func() bool { return b.sends(one) })
	}

	w, stop := newWriters(c), make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		w.until(func() bool {
			select {
			case <-stop:
				return true
			default:
				return false
			}
		})
	})
	for restart := range 9 {
		i, before := restart%len(services), w.count()
		c.within(2*patience, "it is under load", func() bool { return w.count() >= before+10 })
		old, stopped := services[i], make(chan struct{})
		go func() {
			defer close(stopped)
			old.Stop()
		}()
		c.within(2*patience, "the balancer leaves it alone", func() bool { return b.leftAlone(backends[i]) })
		b.remove(backends[i])
		old.Hurry()
		<-stopped
		services[i] = c.startInstance()
		backends[i] = b.add(t, services[i].URL)
		c.within(2*patience, "the balancer sends its successor requests", func() bool { return b.sends(backends[i]) })
	}
	close(stop)
	load.Wait()
	require.Zero(t, w.lost, "no write went without an answer")
	require.Empty(t, w.refused, "no write was refused")
	require.GreaterOrEqual(t, w.count(), 90)
	c.eventually("the outbox is empty", func() bool { return c.query(`SELECT count(*) FROM outbox`) == 0 })
	c.requireLedgerIsSound()
	require.Equal(t, len(w.acknowledged), c.query(`SELECT count(*) FROM events WHERE type = 'ehr.lab_report.created'`), "each is in the ledger, once")
	c.requireWritten(w.acknowledged)
}

// lastOfItsConnection reports whether a response closes its connection.
func lastOfItsConnection(t *testing.T, url string) bool {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	res, err := client.Get(url)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	return res.Close
}

func TestStop_KeepsServingWhileItDrainsAndClosesConnections(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	cfg := testConfig(t, db)
	long := time.Hour
	cfg.DrainDelay = &long
	c := newClinic(t, cfg)
	c.db = db
	s := c.startInstance()
	c.url, c.api.urls = s.URL, []func() string{func() string { return s.URL }}
	c.eventually("ready", func() bool { return c.do("", http.MethodGet, "/readyz", nil).status == http.StatusOK })
	require.False(t, lastOfItsConnection(t, s.URL+"/livez"))

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.Stop()
	}()
	c.eventually("not ready", func() bool { return c.do("", http.MethodGet, "/readyz", nil).status == http.StatusServiceUnavailable })
	require.Contains(t, string(c.do("", http.MethodGet, "/readyz", nil).body), "stopping")
	a := c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", c.report())
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	require.True(t, lastOfItsConnection(t, s.URL+"/livez"), "the client's next connection goes elsewhere")

	s.Hurry()
	<-stopped
	_, err := http.Get(s.URL + "/livez") //nolint:bodyclose // There is no answer.
	require.Error(t, err, "the service has stopped")
}
