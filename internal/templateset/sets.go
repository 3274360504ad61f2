// Package templateset publishes template sets and provides the set of each version.
//
// A set is checked before it is published: its own format, and that it has every template that the
// newest rule set needs. A delivery stores the version that was in force at its event, and its words
// are rendered from that version when it is sent.
package templateset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/versionset"
)

const (
	// maxSets bounds the cached sets. One or two are in use; late messages need others.
	maxSets = 8
	// recheckAfter is how long a set that was not understood is not read again: its source may have
	// been fixed.
	recheckAfter = 15 * time.Second
)

// Sets checks template sets and caches them by version. It is safe for concurrent use.
type Sets struct {
	options template.Options

	mu     sync.Mutex
	cached map[int32]entry
	// loading serializes the loading of sets, which takes up to 0.1 s of CPU time each.
	loading sync.Mutex
}

// entry is a set, or the reason that there is none until a time.
type entry struct {
	set   *template.Set
	err   error
	until time.Time
}

// New returns Sets that are checked against the options.
func New(options template.Options) *Sets {
	if len(options.Channels) == 0 {
		options.Channels = care.BuiltinChannels
	}
	return &Sets{options: options, cached: map[int32]entry{}}
}

// Parse returns a set after checking all of it. The error is of type template.Errors.
func (s *Sets) Parse(src []byte) (*template.Set, error) { return template.Parse(src, s.options) }

// Builtin returns the set in the binary.
func (s *Sets) Builtin() (*template.Set, error) { return template.Default(s.options.Channels...) }

// Newest returns the newest published set, or before the first publication the one in the binary.
func (s *Sets) Newest(ctx context.Context, conn db.DBTX) (*template.Set, error) {
	newest, err := db.New(conn).TemplateSetCurrent(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		return s.Builtin()
	}
	if err != nil {
		return nil, fmt.Errorf("read newest template set: %w", err)
	}
	return s.Load(ctx, conn, newest.Version)
}

// Load returns the set of a version; 0 is the one in the binary. The error for a set that this
// binary does not understand is a care.Error of code care.Unavailable.
func (s *Sets) Load(ctx context.Context, conn db.DBTX, version int32) (*template.Set, error) {
	if version == 0 {
		return s.Builtin()
	}
	if found, ok := s.get(version); ok {
		return found.set, found.err
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	if found, ok := s.get(version); ok {
		return found.set, found.err
	}
	sources, err := versionset.Templates.Sources(ctx, db.New(conn), []int32{version})
	if err != nil {
		return nil, postgres.Translate(err)
	}
	set, err := s.compile(sources[version])
	if err != nil {
		err = notUnderstood(version, err)
	}
	s.put(version, entry{set: set, err: err, until: time.Now().Add(recheckAfter)})
	return set, err
}

// compile parses a stored source. That of the binary's own set is parsed already.
func (s *Sets) compile(source string) (*template.Set, error) {
	if source == string(template.Source()) {
		return s.Builtin()
	}
	return s.Parse([]byte(source))
}

// notUnderstood returns the error for a stored set that this binary does not understand.
func notUnderstood(version int32, cause error) *care.Error {
	answer := care.Errorf(care.Unavailable, "template set version %d is not understood by this binary: run one that does, or fix its source: %w", version, cause)
	answer.Message = fmt.Sprintf("template set version %d is not understood by this binary: run one that does, or fix its source", version)
	return answer
}

func (s *Sets) get(version int32) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.cached[version]
	return found, ok && (found.err == nil || time.Now().Before(found.until))
}

func (s *Sets) put(version int32, e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cached) >= maxSets {
		clear(s.cached)
	}
	s.cached[version] = e
}

// Source provides the sets of a database to a notify.Worker.
type Source struct {
	Sets *Sets
	Pool *pgxpool.Pool
}

// TemplateSet returns the set of a version, as Sets.Load does.
func (s Source) TemplateSet(ctx context.Context, version int32) (*template.Set, error) {
	return s.Sets.Load(ctx, s.Pool, version)
}

// ActionPath returns the path of a button of a delivery's message, which counts from 1, such as
// "/appointments"; empty if it opens the message. The error for an unknown delivery is care.NotFound.
func (s *Sets) ActionPath(ctx context.Context, writer *outbox.Writer, delivery uuid.UUID, button int) (string, error) {
	var row db.DeliveryTemplateRow
	err := writer.Read(ctx, care.SystemActor("link"), func(tx pgx.Tx) (err error) {
		row, err = db.New(tx).DeliveryTemplate(ctx, delivery)
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return "", care.Errorf(care.NotFound, "no such message")
	}
	if err != nil {
		return "", fmt.Errorf("read the delivery's template: %w", postgres.Translate(err))
	}
	set, err := s.Load(ctx, writer.Pool(), row.TemplateVersion)
	if err != nil {
		return "", err
	}
	return set.ActionPath(row.Template, button), nil
}

// channels returns the names of the channels, in their order.
func (s *Sets) channels() []string { return slices.Clone(s.options.Channels.Names()) }
