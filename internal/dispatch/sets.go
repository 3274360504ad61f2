package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// maxSets bounds the cached compiled sets. One is in use; replays need others.
const maxSets = 16

const publishedType = "rules.published"

// sets finds the rule set in force at a position, and caches compiled sets by version.
type sets struct {
	known  rule.Known
	logger *slog.Logger

	mu       sync.Mutex
	compiled map[int32]*rule.Set
	reported int32 // The version last logged as not understood.
}

func newSets(known rule.Known, logger *slog.Logger) *sets {
	return &sets{known: known, logger: logger, compiled: map[int32]*rule.Set{}}
}

// versioned is a set with its version. set is nil if none is in force, if the event is hidden from
// rules, or if this binary does not understand the set; err is set in the last case.
type versioned struct {
	version int32
	set     *rule.Set
	err     *care.Error
}

// loadedSet is a compiled set or an error.
type loadedSet struct {
	set *rule.Set
	err *care.Error
}

// inForce returns the set for each event of the batch, and the publications to record.
func (s *sets) inForce(ctx context.Context, queries *db.Queries, batch []event.Event) ([]versioned, publications, error) {
	result := make([]versioned, len(batch))
	current := int32(-1) // Not loaded yet.
	var published publications
	needed := map[int32]bool{}
	for i, e := range batch {
		if e.Type == publishedType {
			version, err := publishedVersion(e)
			if err != nil {
				return nil, published, err
			}
			published.Positions = append(published.Positions, e.Position)
			published.Versions = append(published.Versions, version)
			current = version
			needed[version] = true
			continue
		}
		if d, ok := event.Lookup(e.Type); !ok || !d.RuleVisible {
			continue
		}
		if current < 0 {
			var err error
			if current, err = versionBefore(ctx, queries, e.Position); err != nil {
				return nil, published, err
			}
		}
		result[i].version = current
		needed[current] = current > 0
	}
	loaded, err := s.load(ctx, queries, needed)
	if err != nil {
		return nil, published, err
	}
	for i := range result {
		result[i].set, result[i].err = loaded[result[i].version].set, loaded[result[i].version].err
	}
	return result, published, nil
}

// publications lists the versions with the positions from which they are in force, in the order of
// the positions.
type publications db.RulePublicationInsertParams

// record stores the publications among the planned events.
func (p publications) record(ctx context.Context, queries *db.Queries, done []event.Event) error {
	n := 0
	for n < len(p.Positions) && len(done) > 0 && p.Positions[n] <= done[len(done)-1].Position {
		n++
	}
	if n == 0 {
		return nil
	}
	err := queries.RulePublicationInsert(ctx, db.RulePublicationInsertParams{Positions: p.Positions[:n], Versions: p.Versions[:n]})
	if err != nil {
		return fmt.Errorf("record rule publication: %w", err)
	}
	return nil
}

func publishedVersion(e event.Event) (int32, error) {
	data, err := e.Decode()
	if err != nil {
		return 0, err
	}
	published, ok := data.(event.RulesPublished)
	if !ok || published.Version <= 0 {
		return 0, fmt.Errorf("event %s names no rule set version", e.ID)
	}
	return published.Version, nil
}

// versionBefore returns the version in force at the position, 0 for none.
func versionBefore(ctx context.Context, queries *db.Queries, position int64) (int32, error) {
	version, err := queries.RulePublicationBefore(ctx, position)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read rule publication: %w", err)
	}
	return version, nil
}

// load returns the compiled sets of the versions needed. One that this binary does not understand
// has an error, which concerns only the events that need it.
func (s *sets) load(ctx context.Context, queries *db.Queries, needed map[int32]bool) (map[int32]loadedSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	loaded := make(map[int32]loadedSet, len(needed))
	var missing []int32
	for version, yes := range needed {
		if set := s.compiled[version]; set != nil {
			loaded[version] = loadedSet{set: set}
		} else if yes {
			missing = append(missing, version)
		}
	}
	if len(missing) == 0 {
		return loaded, nil
	}
	rows, err := queries.RuleSetSources(ctx, missing)
	if err != nil {
		return nil, fmt.Errorf("read rule sets: %w", err)
	}
	if len(rows) < len(missing) {
		return nil, fmt.Errorf("one of the rule set versions %v is not stored", missing)
	}
	for _, row := range rows {
		set, err := s.compile(row)
		if err == nil {
			loaded[row.Version] = loadedSet{set: set}
			continue
		}
		cause, err := s.notUnderstood(ctx, queries, row.Version, err)
		if err != nil {
			return nil, err
		}
		loaded[row.Version] = loadedSet{err: cause}
	}
	return loaded, nil
}

// compile checks a stored set and caches it.
func (s *sets) compile(row db.RuleSetSourcesRow) (*rule.Set, error) {
	set, err := rule.Load([]byte(row.Source), s.known)
	if err != nil {
		return nil, err
	}
	if len(s.compiled) >= maxSets {
		clear(s.compiled)
	}
	s.compiled[row.Version] = set
	if s.reported == row.Version {
		s.reported = 0
	}
	return set, nil
}

// notUnderstood returns the error for the events that need a set that this binary does not
// understand, and logs it once. While the set is the newest, they wait: a binary that understands
// it takes over, or an operator publishes another. Once a newer set that is understood was
// published, waiting would block the events of that one: they are dead-lettered.
func (s *sets) notUnderstood(ctx context.Context, queries *db.Queries, version int32, mistakes error) (*care.Error, error) {
	superseded, err := s.superseded(ctx, queries, version)
	if err != nil {
		return nil, err
	}
	found, _ := errors.AsType[rule.Errors](mistakes)
	if s.reported != version {
		s.reported = version
		s.logger.ErrorContext(ctx, "rule set not understood", "version", version, "mistakes", len(found), "superseded", superseded)
	}
	if superseded {
		cause := care.Errorf(care.Conflict, "rule set version %d is not understood by this binary: run one that does, or fix its source, then redrive the events that need it", version)
		cause.Fields = []care.FieldError{{Field: fmt.Sprintf("rule set version %d", version), Message: "is not understood by this binary"}}
		return cause, nil
	}
	return care.Errorf(care.Unavailable, "rule set version %d is not understood by this binary: run one that does, or roll back to an earlier version; nothing is planned until then", version), nil
}

// superseded reports whether a newer set was published that this binary understands.
func (s *sets) superseded(ctx context.Context, queries *db.Queries, version int32) (bool, error) {
	newest, err := queries.RuleSetCurrent(ctx)
	if err != nil {
		return false, fmt.Errorf("read newest rule set: %w", err)
	}
	if newest.Version <= version || s.compiled[newest.Version] != nil {
		return newest.Version > version, nil
	}
	rows, err := queries.RuleSetSources(ctx, []int32{newest.Version})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	_, err = s.compile(rows[0])
	return err == nil, nil
}
