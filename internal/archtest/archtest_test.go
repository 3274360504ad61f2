// Package archtest tests the direction of imports: which packages may import which, and where each
// vendor's modules may be used.
package archtest

import (
	"encoding/json"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allowed lists the packages of this module that each package may import. A package below another
// (a sub-package, a test helper) uses its parent's row unless it has its own. "/*" matches every
// direct child, "**" matches all.
var allowed = map[string][]string{
	"batch":                 {"postgres"},
	"care":                  {},
	"config":                {},
	"event":                 {"care"},
	"strictjson":            {},
	"jsonform":              {},
	"postgres":              {"care", "migrations"},
	"tracing":               {},
	"logging":               {"config"},
	"logtest":               {},
	"table":                 {},
	"wake":                  {},
	"outbox":                {"event", "care", "postgres", "tracing", "wake"},
	"ledger":                {"event", "care", "postgres", "tracing", "wake"},
	"clinic/ehr":            {"care", "event", "outbox", "postgres"},
	"clinic/directory":      {"batch", "care", "event", "outbox", "postgres"},
	"clinic/appointment":    {"care", "event", "outbox", "postgres"},
	"clinic/billing":        {"care", "event", "outbox", "postgres"},
	"clinic/chat":           {"care", "event", "outbox", "postgres"},
	"clinic/clinictest":     {"care", "outbox", "postgres/postgrestest"},
	"clinic/intake":         {"care", "event", "outbox", "postgres"},
	"fhirimport":            {"care", "clinic/*", "event", "outbox", "postgres", "fhirimport/fhir", "fhirimport/mapping", "fhirimport/meaning"},
	"fhirimport/fhir":       {"clinic/ehr", "strictjson"},
	"fhirimport/dosage":     {"clinic/ehr", "fhirimport/fhir"},
	"fhirimport/meaning":    {"clinic/appointment", "clinic/billing", "fhirimport/fhir"},
	"fhirimport/money":      {"clinic/billing", "fhirimport/fhir"},
	"fhirimport/people":     {"care", "fhirimport/fhir"},
	"fhirimport/mapping":    {"care", "clinic/*", "fhirimport/fhir", "fhirimport/dosage", "fhirimport/meaning", "fhirimport/money", "fhirimport/people"},
	"rule":                  {"care", "event", "textdiff", "yamlnode"},
	"textdiff":              {},
	"versionset":            {"care", "event", "outbox", "postgres"},
	"templateset":           {"care", "event", "notify/template", "outbox", "postgres", "rule", "smstext", "textdiff", "versionset"},
	"notify":                {"batch", "care", "event", "outbox", "postgres", "tracing", "notify/template"},
	"notify/template":       {"care", "event", "smstext", "yamlnode"},
	"yamlnode":              {},
	"notify/link":           {"care"},
	"inbox":                 {"care", "event", "outbox", "postgres"},
	"notify/httpcall":       {"notify"},
	"notify/awsclient":      {"notify", "notify/httpcall"},
	"smstext":               {},
	"notify/email":          {"notify", "notify/awsclient", "notify/httpcall"},
	"config/providerfile":   {"yamlnode"},
	"notify/smtp":           {"notify", "notify/httpcall"},
	"notify/twilio":         {"notify", "notify/httpcall"},
	"notify/sms":            {"notify", "notify/awsclient", "notify/httpcall"},
	"notify/whatsapp":       {"notify", "notify/httpcall"},
	"notify/push":           {"notify", "notify/template"},
	"notify/receipt":        {"notify", "strictjson"},
	"notify/notifytest":     {"notify", "notify/template", "sandbox"},
	"dispatch":              {"care", "event", "inbox", "ledger", "outbox", "rule", "notify", "notify/template", "postgres", "templateset", "tracing", "versionset"},
	"scheduler":             {"postgres"},
	"realtime":              {"care", "event", "ledger", "postgres", "strictjson"},
	"analytics":             {"care", "event", "ledger", "postgres"},
	"audit":                 {"care", "event", "ledger", "outbox", "postgres"},
	"periodic":              {"audit", "care", "clinic/*", "notify", "postgres"},
	"sandbox":               {"layout", "smstext"},
	"auth":                  {"care", "clinic/directory", "strictjson"},
	"layout":                {},
	"apidoc":                {"care", "event", "layout"},
	"httpapi":               {"care", "clinic/directory", "event", "outbox", "postgres", "tracing", "docs", "apidoc", "auth", "layout", "strictjson", "jsonform", "httpapi/etag", "httpapi/problem", "httpapi/body", "httpapi/openapi", "httpapi/limit", "httpapi/peer", "httpapi/refusal"},
	"httpapi/etag":          {},
	"httpapi/problem":       {"care", "postgres", "layout", "httpapi/etag"},
	"httpapi/body":          {"care", "strictjson", "httpapi/problem"},
	"httpapi/openapi":       {"auth", "care", "httpapi/problem"},
	"httpapi/limit":         {"care"},
	"httpapi/peer":          {"care"},
	"httpapi/refusal":       {"care"},
	"httpapi/rest":          {"care", "clinic/*", "event", "outbox", "ledger", "rule", "dispatch", "inbox", "notify", "realtime", "templateset", "analytics", "audit", "auth", "httpapi", "httpapi/openapi", "httpapi/peer", "httpapi/problem", "jsonform"},
	"httpapi/webhook":       {"care", "event", "notify", "notify/receipt", "outbox", "postgres", "httpapi", "httpapi/problem", "httpapi/refusal"},
	"httpapi/web":           {"care", "clinic/*", "event", "inbox", "notify", "notify/link", "outbox", "realtime", "templateset", "auth", "httpapi", "httpapi/problem", "layout"},
	"e2e":                   {"app", "config", "operator", "postgres", "postgres/embedded", "rule", "docs"},
	"e2e/apiclient":         {},
	"e2e/simulation":        {},
	"docs":                  {},
	"operator":              {"audit", "care", "clinic/directory", "config", "dispatch", "event", "fhirimport", "ledger", "notify", "notify/template", "outbox", "postgres", "postgres/embedded", "rule", "templateset"},
	"app":                   {"**"},
	"bench":                 {"auth", "ledger", "postgres", "postgres/embedded", "sandbox"},
	"migrations":            {},
	"archtest":              {},
	"recipetest":            {},
	"modeltest":             {"care", "clinic/*", "audit", "auth", "httpapi", "httpapi/rest", "ledger", "notify/template", "outbox", "templateset"},
	"postgres/db":           {},
	"cmd/carewire":          {"app", "care", "config", "operator", "table"},
	"postgres/embedded":     {"postgres"},
	"postgres/postgrestest": {"postgres", "postgres/embedded", "migrations"},
}

// fromTests lists packages that any package's tests may import: the real database, fakes of the
// outside world, and helpers that read appended events.
var fromTests = []string{"apidoc", "notify/link", "auth/authtest", "docs", "httpapi/web", "httpapi/webhook", "notify/receipt", "postgres/postgrestest", "clinic/clinictest", "logtest", "outbox/outboxtest", "notify/notifytest", "notify/template", "sandbox", "outbox", "ledger", "event", "care", "notify"}

// vendors lists the packages in which a vendor's modules may be imported.
var vendors = map[string][]string{
	"github.com/labstack/echo":          {"httpapi", "httpapi/problem", "httpapi/rest", "httpapi/web", "httpapi/webhook", "sandbox"},
	"github.com/danielgtaylor/huma":     {"httpapi", "apidoc", "httpapi/openapi", "httpapi/rest", "sandbox"},
	"github.com/olahol/melody":          {"realtime"},
	"github.com/aws/aws-sdk-go-v2":      {"notify/awsclient", "notify/email", "notify/sms"},
	"github.com/wneessen/go-mail":       {"notify/smtp"},
	"github.com/emersion/":              {"notify/smtp"},
	"github.com/twilio/twilio-go":       {"notify/twilio"},
	"firebase.google.com/go":            {"notify/push"},
	"github.com/riverqueue/river":       {"app", "bench", "dispatch", "notify", "operator", "periodic", "httpapi/web", "postgres"},
	"riverqueue.com/riverui":            {"app", "httpapi/web"},
	"github.com/fergusstrange/embedded": {"postgres/embedded"},
	"github.com/pressly/goose":          {"postgres"},
	"cel.dev/cel-go":                    {"rule"},
	"github.com/pmezard/go-difflib":     {"textdiff"},
	"github.com/coreos/go-oidc":         {"auth", "httpapi/web"},
	"go.opentelemetry.io/":              {"tracing"},
	"github.com/exaring/otelpgx":        {"tracing"},
	"github.com/prometheus/":            {"app", "httpapi"},
	"github.com/oapi-codegen/runtime":   {"e2e/apiclient"},
	"github.com/yuin/goldmark":          {"apidoc"},
	"github.com/hashicorp/golang-lru":   {"auth", "httpapi", "httpapi/limit", "notify/template"},
	"pgregory.net/rapid":                {"modeltest"},
}

type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "carewire/...").Output()
	require.NoError(t, err)
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		require.NoError(t, dec.Decode(&p))
		all = append(all, p)
	}
	require.NotEmpty(t, all)
	return all
}

// short returns the name of a package in the table.
func short(importPath string) string {
	s := strings.TrimPrefix(importPath, "carewire/")
	return strings.TrimPrefix(s, "internal/")
}

// row returns the table's row of a package: its own, or that of its nearest parent.
func row(name string) (string, bool) {
	for ; name != "."; name = path.Dir(name) {
		if _, ok := allowed[name]; ok {
			return name, true
		}
	}
	return "", false
}

func mayImport(from, to string) bool {
	toRow, _ := row(to)
	if toRow == from || (to == "postgres/db" && slices.Contains(allowed[from], "postgres")) || (from == "postgres" && strings.HasPrefix(to, "postgres/")) {
		return true
	}
	return slices.ContainsFunc(allowed[from], func(a string) bool {
		return a == "**" || a == toRow || (strings.HasSuffix(a, "/*") && path.Dir(toRow) == strings.TrimSuffix(a, "/*"))
	})
}

func TestImports_FollowTheTable(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := short(p.ImportPath)
		from, ok := row(name)
		if !ok {
			t.Errorf("%s has no row in the table", name)
			continue
		}
		check := func(imports []string, test bool) {
			for _, imp := range imports {
				if !strings.HasPrefix(imp, "carewire/") {
					continue
				}
				// A package's own tests may import its children.
				if test && (slices.Contains(fromTests, short(imp)) || strings.HasPrefix(short(imp), name+"/")) {
					continue
				}
				if !mayImport(from, short(imp)) {
					t.Errorf("%s imports %s, which the table does not allow", name, short(imp))
				}
			}
		}
		check(p.Imports, false)
		check(p.TestImports, true)
		check(p.XTestImports, true)
	}
}

func TestVendors_StayInTheirPackages(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := short(p.ImportPath)
		for _, imp := range p.Imports {
			for vendor, where := range vendors {
				if !strings.HasPrefix(imp, vendor) {
					continue
				}
				if from, _ := row(name); !slices.Contains(where, from) && !slices.Contains(where, name) {
					t.Errorf("%s imports %s, which only %s may", name, imp, strings.Join(where, ", "))
				}
			}
		}
	}
}

func TestTable_HasNoRowWithoutAPackage(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range packages(t) {
		names = append(names, short(p.ImportPath))
	}
	for name := range allowed {
		require.True(t, slices.ContainsFunc(names, func(n string) bool { return n == name || strings.HasPrefix(n, name+"/") }), "%s is in the table but not in the tree", name)
	}
}
