package app

import (
	"carewire/internal/analytics"
	"carewire/internal/ledger"
)

// listeners follow the ledger besides the planner, by the names they do it under: a listener is one line here. The
// service runs each, and the commands for followers know it.
func listeners() map[string]ledger.Handler {
	return map[string]ledger.Handler{
		analytics.Follower: analytics.New(),
	}
}
