package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// subjectForm and subjectIDLength match the constraint outbox_subject_form.
var subjectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]+$`)

const subjectIDLength = 100

// maxDataBytes matches the constraint outbox_data_length, and maxDataDepth the function
// outbox_append.
const (
	maxDataBytes = 65536
	maxDataDepth = 64
)

// Append inserts the events into the outbox in the given order, in one round trip. It must be the
// transaction's last write to the aggregates of the events (see the package comment).
//
// An event with CutsOff raises the cut-off of its subject, in the same round trip. What waited for its
// time about a lower version is cancelled, with one notification.cancelled for each notification,
// which take one more.
//
// Append returns an error for an event with a type that is not in the catalog, without a data field
// that its type requires, or with an incomplete envelope. The error names the field. It indicates a
// bug in the program, not a bad request.
func Append(ctx context.Context, tx pgx.Tx, events ...event.Event) error {
	if err := checkAll(events); err != nil {
		return err
	}
	rememberFirst(tx, events)
	ctx, span := traced(ctx, events)
	defer span.End()
	if len(events) == 0 {
		return nil
	}
	var err error
	if cuts := cutOffs(events); len(cuts) > 0 {
		err = insertCuttingOff(ctx, tx, events, cuts)
	} else {
		err = insert(ctx, db.New(tx), events)
	}
	if err != nil {
		span.Fail("append")
		return fmt.Errorf("append events: %w", err)
	}
	return nil
}

// insert inserts one event or more.
func insert(ctx context.Context, q *db.Queries, events []event.Event) error {
	if len(events) == 1 {
		return q.OutboxInsert(ctx, insertParams(&events[0]))
	}
	return q.OutboxInsertMany(ctx, insertManyParams(events))
}

func checkAll(events []event.Event) error {
	for i := range events {
		if err := check(&events[i]); err != nil {
			return fmt.Errorf("append event %q: %w", events[i].Type, err)
		}
	}
	return nil
}

// check makes the checks of the outbox's constraints and of outbox_append. Its errors name the
// field.
func check(e *event.Event) error {
	required, ok := requiredData()[e.Type]
	if !ok {
		return errors.New("type: is not in the catalog")
	}
	if !e.Unmodified() { // The data that event.New makes from a payload is valid for its type.
		if err := checkData(e.Data, required); err != nil {
			return err
		}
	}
	switch {
	case e.ID == uuid.Nil:
		return errors.New("id: is required")
	case e.Time.IsZero():
		return errors.New("time: is required")
	case !event.TimeInRange(e.Time):
		return errors.New("time: must be in the years 1 to 9999, in UTC")
	case e.SubjectVersion != nil && *e.SubjectVersion <= 0:
		return errors.New("subject version: must be positive")
	case e.CutsOff && e.SubjectVersion == nil:
		return errors.New("subject version: is required of an event that cuts off")
	case !subjectForm.MatchString(e.Subject), len(e.Subject)-strings.IndexByte(e.Subject, '/')-1 > subjectIDLength:
		return errors.New(`subject: must be a kind and an id, such as "lab_report/0190a1b2"`)
	}
	// The lengths match the constraints of the table outbox.
	return errors.Join(
		length("source", e.Source, 1, 200),
		length("actor id", e.ActorID, 1, 200),
		length("actor role", e.ActorRole, 1, 50),
		length("correlation id", care.OrZero(e.CorrelationID), 0, 200),
		length("traceparent", care.OrZero(e.Traceparent), 0, 100),
	)
}

// checkData decodes all of the data as its readers may do. A number beyond the range of a float64
// is an error.
func checkData(text []byte, required []string) error {
	if len(text) > maxDataBytes {
		return fmt.Errorf("data: must have at most %d bytes as text, has %d", maxDataBytes, len(text))
	}
	var data map[string]any
	err := json.Unmarshal(text, &data)
	if number, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && strings.HasPrefix(number.Value, "number") {
		return errors.New("data: contains a number beyond the range of a double")
	}
	if err != nil || data == nil {
		return errors.New("data: must be a JSON object")
	}
	if deeper(data, maxDataDepth) {
		return fmt.Errorf("data: must be nested at most %d levels deep", maxDataDepth)
	}
	for _, name := range required {
		if _, ok := data[name]; !ok {
			return fmt.Errorf("data.%s: is required", name)
		}
	}
	return nil
}

// deeper reports whether a decoded JSON value is nested deeper than the given number of levels.
func deeper(value any, levels int) bool {
	if levels < 0 {
		return true
	}
	switch x := value.(type) {
	case []any:
		return slices.ContainsFunc(x, func(v any) bool { return deeper(v, levels-1) })
	case map[string]any:
		for _, v := range x {
			if deeper(v, levels-1) {
				return true
			}
		}
	}
	return false
}

func length(field, text string, least, most int) error {
	if n := utf8.RuneCountInString(text); n < least || n > most {
		return fmt.Errorf("%s: must have %d to %d characters, has %d", field, least, most, n)
	}
	return nil
}
