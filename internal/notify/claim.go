package notify

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/batch"
	"carewire/internal/care"
	"carewire/internal/notify/template"
	"carewire/internal/postgres/db"
)

// request is a claim of a delivery for one run of its job. The channel is the job's queue. A run
// that does not know whether its claim was committed claims again. provider is the name of the one
// that is called next; empty if the channel has none.
type request struct {
	target
	run      uuid.UUID
	provider string
}

type target struct {
	id      uuid.UUID
	channel string
}

// newClaimer returns a batcher that begins attempts. Its result is nil for an unknown delivery.
func newClaimer(pool *pgxpool.Pool, known care.Channels, siblings func() int64) *batch.Group[request, *db.DeliveryClaimRow] {
	return &batch.Group[request, *db.DeliveryClaimRow]{Siblings: siblings, Work: func(ctx context.Context, all []request) ([]*db.DeliveryClaimRow, error) {
		rows := make([]*db.DeliveryClaimRow, len(all))
		left := make([]int, len(all))
		for i := range all {
			left[i] = i
		}
		for len(left) > 0 {
			var now map[target]int
			now, left = splitRepeats(all, left)
			if err := claimAll(ctx, pool, known, all, now, rows); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}}
}

// splitRepeats returns the first of these requests for each delivery, and the rest: two jobs of one
// delivery claim one after the other, so that the second sees the first one's claim.
func splitRepeats(all []request, indexes []int) (first map[target]int, rest []int) {
	first = map[target]int{}
	for _, i := range indexes {
		if _, twice := first[all[i].target]; twice {
			rest = append(rest, i)
			continue
		}
		first[all[i].target] = i
	}
	return first, rest
}

// claimAll begins attempts in one statement and stores the rows at the requests' indexes.
func claimAll(ctx context.Context, tx db.DBTX, known care.Channels, all []request, now map[target]int, rows []*db.DeliveryClaimRow) error {
	p := db.DeliveryClaimParams{StaleSeconds: staleAfter.Seconds(), EventFields: template.EventFields}
	for t, i := range now {
		p.Ids = append(p.Ids, t.id)
		p.Channels = append(p.Channels, t.channel)
		c, _ := known.Lookup(t.channel)
		p.AddressKinds = append(p.AddressKinds, string(c.Address))
		p.RepeatSafe = append(p.RepeatSafe, c.RepeatSafe)
		p.Runs = append(p.Runs, all[i].run)
		p.Providers = append(p.Providers, all[i].provider)
	}
	claimed, err := db.New(tx).DeliveryClaim(ctx, p)
	if err != nil {
		return err
	}
	for i := range claimed {
		rows[now[target{claimed[i].ID, claimed[i].Channel}]] = &claimed[i]
	}
	return nil
}
