package config

import (
	"fmt"
	"reflect"
	"strings"
)

// about says of each setting what it is, for --help.
var about = map[string]string{
	"DATABASE_URL":                   "PostgreSQL 15 or newer; none: the embedded server",
	"CAREWIRE_DATA_DIR":              "the embedded database and the demo's signing key",
	"CAREWIRE_ADDR":                  "where to serve HTTP",
	"CAREWIRE_BASE_URL":              "how people reach the service; links begin with it; none: http://CAREWIRE_ADDR",
	"CAREWIRE_METRICS_ADDR":          "where to serve /metrics and profiles, for operators only; none: in demo mode on CAREWIRE_ADDR, else nowhere",
	"CAREWIRE_ORIGINS":               "origins of browsers that may call, comma-separated; none: only the service's own",
	"CAREWIRE_RATE_LIMIT":            "requests a second one subject may make",
	"CAREWIRE_DB_MAX_CONNS":          "connections of each of the two pools",
	"CAREWIRE_OIDC_ISSUER":           "the identity provider; required without --demo",
	"CAREWIRE_OIDC_AUDIENCE":         "what a token's aud must hold",
	"CAREWIRE_OIDC_CLIENT_ID":        "the client that signs browsers in at /login",
	"CAREWIRE_OIDC_CLIENT_SECRET":    "its secret, where it has one",
	"CAREWIRE_EMAIL_FROM":            "the sender of emails; none: no email is sent. Credentials: the AWS SDK's variables",
	"CAREWIRE_SES_CONFIGURATION_SET": "the SES configuration set that publishes receipts",
	"CAREWIRE_FCM_PROJECT":           "the Firebase project; none: no push is sent. Credentials: GOOGLE_APPLICATION_CREDENTIALS",
	"CAREWIRE_LOG_LEVEL":             "debug, info, warn or error",
	"CAREWIRE_LOG_FORMAT":            "json, text, or auto: text on a terminal",
	"CAREWIRE_SHUTDOWN_TIMEOUT":      "how long a stop waits for requests, sockets and jobs",
}

// Reference lists every setting with its default and its meaning, for --help.
func Reference() string {
	var b strings.Builder
	b.WriteString("Settings are environment variables:\n")
	for f := range reflect.TypeFor[Config]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "-" {
			continue
		}
		fmt.Fprintf(&b, "  %-31s %s", name, about[name])
		if def := f.Tag.Get("envDefault"); def != "" {
			fmt.Fprintf(&b, " (%s)", def)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
