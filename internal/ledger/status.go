package ledger

import (
	"context"
	"fmt"
	"time"

	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// FollowerStatus is the progress of a follower.
type FollowerStatus struct {
	Name     string `json:"name" example:"dispatch"`
	Position int64  `json:"position" doc:"The last position that it handled or skipped."`
	Lag      int64  `json:"lag" doc:"Number of events after its position."`
	// Failures is the number of failures that were not redriven yet.
	Failures  int64     `json:"failures" doc:"Number of events that it skipped and that were not redriven yet."`
	UpdatedAt time.Time `json:"updatedAt" format:"date-time" doc:"When it last advanced."`
}

// ListFollowers returns the status of each follower, by name.
func ListFollowers(ctx context.Context, q db.DBTX) ([]FollowerStatus, error) {
	rows, err := db.New(q).FollowerList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list followers: %w", postgres.Translate(err))
	}
	all := make([]FollowerStatus, len(rows))
	for i, r := range rows {
		all[i] = FollowerStatus{Name: r.Name, Position: r.Position, Lag: r.Lag, Failures: r.Failures, UpdatedAt: r.UpdatedAt.UTC()}
	}
	return all, nil
}
