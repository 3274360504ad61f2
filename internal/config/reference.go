package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference returns a list of all settings with description and default, for --help.
func Reference() string {
	var b strings.Builder
	b.WriteString("Settings are environment variables:\n")
	for f := range reflect.TypeFor[Config]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "-" {
			continue
		}
		fmt.Fprintf(&b, "  %-33s %s", name, f.Tag.Get("about"))
		if def := f.Tag.Get("envDefault"); def != "" {
			fmt.Fprintf(&b, "; default: %s", def)
		}
		b.WriteByte('\n')
	}
	b.WriteString("  OTEL_EXPORTER_OTLP_ENDPOINT       endpoint for traces, by OTLP over HTTP; default: tracing is disabled. All of OpenTelemetry's variables apply\n")
	return b.String()
}
