package rest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/httpapi/problem"
)

func aRule(name string) string {
	return fmt.Sprintf("  - name: %s\n    on: user.created\n    recipients: [{user: data.userId}]\n    channels: [email]\n", name)
}

// publish publishes a source as the operator and gives the version.
func (b *bundle) publish(source, note string) map[string]any {
	b.t.Helper()
	w := b.do(operator, http.MethodPost, "/api/rules", map[string]any{"source": source, "note": note})
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	return decode(b.t, w)
}

func TestRules_ArePublishedReadComparedAndRolledBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	requireProblem(t, b.do(operator, http.MethodGet, "/api/rules/current", nil), 404, "not_found")
	require.Empty(t, decode(t, b.do(operator, http.MethodGet, "/api/rules", nil))["items"])

	first := "rules:\n" + aRule("one") + aRule("two")
	second := "rules:\n" + strings.Replace(aRule("one"), "email", "push", 1) + aRule("three")
	v := b.publish(first, "the first")
	require.EqualValues(t, 1, v["version"])
	require.Equal(t, "the first", v["note"])
	require.Equal(t, b.ids[operator].String(), v["publishedBy"])
	require.Equal(t, first, v["source"])
	require.EqualValues(t, 1, b.publish(first, "again")["version"], "the same source is no new version")
	require.EqualValues(t, 2, b.publish(second, "")["version"])
	require.Equal(t, 2, b.events("rules.published"))

	d := decode(t, b.do(operator, http.MethodGet, "/api/rules/diff?from=1&to=2", nil))
	require.Equal(t, []any{"three"}, d["added"])
	require.Equal(t, []any{"two"}, d["removed"])
	require.Equal(t, []any{"one"}, d["changed"])
	require.Contains(t, d["text"], "\n-    channels: [email]\n-  - name: two\n+    channels: [push]\n+  - name: three\n")
	require.Equal(t, d, decode(t, b.do(operator, http.MethodGet, "/api/rules/diff?from=1", nil)), "by default with the newest")
	requireProblem(t, b.do(operator, http.MethodGet, "/api/rules/diff?from=1&to=7", nil), 404, "not_found")
	require.Equal(t, []string{"from"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/rules/diff", nil), 422, "invalid"))
	require.Equal(t, []string{"to"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/rules/diff?from=1&to=0", nil), 422, "invalid"))

	w := b.do(operator, http.MethodPost, "/api/rules/1/rollback", map[string]any{"note": "too much"})
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.EqualValues(t, 3, decode(t, w)["version"])
	require.Equal(t, first, decode(t, w)["source"])
	require.Equal(t, "too much", decode(t, w)["note"])
	require.EqualValues(t, 3, decode(t, b.do(operator, http.MethodPost, "/api/rules/1/rollback", `{}`))["version"], "it is what the newest says")
	require.Equal(t, "back to version 2", decode(t, b.do(operator, http.MethodPost, "/api/rules/2/rollback", `{}`))["note"])
	requireProblem(t, b.do(operator, http.MethodPost, "/api/rules/9/rollback", `{}`), 404, "not_found")
	requireProblem(t, b.do(operator, http.MethodPost, "/api/rules/0/rollback", `{}`), 422, "invalid")
	require.Equal(t, 4, b.events("rules.published"))
	var role string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT DISTINCT actor_role FROM outbox WHERE type = 'rules.published'`).Scan(&role))
	require.Equal(t, "operator", role)

	var versions []any
	for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
		page := decode(t, b.do(operator, http.MethodGet, "/api/rules?limit=3&cursor="+cursor, nil))
		for _, item := range page["items"].([]any) {
			versions = append(versions, item.(map[string]any)["version"])
			require.NotContains(t, item, "source")
		}
		cursor, _ = page["next"].(string)
	}
	require.Equal(t, []any{4.0, 3.0, 2.0, 1.0}, versions)
	require.Equal(t, second, decode(t, b.do(operator, http.MethodGet, "/api/rules/current", nil))["source"])
	require.Equal(t, first, decode(t, b.do(operator, http.MethodGet, "/api/rules/1", nil))["source"])
	requireProblem(t, b.do(operator, http.MethodGet, "/api/rules/9", nil), 404, "not_found")
	requireProblem(t, b.do(operator, http.MethodGet, "/api/rules/x", nil), 422, "invalid")
	requireProblem(t, b.do(operator, http.MethodGet, "/api/rules?cursor=x", nil), 422, "invalid")
}

func TestRules_WithMistakesAreRefusedWithEachOnItsLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := "rules:\n  - name: one\n    on: nothing.here\n    channels: [fax]\n"
	for _, path := range []string{"/api/rules/check", "/api/rules"} {
		w := b.do(operator, http.MethodPost, path, map[string]any{"source": source})
		require.Equal(t, []string{"recipients", "on", "channels"}, requireProblem(t, w, 422, "invalid"))
		var p problem.Problem
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p))
		require.Equal(t, []int{2, 3, 4}, []int{p.Errors[0].Line, p.Errors[1].Line, p.Errors[2].Line})
		require.Equal(t, "the rule set has 3 mistakes", p.Detail)
	}
	w := b.do(operator, http.MethodPost, "/api/rules/check", map[string]any{"source": "rules:\n" + aRule("one")})
	require.JSONEq(t, `{"rules": 1}`, w.Body.String())
	var stored int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM rule_sets`).Scan(&stored))
	require.Zero(t, stored, "nothing was stored")
	require.Equal(t, []string{"source"}, requireProblem(t, b.do(operator, http.MethodPost, "/api/rules", `{}`), 422, "invalid"))
	require.Equal(t, []string{"source"}, requireProblem(t, b.do(operator, http.MethodPost, "/api/rules", `{"source": ""}`), 422, "invalid"))
	require.Equal(t, []string{"note"}, requireProblem(t, b.do(operator, http.MethodPost, "/api/rules",
		map[string]any{"source": "rules: []", "note": strings.Repeat("x", 501)}), 422, "invalid"))
}

func TestRules_ThatNoLongerPassTheChecksAreNotGoneBackToButCompared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for version, source := range map[int]string{1: "rules:\n  - name: old\n    escalate: now\n", 2: "rules: [", 3: "rules: []\n"} {
		_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO rule_sets (version, source, checksum, published_by) VALUES ($1, $2, sha256($3), 'newer')`, version, source, []byte(source))
		require.NoError(t, err)
	}
	w := b.do(operator, http.MethodPost, "/api/rules/1/rollback", `{}`)
	require.Contains(t, requireProblem(t, w, 422, "invalid"), "escalate")
	require.Contains(t, decode(t, w)["detail"], "version 1 no longer passes the checks of this binary")
	require.Zero(t, b.events("rules.published"))
	d := decode(t, b.do(operator, http.MethodGet, "/api/rules/diff?from=1&to=3", nil))
	require.Equal(t, []any{"old"}, d["removed"])
	d = decode(t, b.do(operator, http.MethodGet, "/api/rules/diff?from=2&to=3", nil))
	require.Equal(t, "version 2: want YAML with a list of rules", d["unreadable"])
	require.Contains(t, d["text"], "-rules: [")
}
