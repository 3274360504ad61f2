package app

import (
	"net/http"
	"sync/atomic"
)

// gate is what the service's address answers with: the state of the start until the API is built, then the API.
type gate struct {
	starting http.Handler
	api      atomic.Pointer[http.Handler]
	draining *atomic.Bool
}

// open lets requests through to the API.
func (g *gate) open(api http.Handler) { g.api.Store(&api) }

// ServeHTTP answers a request. While the service drains, each answer is its connection's last, so that a client that keeps
// connections opens its next one elsewhere. Connections that are idle stay open until the server shuts down: one closed
// under a client that is just using it would cost a request.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	if api := g.api.Load(); api != nil {
		(*api).ServeHTTP(w, r)
		return
	}
	g.starting.ServeHTTP(w, r)
}
