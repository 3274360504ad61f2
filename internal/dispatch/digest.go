package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// stateDigest is the state of a message in a digest, which has no delivery of its own.
const stateDigest = "digest"

// item is the message on one channel that goes into a digest.
type item struct {
	channel string
	reason  string
	match   *rule.Match
	digest  rule.DigestRef
	// digestID is set when the item is inserted.
	digestID uuid.UUID
}

// digestKey identifies an open digest.
type digestKey struct {
	recipient, clinic uuid.UUID
	channel, key      string
}

func (k digestKey) compare(o digestKey) int {
	return cmp.Or(bytes.Compare(k.recipient[:], o.recipient[:]), bytes.Compare(k.clinic[:], o.clinic[:]), cmp.Compare(k.channel, o.channel), cmp.Compare(k.key, o.key))
}

// insertItems adds the items of the notifications to their digests.
func insertItems(ctx context.Context, tx pgx.Tx, fresh []notification) error {
	counts := map[digestKey]int32{}
	first := map[digestKey]*item{}
	var keys []digestKey
	for i := range fresh {
		for j := range fresh[i].items {
			k, it := fresh[i].digestKey(&fresh[i].items[j]), &fresh[i].items[j]
			if counts[k] == 0 {
				keys, first[k] = append(keys, k), it
			}
			counts[k]++
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, digestKey.compare)
	var open db.DigestOpenParams
	for _, k := range keys {
		it := first[k]
		open.Ids = append(open.Ids, newID())
		open.RecipientIds = append(open.RecipientIds, k.recipient)
		open.ClinicIds = append(open.ClinicIds, k.clinic)
		open.Channels = append(open.Channels, k.channel)
		open.Keys = append(open.Keys, k.key)
		open.Categories = append(open.Categories, string(it.match.Category))
		open.Priorities = append(open.Priorities, string(it.match.Rule.Priority))
		open.MaxItems = append(open.MaxItems, int32(it.digest.Max))
		open.Items = append(open.Items, counts[k])
		open.DueAts = append(open.DueAts, it.digest.DueAt)
	}
	rows, err := db.New(tx).DigestOpen(ctx, open)
	if err != nil {
		return fmt.Errorf("open digests: %w", err)
	}
	ids := make(map[digestKey]uuid.UUID, len(rows))
	for _, r := range rows {
		ids[digestKey{r.RecipientID, r.ClinicID, r.Channel, r.Key}] = r.ID
	}
	return insertDigestItems(ctx, tx, fresh, ids)
}

func insertDigestItems(ctx context.Context, tx pgx.Tx, fresh []notification, ids map[digestKey]uuid.UUID) error {
	var rows db.DigestItemInsertManyParams
	for i := range fresh {
		n := &fresh[i]
		for j := range n.items {
			it := &n.items[j]
			it.digestID = ids[n.digestKey(it)]
			rows.DigestIds = append(rows.DigestIds, it.digestID)
			rows.EventPositions = append(rows.EventPositions, n.event.Position)
			rows.NotificationIds = append(rows.NotificationIds, n.id)
			rows.RecipientIds = append(rows.RecipientIds, n.recipient)
			rows.Channels = append(rows.Channels, it.channel)
			rows.Rules = append(rows.Rules, it.match.Rule.Name)
			rows.TemplateVersions = append(rows.TemplateVersions, n.templates)
			rows.Reasons = append(rows.Reasons, it.reason)
		}
	}
	if err := db.New(tx).DigestItemInsertMany(ctx, rows); err != nil {
		return fmt.Errorf("insert digest items: %w", err)
	}
	return nil
}

func (n *notification) digestKey(it *item) digestKey {
	return digestKey{n.recipient, care.OrZero(n.event.ClinicID), it.channel, it.digest.Key}
}
