package httpapi

import (
	"encoding/base64"
	"strconv"

	"carewire/internal/care"
)

// Paging is how lists are read page by page.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"500" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most."`
}

// Paginate makes a page of rows that were read with one more than its limit, and gives the mark that the next begins after;
// empty on the last.
func Paginate[T any](rows []T, limit int, mark func(last T) string) (page []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], mark(rows[limit-1])
}

// ParseCursor reads the cursor of a list in the order of time and id; an empty one is start.
func ParseCursor(cursor string, start care.PageCursor) (care.PageCursor, error) {
	mark, ok := care.ParsePageCursor(cursor, start)
	if !ok {
		return mark, InvalidCursor()
	}
	return mark, nil
}

// EncodeIDCursor is the cursor of a list in the order of a number.
func EncodeIDCursor(n int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, n, 10))
}

// ParseIDCursor reads what EncodeIDCursor gave; an empty cursor is 0.
func ParseIDCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, InvalidCursor()
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 1 {
		return 0, InvalidCursor()
	}
	return n, nil
}

// InvalidCursor is the error of a cursor that this service did not make.
func InvalidCursor() error {
	return care.InvalidField("cursor", "must be the next of the page before")
}
