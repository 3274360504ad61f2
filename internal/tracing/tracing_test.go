package tracing

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

const sampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func open(t *testing.T) *Tracer {
	t.Helper()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1") // Nobody listens there.
	tracer, err := Open(t.Context(), "test", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NotNil(t, tracer)
	return tracer
}

func TestOpen_ReturnsNoTracerUnlessTheVariablesEnableIt(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing set": {},
		"turned off":  {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		"no exporter": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range env {
				t.Setenv(k, v)
			}
			tracer, err := Open(t.Context(), "test", slog.New(slog.DiscardHandler))
			require.NoError(t, err)
			require.Nil(t, tracer)
			require.Nil(t, tracer.PGX())
			require.NoError(t, tracer.Close(t.Context()))
		})
	}
}

func TestOpen_NamesTheVariableThatIsWrong(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "some",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(name, value)
			_, err := Open(t.Context(), "test", slog.New(slog.DiscardHandler))
			require.ErrorContains(t, err, name+": ")
		})
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_TRACES_SAMPLER", "traceidratio")
	for _, arg := range []string{"many", "-1", "1.5", "NaN"} {
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", arg)
		_, err := Open(t.Context(), "test", slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, "OTEL_TRACES_SAMPLER_ARG: ", arg)
	}
}

func TestTracer_NilCreatesNoSpans(t *testing.T) {
	t.Parallel()
	var none *Tracer
	ctx, span := none.Server(t.Context(), sampled)
	require.Equal(t, t.Context(), ctx)
	require.Empty(t, span.Traceparent())
	tp := sampled
	_, span = none.Continue(ctx, &tp, "step", time.Now())
	require.False(t, span.Recording())
	none.Record(&tp, "step", time.Now(), time.Now())
	none.RecordBatch(ctx, "steps", time.Now(), time.Now(), []string{tp})
	_, span = StartSpan(ctx, "step")
	span.Name("other")
	span.Set(String("a", "b"))
	span.Fail("code")
	span.End()
	require.False(t, span.Recording())
}

func TestStartSpan_CostsAlmostNothingWithoutASpan(t *testing.T) {
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, span := StartSpan(ctx, "step")
		span.End()
	}))
}

func TestSampled_ReadsTheFlag(t *testing.T) {
	tracer := open(t)
	for flags, want := range map[string]bool{"00": false, "01": true, "02": false, "03": true, "0a": false, "0b": true, "ff": true, "fe": false} {
		tp := strings.TrimSuffix(sampled, "01") + flags
		require.Equal(t, want, tracer.Sampled(&tp), flags)
	}
	short := "01"
	require.False(t, tracer.Sampled(&short))
	require.False(t, tracer.Sampled(nil))
}

func TestServer_ContinuesTheCallersTraceForLaterSteps(t *testing.T) {
	tracer := open(t)
	_, span := tracer.Server(t.Context(), sampled)
	tp := span.Traceparent()
	require.True(t, tracer.Sampled(&tp))
	require.Equal(t, sampled[:35], tp[:35], "the same trace")
	require.NotEqual(t, sampled, tp, "another step")
	require.Equal(t, sampled[3:35], span.TraceID())
	_, span = tracer.Server(t.Context(), "")
	require.NotEqual(t, sampled[:35], span.Traceparent()[:35])
}

func TestDetach_HidesTheSpanFromThirdPartyCode(t *testing.T) {
	tracer := open(t)
	ctx, span := tracer.Server(t.Context(), "")
	_, child := StartSpan(ctx, "step")
	require.True(t, child.Recording())
	ctx, cancel := context.WithCancel(Detach(ctx))
	_, child = StartSpan(ctx, "step")
	require.False(t, child.Recording())
	require.True(t, span.Recording())
	cancel()
	require.Error(t, ctx.Err(), "the rest of the context stays")
}

func TestStatementName_IsTheQuerysName(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"-- name: OutboxInsert :exec\nINSERT INTO outbox": "OutboxInsert", "begin": "begin", "SELECT\n    1": "SELECT", " commit ": "commit",
	} {
		require.Equal(t, want, statementName(sql))
	}
}

func TestCodeOnly_OmitsTheValuesThatPostgreSQLQuotes(t *testing.T) {
	t.Parallel()
	err := codeOnly(&pgconn.PgError{Severity: "ERROR", Code: "22P02", Message: `invalid input syntax for type uuid: "Jane Roe"`, Detail: "Jane Roe"})
	require.Equal(t, "ERROR: refused (SQLSTATE 22P02)", err.Error())
	require.NoError(t, codeOnly(nil))
}
