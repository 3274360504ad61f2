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

// maxSets is how many compiled sets are kept. One is in use; replays need others.
const maxSets = 16

const publishedType = "rules.published"

// sets knows which rule set is in force where, and keeps compiled ones by version.
type sets struct {
	known  rule.Known
	logger *slog.Logger

	mu       sync.Mutex
	compiled map[int32]*rule.Set
}

func newSets(known rule.Known, logger *slog.Logger) *sets {
	return &sets{known: known, logger: logger, compiled: map[int32]*rule.Set{}}
}

// versioned is a set with its version; set is nil where none is in force, or the event is not for rules.
type versioned struct {
	version int32
	set     *rule.Set
}

// inForce records the publications in the batch and gives the set for each of its events.
func (s *sets) inForce(ctx context.Context, queries *db.Queries, batch []event.Event) ([]versioned, error) {
	result := make([]versioned, len(batch))
	current := int32(-1) // Not yet asked for.
	var published db.RulePublicationInsertParams
	needed := map[int32]bool{}
	for i, e := range batch {
		if e.Type == publishedType {
			version, err := publishedVersion(e)
			if err != nil {
				return nil, err
			}
			published.Positions = append(published.Positions, e.Position)
			published.Versions = append(published.Versions, version)
			current = version
			needed[version] = true
			continue
		}
		if d, ok := event.Lookup(e.Type); !ok || !d.Ruled {
			continue
		}
		if current < 0 {
			var err error
			if current, err = versionBefore(ctx, queries, e.Position); err != nil {
				return nil, err
			}
		}
		result[i].version = current
		needed[current] = current > 0
	}
	loaded, err := s.load(ctx, queries, needed)
	if err != nil {
		return nil, err
	}
	for i := range result {
		result[i].set = loaded[result[i].version]
	}
	if len(published.Positions) == 0 {
		return result, nil
	}
	if err := queries.RulePublicationInsert(ctx, published); err != nil {
		return nil, fmt.Errorf("record rule publication: %w", err)
	}
	return result, nil
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

// versionBefore gives the version in force at the position, 0 for none.
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

// load gives the compiled sets of the versions needed.
func (s *sets) load(ctx context.Context, queries *db.Queries, needed map[int32]bool) (map[int32]*rule.Set, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	loaded := make(map[int32]*rule.Set, len(needed))
	var missing []int32
	for version, yes := range needed {
		if set := s.compiled[version]; set != nil {
			loaded[version] = set
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
	if len(s.compiled)+len(rows) > maxSets {
		clear(s.compiled)
	}
	for _, row := range rows {
		set, err := rule.Parse([]byte(row.Source), s.known)
		if err != nil {
			s.logger.ErrorContext(ctx, "rule set not understood", "version", row.Version, "error", err)
			return nil, care.Errorf(care.Unavailable, "rule set version %d is not understood by this binary: run one that does; nothing is planned until then: %w", row.Version, err)
		}
		s.compiled[row.Version] = set
		loaded[row.Version] = set
	}
	return loaded, nil
}
