package app

import (
	"carewire/internal/analytics"
	"carewire/internal/ledger"
)

// listeners returns the followers of the ledger other than the planner, by name. To add a listener,
// add a line here: the service runs it, and the follower commands know it.
func listeners() map[string]ledger.Handler {
	return map[string]ledger.Handler{
		analytics.Follower: analytics.New(),
	}
}
