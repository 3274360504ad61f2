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

// Cursor is a place in the ledger: right after the event at Position. Hash is the beginning of that
// event's leaf hash. Position 0 is the beginning of the ledger and has no hash.
type Cursor struct {
	Epoch    int32
	Position int64
	Hash     [8]byte
}

// CursorOf returns the cursor right after an event that was read from the ledger.
func CursorOf(e event.Event) Cursor {
	return newCursor(e.Epoch, e.Position, e.LeafHash)
}

func newCursor(epoch int32, position int64, leafHash []byte) Cursor {
	c := Cursor{Epoch: epoch, Position: position}
	copy(c.Hash[:], leafHash)
	return c
}

// Reasons of a ResyncError.
const (
	// ReasonEpoch means that the cursor is not of the newest epoch.
	ReasonEpoch = "epoch"
	// ReasonUnknownPosition means that the ledger has no event at the cursor's position: it ends
	// before it.
	ReasonUnknownPosition = "unknown_position"
	// ReasonHistoryChanged means that the event at the cursor's position is not the one that it
	// was when the cursor was issued.
	ReasonHistoryChanged = "history_changed"
)

// ResyncError reports that a reader cannot continue from its cursor without missing events: its
// state may differ from the ledger, for example after a restore or a failover that lost data. The
// reader must load its state again.
type ResyncError struct {
	// Reason is one of the Reason constants.
	Reason string
}

// Error implements error.
func (e *ResyncError) Error() string {
	return "cannot resume the ledger from this cursor: " + e.Reason
}

// Resume returns nil if reading can continue from the cursor. Otherwise it returns a *ResyncError
// or the database's error.
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

// An encoded cursor, before base64url without padding (RFC 4648, section 5), is the version, epoch,
// position and hash, followed by the first bytes of their HMAC-SHA256.
const (
	codecVersion = 1
	bodySize     = 1 + 4 + 8 + 8
	macSize      = 16
)

// encoding is strict: it accepts only one of the texts that decode to the same bytes.
var encoding = base64.RawURLEncoding.Strict()

// Codec encodes cursors for clients and decodes them. A cursor is opaque to clients, and the HMAC
// detects forged ones.
type Codec struct {
	key []byte
}

// NewCodec returns a Codec with the key that all instances share; see CursorKey.
func NewCodec(key []byte) *Codec {
	return &Codec{key: bytes.Clone(key)}
}

// Encode returns the cursor as URL-safe text.
func (c *Codec) Encode(cursor Cursor) string {
	body := make([]byte, 0, bodySize+macSize)
	body = append(body, codecVersion)
	body = binary.BigEndian.AppendUint32(body, uint32(cursor.Epoch))
	body = binary.BigEndian.AppendUint64(body, uint64(cursor.Position))
	body = append(body, cursor.Hash[:]...)
	return encoding.EncodeToString(append(body, c.mac(body)...))
}

// Decode returns the cursor that Encode encoded. The error for any other text is a care.Error of
// code Invalid about the field "cursor".
func (c *Codec) Decode(text string) (Cursor, error) {
	if len(text) != encoding.EncodedLen(bodySize+macSize) { // The decoder skips line breaks.
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
	return care.InvalidField("cursor", "must be a cursor of this service; omit it to start over")
}

// CursorKey returns the key that all instances on this database share, and creates it the first
// time. The pool must run as the worker role: carewire_app may not read keys.
func CursorKey(ctx context.Context, pool *pgxpool.Pool) ([]byte, error) {
	key := make([]byte, sha256.Size)
	_, _ = rand.Read(key) // Read never fails.
	q := db.New(pool)
	// Two statements, so that the second one sees the key of an instance that was faster.
	if err := q.CursorKeyInsert(ctx, key); err != nil {
		return nil, fmt.Errorf("create the cursors' key: %w", postgres.Translate(err))
	}
	key, err := q.CursorKeyGet(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the cursors' key: %w", postgres.Translate(err))
	}
	return key, nil
}
