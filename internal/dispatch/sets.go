package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
	"carewire/internal/versionset"
)

// maxSets bounds the cached compiled sets. One is in use; replays need others.
const maxSets = 16

// sets finds the rule set in force at a position, and caches compiled sets by version. It does not
// check their templates: these were checked at the publication, and are rendered when a message is
// sent.
type sets struct {
	known  rule.Known
	logger *slog.Logger

	mu       sync.Mutex
	compiled map[int32]*rule.Set
	reported int32 // The version last logged as not understood.
}

func newSets(known rule.Known, logger *slog.Logger) *sets {
	known.Template = nil
	return &sets{known: known, logger: logger, compiled: map[int32]*rule.Set{}}
}

// versioned is a set with its version. set is nil if none is in force, if the event is hidden from
// rules, or if this binary does not understand the set; err is set in the last case.
type versioned struct {
	version int32
	// templates is the version of the template set in force; 0 is the binary's own set.
	templates int32
	set       *rule.Set
	err       *care.Error
}

// loadedSet is a compiled set or an error.
type loadedSet struct {
	set *rule.Set
	err *care.Error
}

// inForce returns the set for each event of the batch, and the publications to record.
func (s *sets) inForce(ctx context.Context, queries *db.Queries, batch []event.Event) ([]versioned, versionset.Publications, error) {
	versions, published, err := versionset.Rules.InForce(ctx, queries, batch)
	if err != nil {
		return nil, published, err
	}
	needed := map[int32]bool{}
	for _, version := range slices.Concat(versions, published.Versions()) {
		needed[version] = version > 0
	}
	loaded, err := s.load(ctx, queries, needed)
	if err != nil {
		return nil, published, err
	}
	result := make([]versioned, len(batch))
	for i, version := range versions {
		result[i] = versioned{version: version, set: loaded[version].set, err: loaded[version].err}
	}
	return result, published, nil
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
	sources, err := versionset.Rules.Sources(ctx, queries, missing)
	if err != nil {
		return nil, err
	}
	for version, source := range sources {
		set, err := s.compile(version, source)
		if err == nil {
			loaded[version] = loadedSet{set: set}
			continue
		}
		cause, err := s.notUnderstood(ctx, queries, version, err)
		if err != nil {
			return nil, err
		}
		loaded[version] = loadedSet{err: cause}
	}
	return loaded, nil
}

// compile checks a stored set and caches it.
func (s *sets) compile(version int32, source string) (*rule.Set, error) {
	set, err := rule.Load([]byte(source), s.known)
	if err != nil {
		return nil, err
	}
	if len(s.compiled) >= maxSets {
		clear(s.compiled)
	}
	s.compiled[version] = set
	if s.reported == version {
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
	sources, err := versionset.Rules.Sources(ctx, queries, []int32{newest.Version})
	if err != nil {
		return false, err
	}
	_, err = s.compile(newest.Version, sources[newest.Version])
	return err == nil, nil
}
