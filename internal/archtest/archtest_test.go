// Package archtest holds the direction of imports, as a test: who may import whom, and where each vendor is allowed.
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

// allowed has a row for each package: which of ours it may import. A package below another (a sub-package, a test
// helper) counts as its parent's row unless it has its own. "/*" stands for every direct child.
var allowed = map[string][]string{
	"care":                  {},
	"config":                {},
	"event":                 {"care"},
	"strictjson":            {},
	"postgres":              {"care", "migrations"},
	"tracing":               {},
	"outbox":                {"event", "care", "postgres", "tracing"},
	"ledger":                {"event", "care", "postgres", "tracing"},
	"clinic/ehr":            {"care", "event", "outbox", "postgres"},
	"clinic/directory":      {"care", "event", "outbox", "postgres"},
	"clinic/appointment":    {"care", "event", "outbox", "postgres"},
	"clinic/billing":        {"care", "event", "outbox", "postgres"},
	"clinic/chat":           {"care", "event", "outbox", "postgres"},
	"clinic/intake":         {"care", "event", "outbox", "postgres"},
	"fhirimport":            {"care", "clinic/*", "event", "outbox", "postgres", "strictjson"},
	"rule":                  {"care", "event"},
	"notify":                {"care", "event", "outbox", "postgres", "tracing"},
	"notify/email":          {"notify"},
	"notify/push":           {"notify"},
	"notify/notifytest":     {"notify"},
	"dispatch":              {"care", "event", "ledger", "outbox", "rule", "notify", "postgres", "tracing"},
	"realtime":              {"care", "event", "ledger", "postgres", "strictjson"},
	"analytics":             {"event", "ledger", "postgres"},
	"audit":                 {"care", "event", "ledger", "outbox", "postgres"},
	"periodic":              {"care", "clinic/*", "postgres"},
	"sandbox":               {},
	"auth":                  {"care", "clinic/directory", "strictjson"},
	"apidoc":                {"care", "event"},
	"httpapi":               {"care", "clinic/directory", "event", "outbox", "postgres", "tracing", "docs", "apidoc", "auth", "strictjson"},
	"httpapi/rest":          {"care", "clinic/*", "event", "outbox", "ledger", "rule", "dispatch", "notify", "realtime", "analytics", "audit", "auth", "httpapi"},
	"httpapi/web":           {"care", "clinic/directory", "event", "notify", "realtime", "auth", "httpapi"},
	"e2e":                   {"app", "config", "postgres", "postgres/embedded", "rule", "docs"},
	"e2e/apiclient":         {},
	"docs":                  {},
	"app":                   {"**"},
	"bench":                 {"ledger", "postgres", "postgres/embedded"},
	"migrations":            {},
	"archtest":              {},
	"recipetest":            {},
	"modeltest":             {"care", "clinic/*", "audit", "auth", "httpapi", "httpapi/rest", "ledger", "outbox"},
	"postgres/db":           {},
	"cmd/carewire":          {"app", "care", "config"},
	"postgres/embedded":     {"postgres"},
	"postgres/postgrestest": {"postgres", "postgres/embedded", "migrations"},
}

// fromTests may be imported by any package's tests: the real database, what stands in for the outside world, and what tells
// what was appended.
var fromTests = []string{"auth/authtest", "httpapi/web", "postgres/postgrestest", "outbox/outboxtest", "notify/notifytest", "sandbox", "outbox", "ledger", "event", "care", "notify"}

// vendors says in which packages a vendor's modules may be imported.
var vendors = map[string][]string{
	"github.com/labstack/echo":          {"httpapi", "httpapi/rest", "httpapi/web", "sandbox"},
	"github.com/danielgtaylor/huma":     {"httpapi", "apidoc", "httpapi/rest", "sandbox"},
	"github.com/olahol/melody":          {"realtime"},
	"github.com/aws/aws-sdk-go-v2":      {"notify/email"},
	"firebase.google.com/go":            {"notify/push"},
	"github.com/riverqueue/river":       {"app", "bench", "dispatch", "notify", "periodic", "httpapi/web", "postgres"},
	"riverqueue.com/riverui":            {"app", "httpapi/web"},
	"github.com/fergusstrange/embedded": {"postgres/embedded"},
	"github.com/pressly/goose":          {"postgres"},
	"cel.dev/cel-go":                    {"rule"},
	"github.com/pmezard/go-difflib":     {"rule"},
	"github.com/coreos/go-oidc":         {"auth", "httpapi/web"},
	"go.opentelemetry.io/":              {"tracing"},
	"github.com/exaring/otelpgx":        {"tracing"},
	"github.com/prometheus/":            {"app", "httpapi"},
	"github.com/oapi-codegen/runtime":   {"e2e/apiclient"},
	"github.com/yuin/goldmark":          {"apidoc"},
	"github.com/hashicorp/golang-lru":   {"auth", "httpapi"},
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

// short names a package of ours as the table does.
func short(importPath string) string {
	s := strings.TrimPrefix(importPath, "carewire/")
	return strings.TrimPrefix(s, "internal/")
}

// row finds the table's row of a package: its own, or its nearest parent's.
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

func TestImports_GoInTheDirectionOfTheTable(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := short(p.ImportPath)
		from, ok := row(name)
		if !ok {
			t.Errorf("%s has no row in the table: say what it may import", name)
			continue
		}
		check := func(imports []string, test bool) {
			for _, imp := range imports {
				if !strings.HasPrefix(imp, "carewire/") {
					continue
				}
				// A package's own tests may put its children together.
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

func TestTable_HasNoRowForAPackageThatIsGone(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range packages(t) {
		names = append(names, short(p.ImportPath))
	}
	for name := range allowed {
		require.True(t, slices.ContainsFunc(names, func(n string) bool { return n == name || strings.HasPrefix(n, name+"/") }), "%s is in the table but not in the tree", name)
	}
}
