package postgres_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
)

// pile is a number of waiting rows, some of which fail.
type pile struct {
	waiting, done []int
	broken        map[int]error
}

func (p *pile) work(limit, skip int32) (int, error) {
	from := min(int(skip), len(p.waiting))
	taken := slices.Clone(p.waiting[from:min(from+int(limit), len(p.waiting))])
	for _, row := range taken {
		if err := p.broken[row]; err != nil {
			return 0, err
		}
	}
	p.waiting = slices.Delete(p.waiting, from, from+len(taken))
	p.done = append(p.done, taken...)
	return len(taken), nil
}

func TestBatches_HandleEveryRowExceptThoseThatFailAlone(t *testing.T) {
	t.Parallel()
	fault := &pgconn.PgError{Code: "23514"}
	p := pile{waiting: []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, broken: map[int]error{1: fault, 5: fault, 10: fault}}
	n, err := postgres.Batches(3, p.work)
	require.ErrorIs(t, err, fault)
	require.Equal(t, 7, n)
	require.Equal(t, []int{2, 3, 4, 6, 7, 8, 9}, p.done)
	require.Equal(t, []int{1, 5, 10}, p.waiting)

	p = pile{waiting: []int{1, 2, 3, 4, 5, 6}}
	n, err = postgres.Batches(3, p.work)
	require.NoError(t, err)
	require.Equal(t, 6, n)
}

func TestBatches_EndOnAnErrorThatARetryMayFix(t *testing.T) {
	t.Parallel()
	p := pile{waiting: []int{1, 2, 3}, broken: map[int]error{2: context.DeadlineExceeded}}
	n, err := postgres.Batches(1, p.work)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, 1, n)
	require.Equal(t, []int{2, 3}, p.waiting)
}
