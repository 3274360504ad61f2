package app

import (
	"time"

	"carewire/internal/analytics"
	"carewire/internal/ledger"
)

// listener is a handler that follows the ledger in addition to the planner.
type listener struct {
	handler ledger.Handler
	// startAt decides where the ledger is first read, when the listener is new in this
	// installation: ledger.FromBeginning replays the whole history, ledger.FromHead skips it.
	startAt ledger.Start
	// every is how often the ledger is read, for a listener that no one waits for: it then reads many
	// events at once. 0 reads events as soon as they come.
	every time.Duration
}

// listeners returns the listeners by follower name: a listener is one line here. The service runs
// each, and the follower commands know it.
func listeners() map[string]listener {
	return map[string]listener{
		analytics.Follower: {analytics.New(), ledger.FromBeginning, 2 * time.Second},
	}
}

// handlers returns the handlers of the listeners by follower name.
func handlers() map[string]ledger.Handler {
	all := map[string]ledger.Handler{}
	for name, l := range listeners() {
		all[name] = l.handler
	}
	return all
}
