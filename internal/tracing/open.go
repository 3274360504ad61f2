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

// closeTimeout bounds how long a stop waits for the collector.
const closeTimeout = 5 * time.Second

// Tracer makes spans. A nil one makes none.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// Open reads OpenTelemetry's own variables and gives a Tracer that sends to the collector they name by OTLP over HTTP. It
// gives nil, which makes no spans, when they name none or turn traces off. The error names the variable that is wrong.
func Open(ctx context.Context, version string, logger *slog.Logger) (*Tracer, error) {
	if !wanted() {
		return nil, nil
	}
	if err := check(); err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: open the exporter of traces: %w", err)
	}
	// What the variables say of the service comes last and wins.
	what, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "carewire"), attribute.String("service.version", version),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(&loggedExporter{SpanExporter: exporter, logger: logger}), sdktrace.WithResource(what))
	return &Tracer{provider: provider, tracer: provider.Tracer(scope)}, nil
}

// Close sends what is left and ends the exporter.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	return t.provider.Shutdown(ctx)
}

// wanted reports whether the variables ask for traces.
func wanted() bool {
	endpoint := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	return endpoint != "" && !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") && os.Getenv("OTEL_TRACES_EXPORTER") != "none"
}

// check refuses what the SDK would only complain of and then ignore.
func check() error {
	var errs []error
	if e := os.Getenv("OTEL_TRACES_EXPORTER"); e != "" && e != "otlp" {
		errs = append(errs, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not known here; use otlp or none", e))
	}
	protocol := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf")
	if protocol != "http/protobuf" {
		errs = append(errs, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: %q is not spoken here; use http/protobuf and the collector's port for it, usually 4318", protocol))
	}
	switch sampler := strings.ToLower(strings.TrimSpace(os.Getenv("OTEL_TRACES_SAMPLER"))); sampler {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
	case "traceidratio", "parentbased_traceidratio":
		arg := strings.TrimSpace(cmp.Or(os.Getenv("OTEL_TRACES_SAMPLER_ARG"), "1"))
		if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			errs = append(errs, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: %q is not a share of the traces from 0 to 1", arg))
		}
	default:
		errs = append(errs, fmt.Errorf("OTEL_TRACES_SAMPLER: %q is not one of always_on, always_off, traceidratio and these with parentbased_ before", sampler))
	}
	return errors.Join(errs...)
}

// loggedExporter says once that spans do not get through, until they do again.
type loggedExporter struct {
	sdktrace.SpanExporter
	logger *slog.Logger
	silent atomic.Bool
}

// ExportSpans never fails: the SDK would print the error by itself.
func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if failed := err != nil; e.silent.Swap(failed) != failed && failed {
		e.logger.WarnContext(ctx, "traces do not reach the collector and are dropped", "spans", len(spans), "error", err.Error())
	}
	return nil
}
