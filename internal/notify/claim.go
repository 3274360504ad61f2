package notify

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres/db"
)

// request asks for a delivery, of which the queue says the channel.
type request struct {
	id      uuid.UUID
	channel string
}

// newClaimer begins attempts in groups. It gives nil for a delivery that there is not.
func newClaimer(pool *pgxpool.Pool) *group[request, *db.DeliveryClaimRow] {
	return &group[request, *db.DeliveryClaimRow]{work: func(ctx context.Context, all []request) ([]*db.DeliveryClaimRow, error) {
		rows := make([]*db.DeliveryClaimRow, len(all))
		left := make([]int, len(all))
		for i := range all {
			left[i] = i
		}
		for len(left) > 0 {
			var now map[request]int
			now, left = eachOnce(all, left)
			if err := claimAll(ctx, pool, now, rows); err != nil {
				return nil, err
			}
		}
		return rows, nil
	}}
}

// eachOnce parts the requests at these indexes into the first for each delivery, and the rest: two jobs of one delivery
// ask one after the other, so that the second is told of the first.
func eachOnce(all []request, indexes []int) (first map[request]int, rest []int) {
	first = map[request]int{}
	for _, i := range indexes {
		if _, twice := first[all[i]]; twice {
			rest = append(rest, i)
			continue
		}
		first[all[i]] = i
	}
	return first, rest
}

// claimAll is the one statement that begins attempts. It puts what it gives at the requests' indexes.
func claimAll(ctx context.Context, tx db.DBTX, requests map[request]int, rows []*db.DeliveryClaimRow) error {
	p := db.DeliveryClaimParams{StaleSeconds: staleAfter.Seconds()}
	for r := range requests {
		p.Ids = append(p.Ids, r.id)
		p.Channels = append(p.Channels, r.channel)
	}
	claimed, err := db.New(tx).DeliveryClaim(ctx, p)
	if err != nil {
		return err
	}
	for i := range claimed {
		rows[requests[request{claimed[i].ID, claimed[i].Channel}]] = &claimed[i]
	}
	return nil
}
