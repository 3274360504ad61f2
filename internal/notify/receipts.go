package notify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"carewire/internal/batch"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

const (
	// receiptChunk bounds the receipts of one call that are applied in one transaction. One request
	// of WhatsApp can contain many.
	receiptChunk = 50
	// receiptKeepWaiting is how long a receipt waits for its send. Providers know the message's id
	// before carewire has committed it, but no longer than this.
	receiptKeepWaiting = 72 * time.Hour
	// receiptKeep is how long an applied receipt is kept, so that a repeated one is recognized. It is
	// longer than the age up to which the verifiers accept a receipt (7 days).
	receiptKeep = 30 * 24 * time.Hour
	// receiptSweep names the cursor of the search for receipts whose send was committed.
	receiptSweep = "waiting receipts"
	// maxProviderText bounds the ids that a provider can store here; maxReceiptID has room for an
	// id and a status.
	maxProviderText = 200
	maxReceiptID    = 300
)

// The reasons for a suppression.
const (
	SuppressedHardBounce = "hard_bounce"
	SuppressedComplaint  = "complaint"
	SuppressedOptedOut   = "opted_out"
)

// The statuses of a DeliveryReceipt.
const (
	StatusSent       = "sent"
	StatusDelivered  = "delivered"
	StatusRead       = "read"
	StatusFailed     = "failed"
	StatusComplained = "complained" // The recipient complained. The state of the delivery stays.
)

// DeliveryReceipt is a verified receipt of a provider: what became of a message after it was
// accepted.
type DeliveryReceipt struct {
	// Provider is the provider's short name, such as "ses". ID is its id of the receipt, or the id of
	// the message with the status; a receipt with the same Provider and ID has no effect. Required.
	Provider, ID string
	// Channel is the channel of the provider. A receipt changes no delivery on another channel.
	Channel string
	// DeliveryID is the delivery that the provider returned; zero if it returned none. ProviderID is
	// the provider's id of the message.
	DeliveryID uuid.UUID
	ProviderID string
	// Status is one of the statuses; Code the provider's error code if it is StatusFailed.
	Status, Code string
	// Suppression is the reason why the address gets no more messages, or "".
	Suppression string
	// Address is the address of the message in the form of the directory; empty means the person's
	// current one. Only its keyed hash is stored, and only for a Suppression.
	Address string
	// At is the time of the change, as the provider reports it.
	At time.Time
}

// Validate returns an error for a receipt that cannot be stored. The error does not contain the
// receipt's text.
func (r DeliveryReceipt) Validate() error {
	switch {
	case r.Provider == "" || r.ID == "" || len(r.ID) > maxReceiptID || len(r.ProviderID) > maxProviderText:
		return care.Errorf(care.Invalid, "the id of the receipt or of its message is missing or too long")
	case r.DeliveryID == uuid.Nil && r.ProviderID == "":
		return care.Errorf(care.Invalid, "the receipt names no message")
	case !slices.Contains([]string{StatusSent, StatusDelivered, StatusRead, StatusFailed, StatusComplained}, r.Status):
		return care.Errorf(care.Invalid, "unknown status of a receipt")
	case strings.ContainsRune(r.ID+r.ProviderID+r.Address, 0):
		return care.Errorf(care.Invalid, "the receipt contains a NUL character")
	}
	return nil
}

// ranks order the states that a receipt can change. A receipt only moves a delivery to a higher
// rank; unknown ranks as uncertain, as a late receipt resolves both.
var ranks = map[string]int{"queued": 1, "uncertain": 2, "unknown": 2, "sent": 3, "delivered": 4, "read": 5}

// next returns the state that a receipt leads to, or false if it changes nothing. A failure is
// ignored if it is about an earlier message of the delivery, and after delivered and read, which it
// cannot undo. A delivery that ended as unknown has used its fallback already.
func next(state, status string, sameMessage bool) (string, bool) {
	switch {
	case status == StatusFailed:
		open := state == "queued" || state == "uncertain" || state == "sent"
		return "failed", open && sameMessage
	case ranks[status] == 0 || ranks[state] == 0:
		return state, false
	}
	return status, ranks[status] > ranks[state]
}

// Applied counts what became of receipts.
type Applied struct {
	// New are those that were not stored before, Repeated the others; Matched those of them whose delivery is known, and
	// not in flight; Changed those that changed its state. Suppressed counts the new suppressions.
	New, Repeated, Matched, Changed, Suppressed int
}

func (a *Applied) add(b Applied) {
	a.New += b.New
	a.Repeated += b.Repeated
	a.Matched += b.Matched
	a.Changed += b.Changed
	a.Suppressed += b.Suppressed
}

// ReceiptApplier stores receipts and applies them to their deliveries. Concurrent calls are
// committed in groups. It is safe for concurrent use and has no goroutine.
type ReceiptApplier struct {
	worker  *Worker
	batcher *batch.Group[[]DeliveryReceipt, Applied]
}

// NewReceiptApplier returns an applier on the worker's pool. The client needs no workers; it
// inserts the jobs of fallbacks.
func (w *Worker) NewReceiptApplier(client *river.Client[pgx.Tx]) *ReceiptApplier {
	a := &ReceiptApplier{worker: w}
	a.batcher = &batch.Group[[]DeliveryReceipt, Applied]{Work: func(ctx context.Context, all [][]DeliveryReceipt) ([]Applied, error) {
		done := make([]Applied, len(all))
		total, err := w.storeReceipts(ctx, client, slices.Concat(all...))
		done[0] = total // The sums are for metrics only.
		return done, err
	}}
	return a
}

// Apply stores the receipts and applies those whose delivery is known, together with the events and
// the fallback of a failure. The others wait until their send is settled, for at most 72 hours. The
// error for an invalid receipt is care.Invalid; nothing is stored then.
func (a *ReceiptApplier) Apply(ctx context.Context, all []DeliveryReceipt) (total Applied, err error) {
	for _, r := range all {
		if err := r.Validate(); err != nil {
			return total, err
		}
	}
	for chunk := range slices.Chunk(all, receiptChunk) {
		done, err := a.batcher.Do(ctx, chunk)
		if err != nil {
			return total, fmt.Errorf("apply receipts: %w", postgres.Translate(err))
		}
		total.add(done)
	}
	return total, nil
}

// storeReceipts stores the receipts and applies the new ones, in one transaction.
func (w *Worker) storeReceipts(ctx context.Context, client *river.Client[pgx.Tx], all []DeliveryReceipt) (done Applied, err error) {
	var p db.ReceiptInsertParams
	for _, r := range all {
		kind, _ := w.cfg.Known.Lookup(r.Channel)
		p.Providers = append(p.Providers, r.Provider)
		p.ReceiptIds = append(p.ReceiptIds, r.ID)
		p.Ids = append(p.Ids, newID())
		p.Channels = append(p.Channels, r.Channel)
		p.Kinds = append(p.Kinds, string(kind.Address))
		p.DeliveryIds = append(p.DeliveryIds, r.DeliveryID)
		p.ProviderIds = append(p.ProviderIds, r.ProviderID)
		p.Statuses = append(p.Statuses, r.Status)
		p.Codes = append(p.Codes, receiptCode(r))
		p.Suppressions = append(p.Suppressions, r.Suppression)
		p.Addresses = append(p.Addresses, r.Address)
		p.Ats = append(p.Ats, r.At)
	}
	var outcomes []MessageOutcome
	err = postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		ids, err := db.New(tx).ReceiptInsert(ctx, p)
		if err != nil {
			return fmt.Errorf("store receipts: %w", err)
		}
		done, outcomes, err = w.applyReceipts(ctx, tx, client, ids)
		done.New, done.Repeated = len(ids), len(all)-len(ids)
		return err
	})
	return done, w.applied(done, outcomes, err)
}

// receiptCode returns the code of a failure, bounded as other codes of providers.
func receiptCode(r DeliveryReceipt) string {
	if r.Status != StatusFailed {
		return ""
	}
	return newError(ClassPermanent, r.Code, 0).Code
}

// applyStored applies receipts that were stored before, in a transaction of its own.
func (w *Worker) applyStored(ctx context.Context, client *river.Client[pgx.Tx], ids []uuid.UUID) (done Applied, err error) {
	if len(ids) == 0 {
		return done, nil
	}
	var outcomes []MessageOutcome
	err = postgres.InTx(ctx, w.cfg.Pool, func(tx pgx.Tx) error {
		done, outcomes, err = w.applyReceipts(ctx, tx, client, ids)
		return err
	})
	return done, w.applied(done, outcomes, err)
}

// applied reports the receipts of a transaction that ended with err, and returns err.
func (w *Worker) applied(done Applied, outcomes []MessageOutcome, err error) error {
	if err != nil {
		return err
	}
	if done.Changed+done.Suppressed > 0 {
		w.cfg.Wake()
	}
	w.observeReceipts(outcomes)
	return nil
}

// applyReceipts applies the receipts that have a delivery which is not in flight. It locks receipts,
// the notifications that may get a fallback, and then deliveries, each in the order of their ids, so
// that concurrent calls do not deadlock.
func (w *Worker) applyReceipts(ctx context.Context, tx pgx.Tx, client *river.Client[pgx.Tx], ids []uuid.UUID) (Applied, []MessageOutcome, error) {
	if len(ids) == 0 {
		return Applied{}, nil, nil
	}
	q := db.New(tx)
	receipts, err := q.ReceiptLock(ctx, ids)
	if err != nil {
		return Applied{}, nil, fmt.Errorf("lock receipts: %w", err)
	}
	wanted := map[uuid.UUID]bool{}
	var failing []uuid.UUID
	for _, r := range receipts {
		if r.Delivery == uuid.Nil {
			continue
		}
		wanted[r.Delivery] = true
		if r.Status == StatusFailed {
			failing = append(failing, r.Delivery)
		}
	}
	if len(wanted) == 0 {
		return Applied{}, nil, nil
	}
	if len(failing) > 0 { // A fallback may make the notification due.
		if err := q.NotificationLockOf(ctx, failing); err != nil {
			return Applied{}, nil, fmt.Errorf("lock notifications: %w", err)
		}
	}
	p := db.ReceiptDeliveryParams{StaleSeconds: staleAfter.Seconds()}
	for id := range wanted {
		p.Ids = append(p.Ids, id)
	}
	rows, err := q.ReceiptDelivery(ctx, p)
	if err != nil {
		return Applied{}, nil, fmt.Errorf("lock deliveries: %w", err)
	}
	c := receiptChanges{known: w.cfg.Known, rows: make(map[uuid.UUID]*receiptTarget, len(rows))}
	for _, row := range rows {
		c.rows[row.ID] = &receiptTarget{ReceiptDeliveryRow: row}
	}
	for _, r := range receipts {
		c.apply(r)
	}
	done, err := w.writeReceipts(ctx, tx, client, &c)
	return done, c.outcomes, err
}

// receiptTarget is a locked delivery with the changes to write.
type receiptTarget struct {
	db.ReceiptDeliveryRow
	changed                bool
	by, messageID, newCode string
}

// receiptChanges are the changes of the receipts of one transaction.
type receiptChanges struct {
	known        care.Channels
	rows         map[uuid.UUID]*receiptTarget
	matched      []uuid.UUID
	events       []event.Event
	failed       []*receiptTarget
	suppressions []suppression
	outcomes     []MessageOutcome
	changed      int
}

// apply adds the changes of one receipt. A receipt of a delivery in flight waits: its send is about
// to be settled, which applies it.
func (c *receiptChanges) apply(r db.ReceiptLockRow) {
	d := c.rows[r.Delivery]
	if d == nil || d.InFlight {
		return
	}
	c.matched = append(c.matched, r.ID)
	sameMessage := d.ProviderID == "" || r.ProviderID == "" || d.ProviderID == r.ProviderID
	if state, ok := next(d.State, r.Status, sameMessage); ok {
		d.State, d.changed, d.by, d.messageID, d.newCode = state, true, r.Provider, r.ProviderID, r.Code
		c.changed++
		c.events = append(c.events, d.outcome(r))
		c.outcomes = append(c.outcomes, d.messageOutcome(r))
		if state == "failed" {
			c.failed = append(c.failed, d)
		}
	}
	if r.Status == StatusComplained {
		c.outcomes = append(c.outcomes, d.messageOutcome(r))
	}
	if kind, ok := c.known.Lookup(r.Channel); ok && r.Suppression != "" {
		c.suppressions = append(c.suppressions, suppression{
			id: newID(), kind: kind.Address, channel: r.Channel, reason: r.Suppression, source: r.Provider,
			user: d.RecipientID, receipt: r.ID, cause: d.delivery(),
		})
	}
}

func (t *receiptTarget) delivery() delivery {
	return delivery{
		id: t.ID, notificationID: t.NotificationID, eventID: t.EventID, recipientID: t.RecipientID, clinicID: t.ClinicID,
		channel: t.Channel, rule: t.Rule, ruleVersion: t.RuleVersion, attempt: t.Attempt,
		correlationID: t.CorrelationID, traceparent: t.Traceparent,
	}
}

// messageOutcome returns the outcome that the receipt reports.
func (t *receiptTarget) messageOutcome(r db.ReceiptLockRow) MessageOutcome {
	outcome := r.Status
	if outcome == StatusFailed {
		outcome = bounced
	}
	return MessageOutcome{t.Channel, cmp.Or(t.Provider, r.Provider), t.TemplateVersion, outcome}
}

// outcome returns the event of the delivery's new state. Its provider is the configured one that sent
// the message: several of one kind have the same receipts.
func (t *receiptTarget) outcome(r db.ReceiptLockRow) event.Event {
	s := settlement{delivery: t.delivery(), state: t.State, receipt: Receipt{Provider: cmp.Or(t.Provider, r.Provider), ProviderID: r.ProviderID}}
	return s.outcome("notification."+t.State, r.Code, t.PossibleDuplicate)
}

// writeReceipts writes the changes.
func (w *Worker) writeReceipts(ctx context.Context, tx pgx.Tx, client *river.Client[pgx.Tx], c *receiptChanges) (Applied, error) {
	q := db.New(tx)
	done := Applied{Matched: len(c.matched), Changed: c.changed}
	var p db.ReceiptSettleParams
	for _, d := range c.rows {
		if !d.changed {
			continue
		}
		p.Ids = append(p.Ids, d.ID)
		p.States = append(p.States, d.State)
		p.Providers = append(p.Providers, d.by)
		p.ProviderIds = append(p.ProviderIds, d.messageID)
		p.Codes = append(p.Codes, d.newCode)
	}
	if len(p.Ids) > 0 {
		if err := q.ReceiptSettle(ctx, p); err != nil {
			return done, fmt.Errorf("settle by receipts: %w", err)
		}
	}
	if err := outbox.Append(ctx, tx, c.events...); err != nil {
		return done, err
	}
	raised, err := raiseSuppressions(ctx, tx, c.suppressions)
	if err != nil {
		return done, err
	}
	done.Suppressed = raised
	for _, d := range c.failed {
		if err := w.fallBack(ctx, tx, client, settlement{delivery: d.delivery(), state: "failed"}, d.Fallback); err != nil {
			return done, err
		}
	}
	if len(c.matched) > 0 {
		if err := q.ReceiptApplied(ctx, c.matched); err != nil {
			return done, fmt.Errorf("mark receipts as applied: %w", err)
		}
	}
	return done, nil
}
