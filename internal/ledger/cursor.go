package ledger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Cursor is a place in the ledger: right after the event at Position, whose leaf hash begins with Hash. Position 0 is
// the beginning and has no hash.
type Cursor struct {
	Epoch    int32
	Position int64
	Hash     [8]byte
}

// CursorOf is the place right after an event that was read from the ledger.
func CursorOf(e event.Event) Cursor {
	return newCursor(e.Epoch, e.Position, e.LeafHash)
}

func newCursor(epoch int32, position int64, leafHash []byte) Cursor {
	c := Cursor{Epoch: epoch, Position: position}
	copy(c.Hash[:], leafHash)
	return c
}

// The reasons why a reader must begin anew.
const (
	// ReasonEpoch says that the cursor is of another epoch than the newest.
	ReasonEpoch = "epoch"
	// ReasonUnknownPosition says that the ledger has no event at the cursor's position: it ends before it.
	ReasonUnknownPosition = "unknown_position"
	// ReasonHistoryChanged says that another event stands at the cursor's position than when it was given out.
	ReasonHistoryChanged = "history_changed"
)

// ResyncError says that a reader cannot go on from its cursor without missing something: what it knows may differ from
// what the ledger holds, as after a restore or a failover that lost data. It must load its state anew.
type ResyncError struct {
	// Reason is one of the constants above.
	Reason string
}

// Error gives the reason.
func (e *ResyncError) Error() string {
	return "the ledger cannot be resumed from this cursor: " + e.Reason
}

// Resume tells whether reading may go on from the cursor: nil, a *ResyncError, or the database's error.
func Resume(ctx context.Context, q db.DBTX, c Cursor) error {
	row, err := db.New(q).LedgerHashAt(ctx, c.Position)
	if err != nil {
		return fmt.Errorf("resume from a cursor: %w", postgres.Translate(err))
	}
	switch {
	case row.Epoch != c.Epoch:
		return &ResyncError{Reason: ReasonEpoch}
	case c.Position == 0:
		return nil
	case len(row.LeafHash) == 0:
		return &ResyncError{Reason: ReasonUnknownPosition}
	case !bytes.HasPrefix(row.LeafHash, c.Hash[:]):
		return &ResyncError{Reason: ReasonHistoryChanged}
	}
	return nil
}

// The form of an encoded cursor, before base64url without padding (RFC 4648 section 5): version, epoch, position and
// hash, then the first bytes of their HMAC-SHA256.
const (
	codecVersion = 1
	bodySize     = 1 + 4 + 8 + 8
	macSize      = 16
)

// encoding is strict: of the texts that would decode to the same bytes it accepts one.
var encoding = base64.RawURLEncoding.Strict()

// Codec gives cursors to clients and takes them back. To a client a cursor is opaque, and one it made up is refused.
type Codec struct {
	key []byte
}

// NewCodec makes a codec of the key that all instances share; see CursorKey.
func NewCodec(key []byte) *Codec {
	return &Codec{key: bytes.Clone(key)}
}

// Encode gives the cursor as text that is safe in a URL.
func (c *Codec) Encode(cursor Cursor) string {
	body := make([]byte, 0, bodySize+macSize)
	body = append(body, codecVersion)
	body = binary.BigEndian.AppendUint32(body, uint32(cursor.Epoch))
	body = binary.BigEndian.AppendUint64(body, uint64(cursor.Position))
	body = append(body, cursor.Hash[:]...)
	return encoding.EncodeToString(append(body, c.mac(body)...))
}

// Decode reads what Encode gave. Anything else is a care.Error of code Invalid about the field "cursor".
func (c *Codec) Decode(text string) (Cursor, error) {
	if len(text) != encoding.EncodedLen(bodySize+macSize) { // The decoder would skip line breaks.
		return Cursor{}, badCursor()
	}
	raw, err := encoding.DecodeString(text)
	if err != nil || len(raw) != bodySize+macSize {
		return Cursor{}, badCursor()
	}
	body, mac := raw[:bodySize], raw[bodySize:]
	if !hmac.Equal(mac, c.mac(body)) || body[0] != codecVersion {
		return Cursor{}, badCursor()
	}
	cursor := Cursor{
		Epoch:    int32(binary.BigEndian.Uint32(body[1:])),
		Position: int64(binary.BigEndian.Uint64(body[5:])),
	}
	copy(cursor.Hash[:], body[13:])
	return cursor, nil
}

func (c *Codec) mac(body []byte) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write(body)
	return h.Sum(nil)[:macSize]
}

func badCursor() error {
	return care.InvalidField("cursor", "must be a cursor that this service gave out; leave it away to begin anew")
}

// CursorKey gives the key that all instances on this database share, and makes it the first time. The pool is the worker's:
// carewire_app may not read keys.
func CursorKey(ctx context.Context, pool *pgxpool.Pool) ([]byte, error) {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // It never fails.
	q := db.New(pool)
	// Two statements, so that the second sees the key of an instance that was faster.
	if err := q.CursorKeyInsert(ctx, key); err != nil {
		return nil, fmt.Errorf("make the cursors' key: %w", postgres.Translate(err))
	}
	key, err := q.CursorKeyGet(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the cursors' key: %w", postgres.Translate(err))
	}
	return key, nil
}
