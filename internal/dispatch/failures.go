package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// maxFailures bounds the failed conditions that are returned for one version.
const maxFailures = 1000

// FailedCondition is a condition of a published rule that could not be evaluated for some events.
type FailedCondition struct {
	Rule      string `json:"rule"`
	Condition string `json:"condition" enum:"when,unless"`
	Cause     string `json:"cause" enum:"type_error,missing_field,division_by_zero,unknown_time_zone,invalid_value,too_expensive,other" doc:"The class of the error. Details are not kept, as they can repeat a value of the event."`
	// Failures counts an event once, also if the condition fails for several recipients.
	Failures      int64     `json:"failures" doc:"The number of events."`
	FirstFailedAt time.Time `json:"firstFailedAt" format:"date-time"`
	LastFailedAt  time.Time `json:"lastFailedAt" format:"date-time"`
	LastPosition  int64     `json:"lastPosition" doc:"The position of the last of these events."`
}

// FailedConditions returns the failed conditions of a version, the last one first.
func FailedConditions(ctx context.Context, conn db.DBTX, version int32) ([]FailedCondition, error) {
	rows, err := db.New(conn).RuleFailureList(ctx, db.RuleFailureListParams{Version: version, MaxRows: maxFailures})
	if err != nil {
		return nil, fmt.Errorf("list failed conditions: %w", postgres.Translate(err))
	}
	all := make([]FailedCondition, len(rows))
	for i, row := range rows {
		all[i] = FailedCondition{
			Rule: row.Rule, Condition: row.Condition, Cause: row.Cause, Failures: row.Failures,
			FirstFailedAt: row.FirstFailedAt.UTC(), LastFailedAt: row.LastFailedAt.UTC(), LastPosition: row.LastPosition,
		}
	}
	return all, nil
}

// failure is a condition that could not be evaluated for an event.
type failure struct {
	rule.Failure
	event   *event.Event
	version int32
}

// countFailures adds the failures to the numbers of their conditions.
func countFailures(ctx context.Context, tx pgx.Tx, all []failure) error {
	if len(all) == 0 {
		return nil
	}
	type key struct {
		version int32
		rule.Failure
	}
	counts, last := map[key]int64{}, map[key]int64{}
	for _, f := range all {
		k := key{f.version, f.Failure}
		counts[k]++
		last[k] = max(last[k], f.event.Position)
	}
	var rows db.RuleFailureCountParams
	keys := make([]key, 0, len(counts))
	for k := range counts {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.version, b.version), strings.Compare(a.Rule, b.Rule),
			strings.Compare(string(a.Condition), string(b.Condition)), strings.Compare(string(a.Cause), string(b.Cause)))
	})
	for _, k := range keys {
		rows.Versions, rows.Rules = append(rows.Versions, k.version), append(rows.Rules, k.Rule)
		rows.Conditions, rows.Causes = append(rows.Conditions, string(k.Condition)), append(rows.Causes, string(k.Cause))
		rows.Failures, rows.LastPositions = append(rows.Failures, counts[k]), append(rows.LastPositions, last[k])
	}
	if err := db.New(tx).RuleFailureCount(ctx, rows); err != nil {
		return fmt.Errorf("count failed conditions: %w", err)
	}
	return nil
}

const (
	// failureLogInterval is the shortest time between two log lines about a condition.
	failureLogInterval = time.Minute
	// maxLogged bounds the conditions whose last log line is remembered.
	maxLogged = 10_000
)

// failureLog remembers when a condition was logged last. It is safe for concurrent use.
type failureLog struct {
	mu   sync.Mutex
	last map[rule.Failure]time.Time
}

// due reports whether a failure is to be logged now.
func (l *failureLog) due(f rule.Failure, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.Cause = "" // Of one condition, any cause counts.
	if at, ok := l.last[f]; ok && now.Sub(at) < failureLogInterval {
		return false
	}
	if l.last == nil || len(l.last) >= maxLogged {
		l.last = map[rule.Failure]time.Time{}
	}
	l.last[f] = now
	return true
}

// reportFailures counts the failed conditions, and logs each condition at most once a minute.
func (p *Planner) reportFailures(ctx context.Context, plan *plan) {
	for _, f := range plan.failures {
		if p.conditionFailed != nil {
			p.conditionFailed(f.Rule, string(f.Condition))
		}
		if p.failureLog.due(f.Failure, time.Now()) {
			p.logger.WarnContext(ctx, "a condition of a rule cannot be evaluated", "rule", f.Rule, "condition", string(f.Condition),
				"cause", string(f.Cause), "version", f.version, "event_id", f.event.ID, "event_type", f.event.Type, "position", f.event.Position)
		}
	}
}
