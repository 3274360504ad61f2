package notify

import (
	"time"

	"carewire/internal/care"
)

// earlier returns the cursor, or the position of the first row at the time if that is earlier. The
// zero time bounds nothing.
func earlier(cursor care.PageCursor, to time.Time) care.PageCursor {
	if to.IsZero() || !to.Before(cursor.Time) {
		return cursor
	}
	return care.PageCursor{Time: to}
}
