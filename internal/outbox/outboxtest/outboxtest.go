// Package outboxtest tells a test which events were appended, with what data:
//
//	outboxtest.Require(t, tx, "ehr.lab_report.created", outboxtest.Subject(ref), outboxtest.Data(map[string]any{"status": "final"}))
//
// It looks in the outbox and in the ledger, so that it does not matter whether a sequencer runs. Given a transaction it
// sees what that one appended and has not committed; given a pool, what was committed. Where an event is missing it says
// what was appended instead, and how that differs.
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

// maxShown is how many events a failure shows with their differences.
const maxShown = 10

// Database is a transaction or a pool on a database of postgrestest, in whatever role. The role that requests run as may
// append to the outbox, but not read it: such a database has a function that does.
type Database interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Want is something that an event must have.
type Want struct {
	// fields are compared; they go by their names in the CloudEvents envelope.
	fields map[string]any
	data   map[string]any
	check  func(e event.Event) string
}

// Subject wants the event to be about the thing.
func Subject(ref care.Ref) Want { return field("subject", ref.String()) }

// Version wants the event to have made this version of its subject.
func Version(version int64) Want { return field("subjectversion", version) }

// Person wants the event to be about the person.
func Person(id uuid.UUID) Want { return field("personid", id) }

// Clinic wants the event to belong to the clinic.
func Clinic(id uuid.UUID) Want { return field("clinicid", id) }

// Actor wants the event to be caused by the actor: a person's id, or "system:<part>".
func Actor(id string) Want { return field("actorid", id) }

// Cause wants the event to follow from the one with this id.
func Cause(id uuid.UUID) Want { return field("causeid", id) }

func field(name string, value any) Want { return Want{fields: map[string]any{name: plain(value)}} }

// Data wants the event's data to hold these fields with these values, whatever else it holds: a map, or the payload's
// struct, of which every field counts that its JSON has.
func Data(fields any) Want {
	data, ok := plain(fields).(map[string]any)
	if !ok {
		panic(fmt.Sprintf("outboxtest: Data takes a map or a struct, not %T", fields))
	}
	return Want{data: data}
}

// That wants what check asks for: it answers with what is wrong with the event, or with nothing.
func That(check func(e event.Event) string) Want { return Want{check: check} }

// plain gives the value as JSON reads it, so that an id equals its text and every number is of one type.
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

// Require fails the test unless exactly one event of the type that has all that is wanted was appended, and gives it.
func Require(tb testing.TB, db Database, typ string, wants ...Want) event.Event {
	tb.Helper()
	return RequireCount(tb, db, 1, typ, wants...)[0]
}

// RequireNone fails the test when an event of the type that has all that is wanted was appended.
func RequireNone(tb testing.TB, db Database, typ string, wants ...Want) {
	tb.Helper()
	RequireCount(tb, db, 0, typ, wants...)
}

// RequireCount fails the test unless n events of the type that have all that is wanted were appended, and gives them in
// their order.
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

// Appended gives every event that was appended, in order: those that the ledger has, then those that still wait.
func Appended(tb testing.TB, db Database) []event.Event {
	tb.Helper()
	all, err := read(tb.Context(), db)
	if err != nil {
		tb.Fatalf("read what was appended: %v", err)
	}
	return all
}

// read looks in a savepoint or a transaction that is rolled back, so that nothing has changed.
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

// differs says in what the event differs from what is wanted, or nothing.
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

// lines are fields with their values, a line each. Given a String method, cmp shows each whole rather than cut up where
// two differ.
type lines []whole

type whole struct{ text string }

func (w whole) String() string         { return w.text }
func (w whole) Equal(other whole) bool { return w == other }

// pick puts the wanted fields into want, and what there is of them into got.
func pick(prefix string, fields, from map[string]any, want, got *lines) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		*want = append(*want, newLine(prefix+name, fields[name]))
		if there, ok := from[name]; ok {
			*got = append(*got, newLine(prefix+name, there))
		}
	}
}

func newLine(name string, value any) whole {
	text, _ := json.Marshal(value) // It was read from JSON.
	return whole{name + ": " + string(text)}
}

// explain says what was wanted and what was appended: first the events of the type with their differences, then the
// rest in one line each.
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
