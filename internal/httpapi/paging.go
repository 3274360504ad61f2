package httpapi

import (
	"encoding/base64"
	"strconv"

	"carewire/internal/care"
)

// cut makes a page of rows that were read with one more than its limit, and gives the mark that the next begins after;
// empty on the last.
func cut[T any](rows []T, limit int, mark func(last T) string) (page []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], mark(rows[limit-1])
}

// parseMark reads the cursor of a list in the order of time and id; an empty one is start.
func parseMark(cursor string, start care.PageCursor) (care.PageCursor, error) {
	mark, ok := care.ParsePageCursor(cursor, start)
	if !ok {
		return mark, wrongCursor()
	}
	return mark, nil
}

// numberMark is the cursor of a list in the order of a number.
func numberMark(n int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, n, 10))
}

// parseNumberMark reads what numberMark gave; an empty cursor is 0.
func parseNumberMark(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, wrongCursor()
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n < 1 {
		return 0, wrongCursor()
	}
	return n, nil
}

func wrongCursor() error {
	return care.InvalidField("cursor", "must be the next of the page before")
}
