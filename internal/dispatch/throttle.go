package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// throttleKey identifies the messages to a person that a throttle counts together.
type throttleKey struct {
	recipient uuid.UUID
	key       string
}

// throttle turns the messages that exceed the throttle of their rule into items of a digest. It
// locks the counts, in the order of their keys, until the transaction ends, so that they are exact
// with several instances. Messages are counted in the order of the plan.
func throttle(ctx context.Context, tx pgx.Tx, fresh []notification) error {
	used, err := lockThrottles(ctx, tx, fresh)
	if err != nil || len(used) == 0 {
		return err
	}
	counted := map[throttleKey]int32{}
	for i := range fresh {
		n := &fresh[i]
		n.deliveries = slices.DeleteFunc(n.deliveries, func(d delivery) bool {
			if !d.throttled() {
				return false
			}
			k := d.throttleKey(n.recipient)
			if used[k]+counted[k] < int32(d.match.Rule.Throttle.Max) {
				counted[k]++
				return false
			}
			n.items = append(n.items, item{channel: d.channel, reason: rule.ReasonThrottled + d.match.Rule.Name, match: d.match, digest: *d.overflow})
			return true
		})
	}
	var rows db.ThrottleUseParams
	for k, messages := range counted {
		rows.RecipientIds = append(rows.RecipientIds, k.recipient)
		rows.Keys = append(rows.Keys, k.key)
		rows.Messages = append(rows.Messages, messages)
	}
	if len(rows.Keys) == 0 {
		return nil
	}
	if err := db.New(tx).ThrottleUse(ctx, rows); err != nil {
		return fmt.Errorf("count throttled messages: %w", err)
	}
	return nil
}

// lockThrottles returns how many messages each key has had in its period. It returns none if no
// message is throttled.
func lockThrottles(ctx context.Context, tx pgx.Tx, fresh []notification) (map[throttleKey]int32, error) {
	var keys []throttleKey
	per := map[throttleKey]float64{}
	for i := range fresh {
		for _, d := range fresh[i].deliveries {
			if !d.throttled() {
				continue
			}
			k := d.throttleKey(fresh[i].recipient)
			if _, ok := per[k]; !ok {
				keys = append(keys, k)
				per[k] = d.match.Rule.Throttle.Per.Seconds()
			}
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	slices.SortFunc(keys, func(a, b throttleKey) int {
		return cmp.Or(bytes.Compare(a.recipient[:], b.recipient[:]), cmp.Compare(a.key, b.key))
	})
	var rows db.ThrottleLockParams
	for _, k := range keys {
		rows.RecipientIds = append(rows.RecipientIds, k.recipient)
		rows.Keys = append(rows.Keys, k.key)
		rows.PerSeconds = append(rows.PerSeconds, per[k])
	}
	locked, err := db.New(tx).ThrottleLock(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("lock throttles: %w", err)
	}
	used := make(map[throttleKey]int32, len(locked))
	for _, r := range locked {
		used[throttleKey{r.RecipientID, r.Key}] = r.Used
	}
	return used, nil
}

// throttled reports whether the message counts now. One that waits for the end of quiet hours counts
// when it is decided again.
func (d *delivery) throttled() bool { return d.overflow != nil && !d.waits() }

func (d *delivery) throttleKey(recipient uuid.UUID) throttleKey {
	return throttleKey{recipient, d.match.Rule.Throttle.Key(d.match, d.channel)}
}
