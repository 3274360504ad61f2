package care

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// PageCursor is the last item of a page of a list in the order of time and id. Paging by it shows each item once, whatever
// is written meanwhile. It carries no right: the query looks at those again.
type PageCursor struct {
	Time time.Time
	ID   uuid.UUID
}

// BeforeAll and AfterAll are where a list begins that goes forward, or back, in time: no item is there.
var (
	BeforeAll = PageCursor{Time: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)}
	AfterAll  = PageCursor{Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), ID: uuid.Max}
)

// String gives the mark as a client carries it: opaque, safe in a URL. Times are kept to the microsecond.
func (m PageCursor) String() string {
	data := binary.BigEndian.AppendUint64(nil, uint64(m.Time.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(data, m.ID[:]...))
}

// ParsePageCursor reads what String gave; an empty text is start. It is false for anything else.
func ParsePageCursor(text string, start PageCursor) (PageCursor, bool) {
	if text == "" {
		return start, true
	}
	const size = 8 + len(uuid.UUID{})
	if len(text) != base64.RawURLEncoding.EncodedLen(size) { // The decoder would skip line breaks.
		return PageCursor{}, false
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) != size {
		return PageCursor{}, false
	}
	at := time.UnixMicro(int64(binary.BigEndian.Uint64(data))).UTC()
	if !at.After(BeforeAll.Time) || !at.Before(AfterAll.Time) {
		return PageCursor{}, false
	}
	return PageCursor{Time: at, ID: uuid.UUID(data[8:])}, true
}
