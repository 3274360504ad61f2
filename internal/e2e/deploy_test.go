package e2e_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"carewire/internal/app"
	"carewire/internal/config"
)

const (
	alertsFile    = "../../deploy/prometheus/alerts.yml"
	dashboardFile = "../../deploy/grafana/carewire.json"
	guideFile     = "../../docs/operating.md"
)

type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      struct{ Severity string }
	Annotations struct{ Summary, Runbook string }
}

func readAlerts(t *testing.T) []alert {
	t.Helper()
	var file struct {
		Groups []struct{ Rules []alert }
	}
	require.NoError(t, yaml.Unmarshal([]byte(readText(t, alertsFile)), &file))
	require.Len(t, file.Groups, 1)
	require.NotEmpty(t, file.Groups[0].Rules)
	return file.Groups[0].Rules
}

func readText(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

// dashboardQueries returns the queries of every panel, by the panel's title.
func dashboardQueries(t *testing.T) map[string][]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(readText(t, dashboardFile)), &dashboard))
	queries := map[string][]string{}
	for _, p := range dashboard.Panels {
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			queries[p.Title] = append(queries[p.Title], target.Expr)
		}
	}
	require.NotEmpty(t, queries)
	return queries
}

// exposed returns the labels of each metric of a service that has been in use, by the metric's
// name.
func exposed(t *testing.T) map[string]string {
	t.Helper()
	c := openClinic(t)
	c.dial(patient, "")
	id := c.writeReport()
	c.eventually("all is sent", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
	body := c.do("", http.MethodGet, "/metrics", nil).body
	series := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_0-9]+)(\{.*\})? `).FindAllStringSubmatch(string(body), -1) {
		series[m[1]] += m[2]
	}
	return series
}

var (
	metricName = regexp.MustCompile(`\b(?:carewire|process|go)_[a-z0-9_]+`)
	selector   = regexp.MustCompile(`\b((?:carewire|process|go)_[a-z0-9_]+)\{([^}]*)\}`)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(=~|!=|=)\s*"([^"]*)"`)
)

func TestDeploy_AlertsAndDashboardUseOnlyMetricsThatTheServiceExposes(t *testing.T) {
	t.Parallel()
	series := exposed(t)
	queries := dashboardQueries(t)
	for _, a := range readAlerts(t) {
		queries[a.Alert] = append(queries[a.Alert], a.Expr)
	}
	for where, all := range queries {
		for _, query := range all {
			names := metricName.FindAllString(query, -1)
			require.True(t, len(names) > 0 || strings.HasPrefix(query, "up{"), "%s: names no metric", where)
			for _, name := range names {
				if _, ok := series[name]; !ok {
					t.Errorf("%s: the service exposes no %s", where, name)
				}
			}
			for _, s := range selector.FindAllStringSubmatch(query, -1) {
				checkSelector(t, where, s[1], s[2], series)
			}
		}
	}
}

// checkSelector checks that the labels of a selector are labels of the metric, and that a literal
// value occurs.
func checkSelector(t *testing.T, where, name, labels string, series map[string]string) {
	t.Helper()
	for _, m := range matcher.FindAllStringSubmatch(labels, -1) {
		label, op, value := m[1], m[2], m[3]
		if label == "job" {
			continue
		}
		if !strings.Contains(series[name], label+`="`) {
			t.Errorf("%s: %s has no label %s", where, name, label)
		}
		// An outcome that has not occurred has no series.
		if op == "=" && label != "outcome" && !strings.Contains(series[name], label+`="`+value+`"`) {
			t.Errorf("%s: %s is never %q in %s", where, label, value, name)
		}
	}
}

func TestDeploy_TheGuideExplainsEveryMetric(t *testing.T) {
	t.Parallel()
	guide := readText(t, guideFile)
	for name := range exposed(t) {
		family := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			family = strings.TrimSuffix(family, suffix)
		}
		if strings.HasPrefix(family, "carewire_") && !strings.Contains(guide, "`"+family+"`") {
			t.Errorf("%s is not explained in docs/operating.md", family)
		}
	}
}

func TestDeploy_EveryAlertHasASeverityASummaryAndARunbook(t *testing.T) {
	t.Parallel()
	sections := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^### (Carewire\w+)$`).FindAllStringSubmatch(readText(t, guideFile), -1) {
		sections[m[1]] = true
	}
	for _, a := range readAlerts(t) {
		require.Contains(t, []string{"critical", "warning"}, a.Labels.Severity, a.Alert)
		require.NotEmpty(t, a.Annotations.Summary, a.Alert)
		require.Equal(t, "docs/operating.md#"+strings.ToLower(a.Alert), a.Annotations.Runbook)
		require.True(t, sections[a.Alert], "%s has no section in the guide", a.Alert)
		delete(sections, a.Alert)
	}
	require.Empty(t, slices.Collect(maps.Keys(sections)), "sections of alerts that are gone")
}

func TestDeploy_TheGuideListsEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	rows := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (.*?) *\\| .+ \\|$").FindAllStringSubmatch(readText(t, guideFile), -1) {
		rows[m[1]] = strings.Trim(m[2], "`")
	}
	for f := range reflect.TypeFor[config.Config]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "-" {
			continue
		}
		def, ok := rows[name]
		require.True(t, ok, "%s is missing", name)
		require.Equal(t, f.Tag.Get("envDefault"), def, name)
		delete(rows, name)
	}
	require.Empty(t, rows, "settings that there are none of")
}

func TestDeploy_SupervisorsWaitLongerThanAStopTakes(t *testing.T) {
	t.Parallel()
	c, err := config.FromEnvironment()
	require.NoError(t, err)
	c.DatabaseURL = ""
	m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\S+)$`).FindStringSubmatch(readText(t, "../../deploy/carewire.service"))
	require.NotNil(t, m)
	waits, err := time.ParseDuration(m[1])
	require.NoError(t, err)
	require.Greater(t, waits, app.StopTime(c), "the unit, also with an embedded database")

	c.DatabaseURL = "postgres://db.example/carewire"
	image := readText(t, "../../deploy/Dockerfile")
	for _, how := range []string{`--stop-timeout (\d+)`, `docker stop -t (\d+)`, `stop_grace_period: (\d+)s`, `terminationGracePeriodSeconds: (\d+)`} {
		m := regexp.MustCompile(how).FindStringSubmatch(image)
		require.NotNil(t, m, how)
		waits, err := time.ParseDuration(m[1] + "s")
		require.NoError(t, err)
		require.Greater(t, waits, app.StopTime(c), how)
	}
}

func TestDeploy_TheSettingsOfTheImageAreValid(t *testing.T) {
	t.Parallel()
	c := config.Config{
		DatabaseURL: "postgres://carewire@db.example/carewire?sslmode=verify-full", DataDir: ".carewire", BaseURL: "https://clinic.example", RateLimit: 500, SocketsPerPerson: 50, MaxConns: 32,
		OIDCIssuer: "https://id.example", OIDCAudience: "carewire", LogLevel: "info", ShutdownTimeout: time.Second,
	}
	for _, m := range regexp.MustCompile(`(?m)(CAREWIRE_[A-Z_]+)=(\S+)(?: \\)?$`).FindAllStringSubmatch(readText(t, "../../deploy/Dockerfile"), -1) {
		switch m[1] {
		case "CAREWIRE_ADDR":
			c.Addr = m[2]
		case "CAREWIRE_LOG_FORMAT":
			c.LogFormat = m[2]
		default:
			require.Fail(t, "the test does not know "+m[1])
		}
	}
	require.NoError(t, c.Validate())
}
