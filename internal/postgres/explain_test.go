package postgres_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/db"
)

// plan is the part of EXPLAIN (FORMAT JSON) that the tests check.
type plan struct {
	Node     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Rows     float64 `json:"Actual Rows"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Loops    float64 `json:"Actual Loops"`
	Plans    []plan  `json:"Plans"`
}

// touched returns the number of rows that the plan read from tables.
func (p plan) touched() (n float64) {
	if p.Relation != "" && strings.Contains(p.Node, "Scan") {
		n = (p.Rows + p.Removed) * p.Loops
	}
	for _, sub := range p.Plans {
		n += sub.touched()
	}
	return n
}

// sorted returns the largest number of rows that the plan sorts.
func (p plan) sorted() (n float64) {
	if strings.HasSuffix(p.Node, "Sort") {
		n = p.Plans[0].Rows * p.Plans[0].Loops
	}
	for _, sub := range p.Plans {
		n = max(n, sub.sorted())
	}
	return n
}

// scanned returns the grown tables with a sequential scan that was executed.
func (p plan) scanned() (all []string) {
	if p.Node == "Seq Scan" && slices.Contains(grown, p.Relation) && p.Loops > 0 {
		all = append(all, p.Relation)
	}
	for _, sub := range p.Plans {
		all = append(all, sub.scanned()...)
	}
	return all
}

// errExplained ends a query that was explained and not run.
var errExplained = errors.New("explained")

// explainer explains queries instead of running them: with their arguments, and with the generic
// plan for any arguments, which pgx's prepared statements have once PostgreSQL finds it no worse.
type explainer struct {
	t               *testing.T
	pageCost        string // PostgreSQL's random_page_cost.
	tx              pgx.Tx
	custom, generic plan
	// anyValues reports that the transaction has only plans for any arguments.
	anyValues bool
	// asked are the statements that were explained.
	asked []string
}

func (e *explainer) explain(ctx context.Context, sql string, args []any) {
	e.t.Helper()
	e.asked = append(e.asked, sql)
	exec := func(sql string) {
		_, err := e.tx.Exec(ctx, sql)
		require.NoError(e.t, err, sql)
	}
	exec("SET LOCAL random_page_cost = " + e.pageCost)
	read := func(into *plan, sql string, args ...any) {
		exec("SAVEPOINT unexplained") // A statement that writes is run twice.
		var text []byte
		require.NoError(e.t, e.tx.QueryRow(ctx, sql, args...).Scan(&text), sql)
		var all []struct{ Plan plan }
		require.NoError(e.t, json.Unmarshal(text, &all))
		*into = all[0].Plan
		exec("ROLLBACK TO unexplained")
	}
	read(&e.custom, "EXPLAIN (ANALYZE, FORMAT JSON) "+sql, args...)
	exec("SET LOCAL plan_cache_mode = force_generic_plan")
	prepared, err := e.tx.Prepare(ctx, "looked_at", sql)
	require.NoError(e.t, err)
	literals := make([]string, len(args))
	for i, arg := range args {
		literals[i] = e.literal(prepared.ParamOIDs[i], arg)
	}
	execute := "EXECUTE looked_at"
	if len(args) > 0 {
		execute += "(" + strings.Join(literals, ", ") + ")"
	}
	read(&e.generic, "EXPLAIN (ANALYZE, FORMAT JSON) "+execute)
	require.NoError(e.t, e.tx.Conn().Deallocate(ctx, "looked_at"))
	exec("RESET plan_cache_mode")
}

// literal returns an argument as SQL.
func (e *explainer) literal(oid uint32, arg any) string {
	text, err := e.tx.Conn().TypeMap().Encode(oid, pgtype.TextFormatCode, arg, []byte{}) // nil means NULL.
	require.NoError(e.t, err)
	if text == nil {
		return "NULL"
	}
	return "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
}

func (e *explainer) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	e.explain(ctx, sql, args)
	return nil, errExplained
}

func (e *explainer) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	for _, q := range b.QueuedQueries {
		e.explain(ctx, q.SQL, q.Arguments)
	}
	return explainedBatch{}
}

func (e *explainer) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if sql == db.PlanForAnyValues {
		e.anyValues = true
		return pgconn.CommandTag{}, nil
	}
	e.explain(ctx, sql, args)
	return pgconn.CommandTag{}, errExplained
}

func (e *explainer) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	e.explain(ctx, sql, args)
	return explained{}
}

type explained struct{}

func (explained) Scan(...any) error { return errExplained }

type explainedBatch struct{ pgx.BatchResults }

func (explainedBatch) Query() (pgx.Rows, error) { return nil, errExplained }
func (explainedBatch) QueryRow() pgx.Row        { return explained{} }
func (explainedBatch) Close() error             { return nil }
