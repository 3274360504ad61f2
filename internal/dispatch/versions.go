package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
	"carewire/internal/versionset"
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
	v, err := versionset.Rules.Newest(ctx, conn)
	if err != nil {
		return RuleSet{}, err
	}
	return withFailures(ctx, conn, v)
}

// AtVersion returns one rule set, with its source. The error for a version that was not published
// is care.NotFound.
func AtVersion(ctx context.Context, conn db.DBTX, version int32) (RuleSet, error) {
	v, err := versionset.Rules.Get(ctx, conn, version)
	if err != nil {
		return RuleSet{}, err
	}
	return withFailures(ctx, conn, v)
}

func ruleSet(v versionset.Version) RuleSet {
	return RuleSet{
		Version: v.Version, Note: v.Note, PublishedBy: v.PublishedBy, PublishedAt: v.PublishedAt, Position: v.Position, Source: v.Source,
	}
}

// withFailures adds the failed conditions of a version.
func withFailures(ctx context.Context, conn db.DBTX, v versionset.Version) (RuleSet, error) {
	failed, err := FailedConditions(ctx, conn, v.Version)
	set := ruleSet(v)
	set.FailedConditions = failed
	for _, f := range failed {
		set.ConditionFailures += f.Failures
	}
	return set, err
}

// Versions returns the published rule sets below a version (0: all), newest first, at most limit of
// them.
func Versions(ctx context.Context, conn db.DBTX, before, limit int32) ([]RuleSet, error) {
	all, err := versionset.Rules.List(ctx, conn, before, limit)
	if err != nil {
		return nil, err
	}
	versions, numbers := make([]RuleSet, len(all)), make([]int32, len(all))
	for i, v := range all {
		numbers[i], versions[i] = v.Version, ruleSet(v)
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
func Rollback(ctx context.Context, writer *outbox.Writer, cmd care.Command, version int32, note string, known Known) (int32, error) {
	old, note, err := versionset.Rules.Rollback(ctx, writer.Pool(), version, note)
	if err != nil {
		return 0, err
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
func Check(ctx context.Context, conn db.DBTX, src []byte, known Known) (int, error) {
	set, err := parseWithTemplates(ctx, conn, src, known)
	if err != nil {
		return 0, err
	}
	return len(set.Rules), nil
}

// parseWithTemplates is parseRules with the newest templates.
func parseWithTemplates(ctx context.Context, conn db.DBTX, src []byte, known Known) (*rule.Set, error) {
	if known.Templates != nil {
		templates, err := known.Templates.Newest(ctx, conn)
		if err != nil {
			return nil, err
		}
		known.Template = templates.Has
	}
	return parseRules(src, known.Known)
}

// parseRules is rule.Parse with errors of code care.Invalid.
func parseRules(src []byte, known rule.Known) (*rule.Set, error) {
	set, err := rule.Parse(src, known)
	if mistakes, ok := errors.AsType[rule.Errors](err); ok {
		return nil, invalidRules(mistakes)
	}
	if err != nil {
		return nil, fmt.Errorf("check rule set: %w", err)
	}
	return set, nil
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
	a, b, err := versionset.Rules.Pair(ctx, conn, from, to)
	if err != nil {
		return Difference{}, err
	}
	return difference(a, b)
}

// noRules is the set before the first version.
const noRules = "rules: []\n"

// CompareWithPrevious returns the differences between a version, or the newest for 0, and the one
// before. The error for a version that was not published is care.NotFound. The first version is
// compared with an empty set, version 0.
func CompareWithPrevious(ctx context.Context, conn db.DBTX, version int32) (Difference, error) {
	from, to, err := versionset.Rules.PairWithPrevious(ctx, conn, version, noRules)
	if err != nil {
		return Difference{}, err
	}
	return difference(from, to)
}

func difference(from, to versionset.Version) (Difference, error) {
	name := func(s versionset.Version) string { return fmt.Sprintf("version %d", s.Version) }
	c, err := rule.Compare(name(from), name(to), []byte(from.Source), []byte(to.Source))
	d := Difference{From: from.Version, To: to.Version, Text: c.Text, Added: c.Added, Removed: c.Removed, Changed: c.Changed}
	if err != nil {
		d.Unreadable = err.Error()
	}
	return d, nil
}
