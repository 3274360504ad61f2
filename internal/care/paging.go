package care

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// DefaultPageLimit is the number of items on a page if a request names none, MaxPageLimit the
// largest number it may name.
const (
	DefaultPageLimit = 50
	MaxPageLimit     = 200
)

const invalidCursor = "must be the value of next of the previous page"

// Page is one page of a list. Next is the cursor of the following page; it is empty on the last
// page.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page; left out on the last page."`
}

// Paginate returns one page of rows that were read with one row more than the limit, and the cursor
// of the next page, which begins after last. On the last page, the cursor is zero.
func Paginate[T, C any](rows []T, limit int, cursor func(last T) C) (page []T, next C) {
	if len(rows) <= limit {
		return rows, next
	}
	return rows[:limit], cursor(rows[limit-1])
}

// Place describes a row of a list that was filtered while it was read along an index, or merged from
// several. So that the cost of a page does not depend on how rare its rows are, at most some rows of
// an index are read for it.
type Place struct {
	// Matches reports whether the filters select the row.
	Matches bool
	// LastRead reports that its index was not read behind the row, because enough was read for one page.
	LastRead bool
}

// PaginateFiltered returns at most limit of the rows that match, and the cursor of the next page; it
// is zero if there is none. The rows are those that match, read with one more than the limit, and
// those that are the last ones read. What follows the first of these is left to the next page, so
// that a page may be short, or empty, and have a next one.
func PaginateFiltered[T any](rows []T, limit int, at func(T) (Place, PageCursor)) (page []T, next PageCursor) {
	for i, row := range rows {
		place, cursor := at(row)
		switch {
		case len(page) == limit:
			_, next = at(rows[i-1])
			return page, next
		case place.Matches:
			page = rows[:i+1]
		}
		if place.LastRead {
			return page, cursor
		}
	}
	return page, next
}

// Limit returns the limit of a page: fallback if limit is 0. It adds an error to the field "limit"
// if the limit is not 1 to highest.
func (errs *FieldErrors) Limit(limit, fallback, highest int) int {
	if limit == 0 {
		limit = fallback
	}
	if limit < 1 || limit > highest {
		errs.Add("limit", "must be 1 to %d", highest)
	}
	return limit
}

// PageLimit is Limit with DefaultPageLimit and MaxPageLimit.
func (errs *FieldErrors) PageLimit(limit int) int {
	return errs.Limit(limit, DefaultPageLimit, MaxPageLimit)
}

// Cursor returns the position that a cursor encodes; an empty cursor is start. It adds an error to
// the field "cursor" if the cursor is invalid.
func (errs *FieldErrors) Cursor(text string, start PageCursor) PageCursor {
	cursor, ok := ParsePageCursor(text, start)
	if !ok {
		errs.InvalidCursor()
	}
	return cursor
}

// IDCursor returns the id that a cursor of a list in the order of ids is; an empty cursor is the
// zero id. It adds an error to the field "cursor" if the cursor is invalid.
func (errs *FieldErrors) IDCursor(text string) (id uuid.UUID) {
	if text == "" {
		return uuid.Nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		errs.InvalidCursor()
	}
	return id
}

// InvalidCursor adds an error to the field "cursor".
func (errs *FieldErrors) InvalidCursor() { errs.Add("cursor", invalidCursor) }

// InvalidCursor returns the error of a request whose only fault is its cursor.
func InvalidCursor() *Error { return InvalidField("cursor", invalidCursor) }

// PageCursor is the position of the last item of a page in a list ordered by time and id. Paging by
// it returns each item once, regardless of concurrent writes. A cursor grants no access: each query
// checks it again.
type PageCursor struct {
	Time time.Time
	ID   uuid.UUID
}

// BeforeAll and AfterAll are the start positions of a list in ascending and in descending order of
// time. No item is at them.
var (
	BeforeAll = PageCursor{Time: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)}
	AfterAll  = PageCursor{Time: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), ID: uuid.Max}
)

// String returns the cursor as clients receive it: opaque and safe in a URL, and empty for the zero
// cursor. Times have a resolution of one microsecond.
func (c PageCursor) String() string {
	if c == (PageCursor{}) {
		return ""
	}
	data := binary.BigEndian.AppendUint64(nil, uint64(c.Time.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(data, c.ID[:]...))
}

// ParsePageCursor parses the result of PageCursor.String. An empty text is start. ok is false for
// any other text.
func ParsePageCursor(text string, start PageCursor) (c PageCursor, ok bool) {
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
