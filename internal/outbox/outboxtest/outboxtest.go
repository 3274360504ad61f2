// Package outboxtest checks which events a test appended, and their data:
//
//	outboxtest.Require(t, tx, "ehr.lab_report.created", outboxtest.Subject(ref), outboxtest.Data(map[string]any{"status": "final"}))
//
// It reads the outbox and the ledger, so that it does not matter whether a sequencer runs. With a
// transaction it sees the uncommitted events of that transaction; with a pool, the committed ones.
// If an event is missing, the failure lists the appended events and their differences.
package outboxtest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
)

// maxShown is the maximum number of events with differences in a failure message.
const maxShown = 10

// Database is a transaction or a pool on a database of postgrestest, in any role. The role of
// requests may append to the outbox but not read it; the test database has a function that does.
type Database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Want is a requirement on an event.
type Want struct {
	// fields are compared by their names in the CloudEvents envelope.
	fields map[string]any
	data   map[string]any
	check  func(e event.Event) string
}

// Subject requires the event to have the subject.
func Subject(ref care.Ref) Want { return field("subject", ref.String()) }

// Version requires the event to have the subject version.
func Version(version int64) Want { return field("subjectversion", version) }

// Person requires the event to be about the person.
func Person(id uuid.UUID) Want { return field("personid", id) }

// Clinic requires the event to belong to the clinic.
func Clinic(id uuid.UUID) Want { return field("clinicid", id) }

// Actor requires the event to have the actor: a person's id, or "system:<part>".
func Actor(id string) Want { return field("actorid", id) }

// Cause requires the event to be caused by the event with this id.
func Cause(id uuid.UUID) Want { return field("causeid", id) }

func field(name string, value any) Want { return Want{fields: map[string]any{name: plain(value)}} }

// Data requires the event's data to have these fields with these values; other fields are ignored.
// fields is a map, or a payload struct: every field of its JSON counts.
func Data(fields any) Want {
	data, ok := plain(fields).(map[string]any)
	if !ok {
		panic(fmt.Sprintf("outboxtest: Data takes a map or a struct, not %T", fields))
	}
	return Want{data: data}
}

// That requires check to return an empty string. check returns a description of the difference
// otherwise.
func That(check func(e event.Event) string) Want { return Want{check: check} }

// plain converts the value to its decoded JSON form: an id equals its text, and every number has
// one type.
func plain(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("outboxtest: %v", err))
	}
	var read any
	if err := json.Unmarshal(text, &read); err != nil {
		panic(fmt.Sprintf("outboxtest: %v", err))
	}
	return read
}

// Require fails the test unless exactly one appended event of the type meets all requirements, and
// returns it.
func Require(tb testing.TB, db Database, typ string, wants ...Want) event.Event {
	tb.Helper()
	return RequireCount(tb, db, 1, typ, wants...)[0]
}

// RequireNone fails the test if an appended event of the type meets all requirements.
func RequireNone(tb testing.TB, db Database, typ string, wants ...Want) {
	tb.Helper()
	RequireCount(tb, db, 0, typ, wants...)
}

// RequireCount fails the test unless n appended events of the type meet all requirements, and
// returns them in order.
func RequireCount(tb testing.TB, db Database, n int, typ string, wants ...Want) []event.Event {
	tb.Helper()
	if _, ok := event.Lookup(typ); !ok {
		tb.Fatalf("%s is not in the event catalog: no such event can be appended", typ)
	}
	all := Appended(tb, db)
	var found []event.Event
	for _, e := range all {
		if e.Type == typ && differs(e, wants) == "" {
			found = append(found, e)
		}
	}
	if len(found) != n {
		tb.Fatalf("%s", explain(n, len(found), typ, all, wants))
	}
	return found
}

// Appended returns every appended event, in order: the ledger's first, then those in the outbox.
func Appended(tb testing.TB, db Database) []event.Event {
	tb.Helper()
	all, err := read(tb.Context(), db)
	if err != nil {
		tb.Fatalf("read what was appended: %v", err)
	}
	return all
}

// read uses a savepoint or a transaction that it rolls back, so that it changes nothing.
func read(ctx context.Context, db Database) ([]event.Event, error) {
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	rows, err := tx.Query(ctx, `SELECT * FROM carewire_test.appended()`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (e event.Event, err error) {
		err = row.Scan(&e.Position, &e.ID, &e.Type, &e.Source, &e.Subject, &e.SubjectVersion, &e.Time, &e.Data, &e.ClinicID, &e.PersonID,
			&e.ActorID, &e.ActorRole, &e.CauseID, &e.CorrelationID, &e.Traceparent, &e.Imported)
		return e, err
	})
}

// differs returns the differences between the event and the requirements, or an empty string.
func differs(e event.Event, wants []Want) string {
	envelope, _ := plain(e).(map[string]any)
	data, _ := envelope["data"].(map[string]any)
	var said []string
	var want, got lines
	for _, w := range wants {
		pick("", w.fields, envelope, &want, &got)
		pick("data.", w.data, data, &want, &got)
		if w.check != nil {
			if wrong := w.check(e); wrong != "" {
				said = append(said, wrong+"\n")
			}
		}
	}
	return cmp.Diff(want, got) + strings.Join(said, "")
}

// lines are fields with their values, one per line. With a String method, cmp prints each in full
// instead of cutting it at the first difference.
type lines []whole

type whole struct{ text string }

func (w whole) String() string         { return w.text }
func (w whole) Equal(other whole) bool { return w == other }

// pick adds the required fields to want, and the event's values of them to got.
func pick(prefix string, fields, from map[string]any, want, got *lines) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		*want = append(*want, newLine(prefix+name, fields[name]))
		if there, ok := from[name]; ok {
			*got = append(*got, newLine(prefix+name, there))
		}
	}
}

func newLine(name string, value any) whole {
	text, _ := json.Marshal(value) // It was decoded from JSON.
	return whole{name + ": " + string(text)}
}

// explain describes the required and the appended events: first the events of the type with their
// differences, then the others, one line each.
func explain(n, found int, typ string, all []event.Event, wants []Want) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: wanted %d, but %d were appended", typ, n, found)
	if len(wants) > 0 {
		b.WriteString(" that have what is wanted")
	}
	if len(all) == 0 {
		b.WriteString(". Nothing was appended at all.")
	}
	shown := 0
	for _, e := range all {
		if e.Type != typ {
			continue
		}
		if shown++; shown > maxShown {
			b.WriteString("\n… and more of the type")
			break
		}
		fmt.Fprintf(&b, "\n%s", line(e))
		if diff := differs(e, wants); diff != "" {
			fmt.Fprintf(&b, "\n  differs (-wanted +appended):\n    %s", strings.ReplaceAll(strings.TrimSpace(diff), "\n", "\n    "))
		}
	}
	shown = 0
	for _, e := range all {
		if e.Type == typ {
			continue
		}
		if shown++; shown > maxShown {
			b.WriteString("\n… and more of other types")
			break
		}
		fmt.Fprintf(&b, "\n%s", line(e))
	}
	return b.String()
}

func line(e event.Event) string {
	version := ""
	if e.SubjectVersion != nil {
		version = fmt.Sprintf(" version %d", *e.SubjectVersion)
	}
	return fmt.Sprintf("- %s %s%s by %s %s", e.Type, e.Subject, version, e.ActorID, e.Data)
}
