package ehr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Get returns the current version of the record. The error is care.NotFound if there is no such
// record, or the actor may not see it. A read by the doctor named in the record counts as the
// review of its critical finding.
func (k *Kind[B]) Get(ctx context.Context, cmd care.Command, id uuid.UUID) (Record[B], error) {
	var r Record[B]
	err := k.show(ctx, cmd, id, true, func(row db.Record, v view, _ *db.Queries) (action string, version int64, err error) {
		r, err = k.seen(row, v)
		return readOne, row.Version, err
	})
	return r, err
}

// Current is Get for a replayed request: it does not count as a review.
func (k *Kind[B]) Current(ctx context.Context, cmd care.Command, id uuid.UUID) (Record[B], error) {
	var r Record[B]
	err := k.show(ctx, cmd, id, false, func(row db.Record, v view, _ *db.Queries) (action string, version int64, err error) {
		r, err = k.seen(row, v)
		return readOne, row.Version, err
	})
	return r, err
}

// HistoryPage selects versions of a record. The zero value selects the newest 50.
type HistoryPage struct {
	// Cursor is the Next of the previous page.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// check returns the version before which the page begins. The cursor is the last version of the
// previous page.
func (h *HistoryPage) check() (int64, error) {
	var errs care.FieldErrors
	h.Limit = errs.PageLimit(h.Limit)
	before, err := strconv.ParseInt(cmp.Or(h.Cursor, strconv.FormatInt(math.MaxInt64, 10)), 10, 64)
	if err != nil || before < 1 {
		errs.InvalidCursor()
	}
	return before, errs.Err()
}

// ListVersions returns a page of the record's versions in descending order. Errors as for Get.
func (k *Kind[B]) ListVersions(ctx context.Context, cmd care.Command, id uuid.UUID, h HistoryPage) (Page[B], error) {
	before, err := h.check()
	if err != nil {
		return Page[B]{}, err
	}
	page := Page[B]{Items: []Record[B]{}}
	err = k.show(ctx, cmd, id, false, func(row db.Record, v view, q *db.Queries) (string, int64, error) {
		current, err := k.seen(row, v)
		if err != nil {
			return "", 0, err
		}
		olds, err := q.RecordVersionList(ctx, db.RecordVersionListParams{RecordID: id, Before: before, First: v.first, RowLimit: int32(h.Limit) + 1})
		if err != nil {
			return "", 0, fmt.Errorf("read versions: %w", err)
		}
		if before > row.Version {
			page.Items = append(page.Items, current)
		}
		for _, old := range olds {
			r, err := k.version(current, db.RecordVersionGetRow(old))
			if err != nil {
				return "", 0, err
			}
			page.Items = append(page.Items, r)
		}
		page.Items, page.Next = care.Paginate(page.Items, h.Limit, func(last Record[B]) string {
			return strconv.FormatInt(last.Version, 10)
		})
		return readHistory, row.Version, nil
	})
	return page, err
}

// GetVersion returns one version of the record, current or not. Errors as for Get; the error is
// also care.NotFound for a version that does not exist.
func (k *Kind[B]) GetVersion(ctx context.Context, cmd care.Command, id uuid.UUID, version int64) (Record[B], error) {
	var r Record[B]
	err := k.show(ctx, cmd, id, false, func(row db.Record, v view, q *db.Queries) (string, int64, error) {
		current, err := k.seen(row, v)
		if err != nil || version == row.Version {
			r = current
			return readVersion, version, err
		}
		if version < v.first || version > row.Version {
			return "", 0, care.Errorf(care.NotFound, "the record has no version %d: it has %d to %d", version, v.first, row.Version)
		}
		old, err := q.RecordVersionGet(ctx, db.RecordVersionGetParams{RecordID: id, Version: version})
		if err != nil {
			return "", 0, fmt.Errorf("read version: %w", err)
		}
		r, err = k.version(current, old)
		return readVersion, version, err
	})
	return r, err
}

func (k *Kind[B]) version(current Record[B], old db.RecordVersionGetRow) (Record[B], error) {
	b, err := k.decode(old.Body)
	current.Version, current.UpdatedAt, current.UpdatedBy = old.Version, old.UpdatedAt, old.UpdatedBy
	current.Reason, current.Body = old.Reason, b
	return current, err
}

// show reads a record that the actor may see, passes it to take, and commits the audit event before
// it returns. reviews reports whether the read counts as a review by the responsible doctor.
func (k *Kind[B]) show(ctx context.Context, cmd care.Command, id uuid.UUID, reviews bool, take func(row db.Record, v view, q *db.Queries) (action string, version int64, err error)) error {
	return k.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.RecordGet(ctx, db.RecordGetParams{ActorID: cmd.Actor.UserID, ID: id, Kind: k.name})
		if errors.Is(err, pgx.ErrNoRows) {
			return k.notFoundOrHidden(cmd, care.RecordRead, id, nil)
		}
		if err != nil {
			return fmt.Errorf("read record: %w", err)
		}
		v, ok := viewOf(cmd.Actor, row.Record, standing{onCareTeam: row.OnCareTeam})
		if !ok {
			return k.notFoundOrHidden(cmd, care.RecordRead, id, &row.Record)
		}
		action, version, err := take(row.Record, v, q)
		if err != nil {
			return err
		}
		events := []event.Event{k.readEvent(cmd, row.Record, action, version)}
		if reviews && k.answersFor(cmd.Actor, row.Record) {
			reviewed, err := k.review(ctx, q, cmd, row.Record)
			if err != nil {
				return err
			}
			events = append(events, reviewed...)
		}
		return outbox.Append(ctx, tx, events...)
	})
}
