package app

import (
	"net/http"
	"sync/atomic"
)

// gate is the handler of the service's address. It serves the state of the start until the API is
// built, then the API.
type gate struct {
	starting http.Handler
	api      atomic.Pointer[http.Handler]
	draining *atomic.Bool
}

// open starts passing requests to the API.
func (g *gate) open(api http.Handler) { g.api.Store(&api) }

// ServeHTTP implements http.Handler. While the service drains, each response closes its connection,
// so that a client with keep-alive connections opens the next one elsewhere. Idle connections stay
// open until the server shuts down: closing one that a client is about to use would cost a request.
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
