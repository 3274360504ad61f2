package httpapi

import (
	"encoding/base64"
	"strconv"

	"carewire/internal/care"
)

// Paging is the input of a list that is read page by page.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"500" doc:"The value of next of the previous page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"The largest number of items."`
}

// ParseCursor parses the cursor of a list that is ordered by time and id; an empty cursor is start.
func ParseCursor(cursor string, start care.PageCursor) (care.PageCursor, error) {
	at, ok := care.ParsePageCursor(cursor, start)
	if !ok {
		return at, care.InvalidCursor()
	}
	return at, nil
}

// EncodeIDCursor returns the cursor of a list that is ordered by a number.
func EncodeIDCursor(n int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, n, 10))
}

// ParseIDCursor parses a cursor of EncodeIDCursor; an empty cursor is 0.
func ParseIDCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, care.InvalidCursor()
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 1 {
		return 0, care.InvalidCursor()
	}
	return n, nil
}
