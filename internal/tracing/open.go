package tracing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// closeTimeout bounds how long Close waits for the collector.
const closeTimeout = 5 * time.Second

// Tracer creates spans. A nil Tracer creates none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// Open reads OpenTelemetry's environment variables and returns a Tracer that sends to their
// collector by OTLP over HTTP. It returns nil, which creates no spans, if they name no collector or
// disable traces. The error names the invalid variable.
func Open(ctx context.Context, version string, logger *slog.Logger) (*Tracer, error) {
	if !wanted() {
		return nil, nil
	}
	if err := check(); err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: open the trace exporter: %w", err)
	}
	// The attributes of the environment variables come last and take precedence.
	attributes, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "carewire"), attribute.String("service.version", version),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(&loggedExporter{SpanExporter: exporter, logger: logger}), sdktrace.WithResource(attributes))
	return &Tracer{provider: provider, tracer: provider.Tracer(scope)}, nil
}

// Close sends the remaining spans and stops the exporter.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// wanted reports whether the environment variables enable traces.
func wanted() bool {
	endpoint := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	return endpoint != "" && !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") && os.Getenv("OTEL_TRACES_EXPORTER") != "none"
}

// check returns an error for settings that the SDK would only log and then ignore.
func check() error {
	var errs []error
	if e := os.Getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		errs = append(errs, fmt.Errorf("OTEL_TRACES_EXPORTER: unknown exporter %q; want otlp or none", e))
	}
	protocol := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf")
	if protocol != "http/protobuf" {
		errs = append(errs, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: unsupported protocol %q; want http/protobuf, and the collector's port for it, usually 4318", protocol))
	}
	switch sampler := strings.ToLower(strings.TrimSpace(os.Getenv("OTEL_TRACES_SAMPLER"))); sampler {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
	case "traceidratio", "parentbased_traceidratio":
		arg := strings.TrimSpace(cmp.Or(os.Getenv("OTEL_TRACES_SAMPLER_ARG"), "1"))
		if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			errs = append(errs, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: invalid ratio %q; want a number from 0 to 1", arg))
		}
	default:
		errs = append(errs, fmt.Errorf("OTEL_TRACES_SAMPLER: unknown sampler %q; want one of always_on, always_off, traceidratio, or one of these prefixed with parentbased_", sampler))
	}
	return errors.Join(errs...)
}

// loggedExporter logs the first of successive failures to send spans.
type loggedExporter struct {
	sdktrace.SpanExporter
	logger *slog.Logger
	silent atomic.Bool
}

// ExportSpans never returns an error: the SDK would print it.
func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if failed := err != nil; e.silent.Swap(failed) != failed && failed {
		e.logger.WarnContext(ctx, "cannot send traces to the collector; dropping them", "spans", len(spans), "error", err.Error())
	}
	return nil
}
