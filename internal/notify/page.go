package notify

import (
	"time"

	"carewire/internal/care"
)

// place describes a row of a list that was filtered while it was read along an index.
type place struct {
	// matches reports whether the filters select the row.
	matches bool
	// lastRead reports that nothing was read behind the row, because enough was read for one page.
	lastRead bool
}

// pageOf returns at most limit of the rows that match, and the cursor of the next page; it is zero if
// there is none. The rows were read with one more than the limit, and with the last one that was read.
func pageOf[R any](rows []R, limit int, at func(R) (place, care.PageCursor)) (page []R, next care.PageCursor) {
	if len(rows) > limit {
		_, next = at(rows[limit-1])
		return rows[:limit], next
	}
	if len(rows) == 0 {
		return rows, next
	}
	last, cursor := at(rows[len(rows)-1])
	if last.lastRead {
		next = cursor
	}
	if !last.matches {
		rows = rows[:len(rows)-1]
	}
	return rows, next
}

// earlier returns the cursor, or the position of the first row at the time if that is earlier. The
// zero time bounds nothing.
func earlier(cursor care.PageCursor, to time.Time) care.PageCursor {
	if to.IsZero() || !to.Before(cursor.Time) {
		return cursor
	}
	return care.PageCursor{Time: to}
}
