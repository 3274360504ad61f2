package tracing

import (
	"context"
	"errors"
	"strings"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// PGX returns a tracer of statements below a recorded span; nil if t is nil. A statement is
// identified by its name in sql/queries, without its text and its parameters.
func (t *Tracer) PGX() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return &pgxTracer{otelpgx.NewTracer(
		otelpgx.WithTracerProvider(t.provider), otelpgx.WithSpanNameFunc(statementName), otelpgx.WithDisableAcquireTracer(),
		otelpgx.WithDisableConnectionDetailsInAttributes(), otelpgx.WithDisableSQLStatementInAttributes(),
	)}
}

// statementName returns the query's name in sql/queries, which sqlc puts into its first line, or
// else the first word.
func statementName(sql string) string {
	if rest, ok := strings.CutPrefix(sql, "-- name: "); ok {
		sql = rest
	}
	word, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	first, _, _ := strings.Cut(word, "\n")
	return first
}

// pgxTracer keeps the text of errors out of spans: PostgreSQL quotes the value that it refuses.
type pgxTracer struct{ *otelpgx.Tracer }

// codeOnly reduces an error to its SQLSTATE.
func codeOnly(err error) error {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return &pgconn.PgError{Severity: pgErr.Severity, Code: pgErr.Code, Message: "refused"}
	}
	switch {
	case err == nil, errors.Is(err, pgx.ErrNoRows):
		return err
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	}
	return errors.New("connection")
}

// TraceQueryEnd ends the span of a statement.
func (t *pgxTracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	data.Err = codeOnly(data.Err)
	t.Tracer.TraceQueryEnd(ctx, conn, data)
}

// TraceBatchQuery records one statement of a batch.
func (t *pgxTracer) TraceBatchQuery(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	data.Err = codeOnly(data.Err)
	t.Tracer.TraceBatchQuery(ctx, conn, data)
}

// TraceBatchEnd ends the span of a batch.
func (t *pgxTracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	data.Err = codeOnly(data.Err)
	t.Tracer.TraceBatchEnd(ctx, conn, data)
}

// TraceCopyFromEnd ends the span of a COPY.
func (t *pgxTracer) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	data.Err = codeOnly(data.Err)
	t.Tracer.TraceCopyFromEnd(ctx, conn, data)
}

// TracePrepareEnd ends the span of a preparation.
func (t *pgxTracer) TracePrepareEnd(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareEndData) {
	data.Err = codeOnly(data.Err)
	t.Tracer.TracePrepareEnd(ctx, conn, data)
}

// TraceConnectEnd ends the span of a new connection.
func (t *pgxTracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	data.Err = codeOnly(data.Err)
	t.Tracer.TraceConnectEnd(ctx, data)
}
