package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// eventColumns is the number of columns of the table events. Each query for whole events returns
// them in the table's order.
const eventColumns = 19

// columnTypes are the types of those columns. Any other type is a fault of the schema or the
// program, which would make a dead letter of every row: the read fails.
var columnTypes = [eventColumns]uint32{
	pgtype.Int8OID, pgtype.Int4OID, pgtype.UUIDOID, pgtype.TextOID, pgtype.TextOID, pgtype.TextOID, pgtype.Int8OID,
	pgtype.TimestamptzOID, pgtype.JSONBOID, pgtype.UUIDOID, pgtype.UUIDOID, pgtype.TextOID, pgtype.TextOID, pgtype.UUIDOID,
	pgtype.TextOID, pgtype.TextOID, pgtype.BoolOID, pgtype.TimestamptzOID, pgtype.ByteaOID,
}

// destinations returns the fields of an event in the order of the columns. The data is scanned as
// bytes: PostgreSQL has checked that it is JSON, and complete finds what encoding/json refuses.
func destinations(e *event.Event) [eventColumns]any {
	return [eventColumns]any{
		&e.Position, &e.Epoch, &e.ID, &e.Type, &e.Source, &e.Subject, &e.SubjectVersion, &e.Time, (*[]byte)(&e.Data), &e.ClinicID, &e.PersonID,
		&e.ActorID, &e.ActorRole, &e.CauseID, &e.CorrelationID, &e.Traceparent, &e.Imported, &e.RecordedAt, &e.LeafHash,
	}
}

// deepest is the maximum nesting of JSON that encoding/json reads. A shorter text cannot be nested
// deeper.
const deepest = 10_000

// Events runs a query for whole events, such as db.Queries.EventList, and returns the events. It is
// the only place that converts rows to events, and it is total: if a value cannot be read, or could
// not be marshalled again, its field is zero and the event's Unreadable names it. No row hides the
// others from a reader.
func Events[Row any](q db.DBTX, run func(queries *db.Queries) ([]Row, error)) ([]event.Event, error) {
	var events []event.Event
	if err := each(q, run, appendTo(&events)); err != nil {
		return nil, err
	}
	return events, nil
}

// each runs a query like Events, and calls fn with each event, which is valid during the call.
func each[Row any](q db.DBTX, run func(queries *db.Queries) ([]Row, error), fn func(e *event.Event)) error {
	if _, err := run(db.New(reader{q, fn})); err != nil {
		return fmt.Errorf("read the ledger: %w", postgres.Translate(err))
	}
	return nil
}

// reader takes the rows of a generated query, whose arguments thus keep their types, and leaves
// none.
type reader struct {
	db.DBTX

	fn func(e *event.Event)
}

// Query sends the query and reads all of its rows.
func (r reader) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := r.DBTX.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return read{}, scanEach(rows, r.fn)
}

// read is the empty rest of the rows.
type read struct{ pgx.Rows }

func (read) Next() bool { return false }
func (read) Close()     {}
func (read) Err() error { return nil }

// scan returns the events of the rows.
func scan(rows pgx.Rows) ([]event.Event, error) {
	var events []event.Event
	err := scanEach(rows, appendTo(&events))
	return events, err
}

func appendTo(events *[]event.Event) func(e *event.Event) {
	return func(e *event.Event) { *events = append(*events, *e) }
}

// scanEach calls fn with the event of each row, which is valid during the call. A column with the same
// bytes as in the row before keeps its value, which costs neither time nor memory: events that follow
// each other have much in common. Nothing changes the values of an event in place, so that events can
// share them.
func scanEach(rows pgx.Rows, fn func(e *event.Event)) error {
	defer rows.Close()
	var s scanner
	to := destinations(&s.event)
	for planned := false; rows.Next(); planned = true {
		if !planned {
			if err := plan(rows, &s.plans, to); err != nil {
				return err
			}
		}
		if s.event.Unreadable != "" || !s.scan(rows, &to) {
			// A field that cannot be read is zero, not that of the row before.
			s.event, s.before = event.Event{}, [eventColumns][]byte{}
			s.scan(rows, &to)
		}
		complete(&s.event)
		fn(&s.event)
	}
	return rows.Err()
}

// scanner has the event of the row that was scanned last.
type scanner struct {
	event event.Event
	// before are the row's columns. An empty one, which may be NULL, is scanned again.
	before [eventColumns][]byte
	plans  [eventColumns]pgtype.ScanPlan
}

// scan scans the columns of a row that differ from the row before, and reports whether all of them
// can be read.
func (s *scanner) scan(rows pgx.Rows, to *[eventColumns]any) bool {
	for i, raw := range rows.RawValues() {
		if len(raw) > 0 && bytes.Equal(raw, s.before[i]) {
			continue
		}
		s.before[i] = append(s.before[i][:0], raw...)
		if err := s.plans[i].Scan(raw, to[i]); err != nil {
			s.event.Unreadable = postgres.ScanTarget(rows.FieldDescriptions()[i].Name, err)
		}
	}
	return s.event.Unreadable == ""
}

// plan prepares, once for all rows, the conversion of each column to its field.
func plan(rows pgx.Rows, plans *[eventColumns]pgtype.ScanPlan, to [eventColumns]any) error {
	fields := rows.FieldDescriptions()
	if len(fields) != eventColumns {
		return fmt.Errorf("an event has %d columns, this binary knows %d", len(fields), eventColumns)
	}
	types := rows.Conn().TypeMap()
	for i, f := range fields {
		if f.DataTypeOID != columnTypes[i] {
			return fmt.Errorf("column %s has type %d, this binary knows %d", f.Name, f.DataTypeOID, columnTypes[i])
		}
		plans[i] = types.PlanScan(f.DataTypeOID, f.Format, to[i])
	}
	return nil
}

// complete converts times to UTC, and finds values that could be scanned but not marshalled.
func complete(e *event.Event) {
	e.Time, e.RecordedAt = e.Time.UTC(), e.RecordedAt.UTC()
	if !event.TimeInRange(e.Time) {
		e.Unreadable, e.Time = "column time into time.Time", time.Time{}
	}
	if len(e.Data) > deepest && !json.Valid(e.Data) {
		e.Unreadable, e.Data = "column data into json.RawMessage", nil
	}
}
