package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// RuleSet is a published version of the rules.
type RuleSet struct {
	Version int32  `json:"version"`
	Note    string `json:"note" doc:"Why it was published."`
	// PublishedBy is the id of the actor.
	PublishedBy string    `json:"publishedBy" doc:"A person's id, or system:<part>."`
	PublishedAt time.Time `json:"publishedAt" format:"date-time"`
	// Position is the position of the event after which the set is in force; 0 until the planner
	// has passed it.
	Position int64 `json:"position,omitempty" doc:"Where in the ledger it came into force; left out while the planner has not come to it."`
	// ConditionFailures counts the events for which a condition of a rule could not be evaluated, a
	// condition and an event once. FailedConditions lists them; Versions leaves it out.
	ConditionFailures int64             `json:"conditionFailures" doc:"How often a condition of a rule could not be evaluated on an event. Above 0, rules notify other people than their author meant."`
	FailedConditions  []FailedCondition `json:"failedConditions,omitempty" doc:"The conditions that could not be evaluated, the last one first; a list leaves it out."`
	// Source is the YAML; Versions leaves it out.
	Source string `json:"source,omitempty" doc:"The YAML as its author wrote it; a list leaves it out."`
}

// Current returns the newest rule set, with its source: the one in force once the planner has
// reached it. The error before the first publication is care.NotFound.
func Current(ctx context.Context, conn db.DBTX) (RuleSet, error) {
	newest, err := Versions(ctx, conn, 0, 1)
	if err != nil {
		return RuleSet{}, err
	}
	if len(newest) == 0 {
		return RuleSet{}, care.Errorf(care.NotFound, "no rule set was published yet")
	}
	return AtVersion(ctx, conn, newest[0].Version)
}

// AtVersion returns one rule set, with its source. The error for a version that was not published
// is care.NotFound.
func AtVersion(ctx context.Context, conn db.DBTX, version int32) (RuleSet, error) {
	row, err := db.New(conn).RuleSetGet(ctx, version)
	if errors.Is(err, pgx.ErrNoRows) {
		return RuleSet{}, care.Errorf(care.NotFound, "there is no rule set version %d", version)
	}
	if err != nil {
		return RuleSet{}, fmt.Errorf("read rule set: %w", postgres.Translate(err))
	}
	failed, err := FailedConditions(ctx, conn, version)
	set := RuleSet{
		Version: row.Version, Note: row.Note, PublishedBy: row.PublishedBy, PublishedAt: row.PublishedAt.UTC(), Position: row.Position,
		Source: row.Source, FailedConditions: failed,
	}
	for _, f := range failed {
		set.ConditionFailures += f.Failures
	}
	return set, err
}

// Versions returns the published rule sets below a version (0: all), newest first, at most limit of
// them.
func Versions(ctx context.Context, conn db.DBTX, before, limit int32) ([]RuleSet, error) {
	if before == 0 {
		before = math.MaxInt32
	}
	rows, err := db.New(conn).RuleSetList(ctx, db.RuleSetListParams{BeforeVersion: before, MaxRows: limit})
	if err != nil {
		return nil, postgres.Translate(fmt.Errorf("list rule sets: %w", err))
	}
	versions, numbers := make([]RuleSet, len(rows)), make([]int32, len(rows))
	for i, row := range rows {
		numbers[i] = row.Version
		versions[i] = RuleSet{Version: row.Version, Note: row.Note, PublishedBy: row.PublishedBy, PublishedAt: row.PublishedAt.UTC(), Position: row.Position}
	}
	totals, err := db.New(conn).RuleFailureTotals(ctx, numbers)
	if err != nil {
		return nil, postgres.Translate(fmt.Errorf("count failed conditions: %w", err))
	}
	for _, total := range totals {
		i := slices.IndexFunc(versions, func(v RuleSet) bool { return v.Version == total.Version })
		versions[i].ConditionFailures = total.Failures
	}
	return versions, nil
}

// Rollback publishes an earlier version's source again, as a new version, and returns that. The
// default note contains the earlier version. The error for a version that was not published is
// care.NotFound; a source that no longer passes the checks of this binary fails as in Publish. If
// the source equals the newest version's, Rollback changes nothing and returns that version.
func Rollback(ctx context.Context, writer *outbox.Writer, cmd care.Command, version int32, note string, known rule.Known) (int32, error) {
	old, err := AtVersion(ctx, writer.Pool(), version)
	if err != nil {
		return 0, err
	}
	if note == "" {
		note = fmt.Sprintf("back to version %d", version)
	}
	published, err := Publish(ctx, writer, cmd, []byte(old.Source), note, known)
	if mistakes, ok := errors.AsType[rule.Errors](err); ok {
		invalid := invalidRules(mistakes)
		invalid.Message = fmt.Sprintf("version %d no longer passes the checks of this binary: it has %d mistakes", version, len(mistakes))
		return 0, invalid
	}
	return published, err
}

// Check returns the number of rules in a source, and stores nothing. The error for mistakes is that
// of Publish.
func Check(src []byte, known rule.Known) (int, error) {
	set, err := rule.Parse(src, known)
	if mistakes, ok := errors.AsType[rule.Errors](err); ok {
		return 0, invalidRules(mistakes)
	}
	if err != nil {
		return 0, fmt.Errorf("check rule set: %w", err)
	}
	return len(set.Rules), nil
}

// Difference describes the differences between two versions.
type Difference struct {
	From int32  `json:"from"`
	To   int32  `json:"to"`
	Text string `json:"text" doc:"A unified diff of the sources; empty where they are the same."`
	// Added, Removed and Changed are names of rules.
	Added   []string `json:"added" doc:"Rules that only the second version has."`
	Removed []string `json:"removed" doc:"Rules that only the first version has."`
	Changed []string `json:"changed" doc:"Rules that say something else in the second version."`
	// Unreadable is the reason for missing names of rules.
	Unreadable string `json:"unreadable,omitempty" doc:"Which version is no YAML with a list of rules: no rules are named then."`
}

// Compare returns the differences between two versions; 0 is the newest. The error for a version
// that was not published is care.NotFound.
func Compare(ctx context.Context, conn db.DBTX, from, to int32) (Difference, error) {
	var sets [2]RuleSet
	for i, version := range []int32{from, to} {
		var err error
		if version == 0 {
			sets[i], err = Current(ctx, conn)
		} else {
			sets[i], err = AtVersion(ctx, conn, version)
		}
		if err != nil {
			return Difference{}, err
		}
	}
	return difference(sets[0], sets[1])
}

// noRules is the set before the first version.
const noRules = "rules: []\n"

// CompareWithPrevious returns the differences between a version, or the newest for 0, and the one
// before. The error for a version that was not published is care.NotFound. The first version is
// compared with an empty set, version 0.
func CompareWithPrevious(ctx context.Context, conn db.DBTX, version int32) (Difference, error) {
	get := func() (RuleSet, error) { return AtVersion(ctx, conn, version) }
	if version == 0 {
		get = func() (RuleSet, error) { return Current(ctx, conn) }
	}
	to, err := get()
	if err != nil {
		return Difference{}, err
	}
	from := RuleSet{Source: noRules}
	if to.Version > 1 {
		if from, err = AtVersion(ctx, conn, to.Version-1); err != nil {
			return Difference{}, err
		}
	}
	return difference(from, to)
}

func difference(from, to RuleSet) (Difference, error) {
	name := func(s RuleSet) string { return fmt.Sprintf("version %d", s.Version) }
	c, err := rule.Compare(name(from), name(to), []byte(from.Source), []byte(to.Source))
	d := Difference{From: from.Version, To: to.Version, Text: c.Text, Added: c.Added, Removed: c.Removed, Changed: c.Changed}
	if err != nil {
		d.Unreadable = err.Error()
	}
	return d, nil
}
