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

	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// subjectForm and subjectIDLength are what the constraint outbox_subject_form asks for.
var subjectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]+$`)

const subjectIDLength = 100

// maxDataBytes and maxDataDepth are what the constraint outbox_data_length and outbox_append ask for.
const (
	maxDataBytes = 65536
	maxDataDepth = 64
)

// Append puts the events into the outbox in the order given, in one round trip. It must be the transaction's last write
// on the aggregates that they are about (see the package comment).
//
// It refuses an event whose type is not in the catalog, whose data lacks a field that the type requires, or whose
// envelope is not whole. The error names the field: it is a mistake in the program, not in a request.
func Append(ctx context.Context, tx pgx.Tx, events ...event.Event) error {
	for i := range events {
		if err := check(&events[i]); err != nil {
			return fmt.Errorf("append event %q: %w", events[i].Type, err)
		}
	}
	noteFirst(tx, events)
	ctx, span := traced(ctx, events)
	defer span.End()
	var err error
	switch q := db.New(tx); len(events) {
	case 0:
		return nil
	case 1:
		err = q.OutboxInsert(ctx, single(&events[0]))
	default:
		err = q.OutboxInsertMany(ctx, many(events))
	}
	if err != nil {
		span.Fail("append")
		return fmt.Errorf("append events: %w", err)
	}
	return nil
}

// check says what the constraints of the outbox and outbox_append would say, with the name of the field.
func check(e *event.Event) error {
	required, ok := requiredData()[e.Type]
	if !ok {
		return errors.New("type: is not in the catalog")
	}
	if !e.AsMade() { // What event.New made of a payload is what its type requires.
		if err := checkData(e.Data, required); err != nil {
			return err
		}
	}
	switch {
	case e.ID == uuid.Nil:
		return errors.New("id: must be set")
	case e.Time.IsZero():
		return errors.New("time: must be set")
	case !event.TimeInRange(e.Time):
		return errors.New("time: must be a time of the years 1 to 9999 in UTC")
	case e.SubjectVersion != nil && *e.SubjectVersion <= 0:
		return errors.New("subject version: must be positive")
	case !subjectForm.MatchString(e.Subject), len(e.Subject)-strings.IndexByte(e.Subject, '/')-1 > subjectIDLength:
		return errors.New(`subject: must be a kind and an id, as in "lab_report/0190a1b2"`)
	}
	return errors.Join(
		length("source", e.Source, 1, 200),
		length("actor id", e.ActorID, 1, 200),
		length("actor role", e.ActorRole, 1, 50),
		length("correlation id", value(e.CorrelationID), 0, 200),
		length("traceparent", value(e.Traceparent), 0, 100),
	)
}

// checkData decodes all of the data, as its readers may: a number that a float64 cannot hold is an error.
func checkData(text []byte, required []string) error {
	if len(text) > maxDataBytes {
		return fmt.Errorf("data: must have at most %d bytes as text, has %d", maxDataBytes, len(text))
	}
	var data map[string]any
	err := json.Unmarshal(text, &data)
	if number, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && strings.HasPrefix(number.Value, "number") {
		return errors.New("data: holds a number that a double cannot hold")
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

// deeper reports whether a decoded JSON value has more levels below it than that.
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

func single(e *event.Event) db.OutboxInsertParams {
	return db.OutboxInsertParams{
		EventID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject, SubjectVersion: e.SubjectVersion, Time: e.Time,
		Data: e.Data, ClinicID: e.ClinicID, PersonID: e.PersonID, ActorID: e.ActorID, ActorRole: e.ActorRole, CauseID: e.CauseID,
		CorrelationID: nonZero(e.CorrelationID), Traceparent: nonZero(e.Traceparent), Imported: e.Imported,
	}
}

func many(events []event.Event) db.OutboxInsertManyParams {
	var p db.OutboxInsertManyParams
	for i := range events {
		e := &events[i]
		p.EventIds = append(p.EventIds, e.ID)
		p.Types = append(p.Types, e.Type)
		p.Sources = append(p.Sources, e.Source)
		p.Subjects = append(p.Subjects, e.Subject)
		p.SubjectVersions = append(p.SubjectVersions, value(e.SubjectVersion))
		p.Times = append(p.Times, e.Time)
		p.Data = append(p.Data, e.Data)
		p.ClinicIds = append(p.ClinicIds, value(e.ClinicID))
		p.PersonIds = append(p.PersonIds, value(e.PersonID))
		p.ActorIds = append(p.ActorIds, e.ActorID)
		p.ActorRoles = append(p.ActorRoles, e.ActorRole)
		p.CauseIds = append(p.CauseIds, value(e.CauseID))
		p.CorrelationIds = append(p.CorrelationIds, value(e.CorrelationID))
		p.Traceparents = append(p.Traceparents, value(e.Traceparent))
		p.Imported = append(p.Imported, e.Imported)
	}
	return p
}

// value is what p points to, or the zero value, which stands for NULL in OutboxInsertMany.
func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// nonZero makes a pointer to a zero value nil, so that one event is stored alike whichever statement stores it.
func nonZero[T comparable](p *T) *T {
	if p == nil || *p == *new(T) {
		return nil
	}
	return p
}
