package directory

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/batch"
	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Service is the directory. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	reads  *db.Queries
	// signIns finds the persons of sign-ins.
	signIns *batch.Group[signIn, []db.ActorByIdentitiesRow]
	// channels are the channels with a provider.
	channels []string
	// preferable are the channels that a preference can name.
	preferable care.Channels
	// limitKey is the key of the hashes in verification_limits.
	limitKey []byte
	// imageHosts are the hosts of logos.
	imageHosts []string
}

// New returns a directory on the writer's database. channels are the channels for verification
// codes.
func New(writer *outbox.Writer, channels ...string) *Service {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // It never fails (crypto/rand).
	reads := db.New(writer.Pool())
	return &Service{writer: writer, reads: reads, signIns: newSignIns(reads), channels: channels, preferable: care.BuiltinChannels, limitKey: key}
}

// WithLimitKey returns a directory that counts requests for codes under the key. All instances on a
// database need the same one to share their counts. The default is a random key.
func (s *Service) WithLimitKey(key []byte) *Service {
	with := *s
	with.limitKey = key
	return &with
}

// WithChannels returns a directory in which preferences can name these channels, in this order. The
// default is care.BuiltinChannels.
func (s *Service) WithChannels(channels care.Channels) *Service {
	with := *s
	with.preferable = channels
	return &with
}

// Channels returns the names of the channels that a preference can name.
func (s *Service) Channels() []string { return s.preferable.Names() }

// notFound reports whether the error means that there is no such row.
func notFound(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

func reading(what string, err error) error {
	return fmt.Errorf("read %s: %w", what, postgres.Translate(err))
}

func memberships(data []byte) ([]care.Membership, error) {
	list := []care.Membership{}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("decode memberships: %w", err)
	}
	return list, nil
}
