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

// throttle turns the messages that exceed the throttle of their rule into items of a digest. The
// counts stay locked until the transaction ends, so that they are exact with several instances.
// Messages are counted in the order of the plan.
func throttle(ctx context.Context, tx pgx.Tx, fresh []notification) error {
	granted, err := countThrottled(ctx, tx, fresh)
	if err != nil || len(granted) == 0 {
		return err
	}
	for i := range fresh {
		n := &fresh[i]
		n.deliveries = slices.DeleteFunc(n.deliveries, func(d delivery) bool {
			if !d.throttled() {
				return false
			}
			k := d.throttleKey(n.recipient)
			if granted[k] > 0 {
				granted[k]--
				return false
			}
			n.items = append(n.items, item{channel: d.channel, reason: rule.ReasonThrottled + d.match.Rule.Name, match: d.match, digest: *d.overflow})
			return true
		})
	}
	return nil
}

// countThrottled counts the messages that are throttled, and returns how many under each key have
// room in its period. It returns none if no message is throttled.
func countThrottled(ctx context.Context, tx pgx.Tx, fresh []notification) (map[throttleKey]int32, error) {
	var keys []throttleKey
	messages := map[throttleKey]int32{}
	limits := map[throttleKey]*rule.Throttle{}
	for i := range fresh {
		for _, d := range fresh[i].deliveries {
			if !d.throttled() {
				continue
			}
			k := d.throttleKey(fresh[i].recipient)
			if messages[k] == 0 {
				keys, limits[k] = append(keys, k), d.match.Rule.Throttle
			}
			messages[k]++
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	slices.SortFunc(keys, func(a, b throttleKey) int {
		return cmp.Or(bytes.Compare(a.recipient[:], b.recipient[:]), cmp.Compare(a.key, b.key))
	})
	var rows db.ThrottleTakeParams
	for _, k := range keys {
		rows.RecipientIds = append(rows.RecipientIds, k.recipient)
		rows.Keys = append(rows.Keys, k.key)
		rows.Messages = append(rows.Messages, messages[k])
		rows.MaxMessages = append(rows.MaxMessages, int32(limits[k].Max))
		rows.PerSeconds = append(rows.PerSeconds, limits[k].Per.Seconds())
	}
	taken, err := db.New(tx).ThrottleTake(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("count throttled messages: %w", err)
	}
	granted := make(map[throttleKey]int32, len(taken))
	for _, r := range taken {
		granted[throttleKey{r.RecipientID, r.Key}] = r.Granted
	}
	return granted, nil
}

// throttled reports whether the message counts now. One that waits for the end of quiet hours counts
// when it is decided again.
func (d *delivery) throttled() bool { return d.overflow != nil && !d.waits() }

func (d *delivery) throttleKey(recipient uuid.UUID) throttleKey {
	return throttleKey{recipient, d.match.Rule.Throttle.Key(d.match, d.channel)}
}
