package problem

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestProblems_HaveAStatusForEveryCode(t *testing.T) {
	t.Parallel()
	for code, status := range map[care.Code]int{
		care.Malformed: 400, care.Unauthenticated: 401, care.Forbidden: 403, care.NotFound: 404, care.Conflict: 409, care.PreconditionFailed: 412,
		care.PossibleDuplicate: 409, care.TooLarge: 413, care.Invalid: 422, care.PreconditionRequired: 428, care.RateLimited: 429, care.Unavailable: 503,
	} {
		p := Of(t.Context(), slog.New(slog.DiscardHandler), "request", fmt.Errorf("read: %w", care.Errorf(code, "words for a person")))
		require.Equal(t, status, p.Status, code)
		require.Equal(t, string(code), p.Code)
		require.Equal(t, "words for a person", p.Detail)
	}
	require.Len(t, statuses, 12)
	var log strings.Builder
	p := Of(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), "request", errors.New("Potassium 4.1"))
	require.Equal(t, 500, p.Status)
	require.NotContains(t, p.Detail, "Potassium")
	require.NotContains(t, log.String(), "Potassium")
	require.Contains(t, log.String(), "request failed")
}
