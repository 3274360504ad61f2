package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Reference lists every setting with its default and its meaning, for --help.
func Reference() string {
	var b strings.Builder
	b.WriteString("Settings are environment variables:\n")
	for f := range reflect.TypeFor[Config]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "-" {
			continue
		}
		fmt.Fprintf(&b, "  %-32s %s", name, f.Tag.Get("about"))
		if def := f.Tag.Get("envDefault"); def != "" {
			fmt.Fprintf(&b, " (%s)", def)
		}
		b.WriteByte('\n')
	}
	b.WriteString("  OTEL_EXPORTER_OTLP_ENDPOINT      where to send traces, by OTLP over HTTP; none: there are none. All of OpenTelemetry's variables hold\n")
	return b.String()
}
