package rest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify/template"
)

func (b *bundle) publishTemplates(source, note string) map[string]any {
	b.t.Helper()
	w := b.do(operator, http.MethodPost, "/api/templates", map[string]any{"source": source, "note": note})
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	return decode(b.t, w)
}

func TestTemplates_ArePublishedReadComparedPreviewedAndRolledBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	requireProblem(t, b.do(operator, http.MethodGet, "/api/templates/current", nil), 404, "not_found")
	first := string(template.Source())
	second := strings.Replace(first, "Your account was changed", "Something changed", 1)
	require.EqualValues(t, 1, b.publishTemplates(first, "the first")["version"])
	require.EqualValues(t, 1, b.publishTemplates(first, "again")["version"], "the same source is no new version")
	v := b.publishTemplates(second, "")
	require.EqualValues(t, 2, v["version"])
	require.Equal(t, second, v["source"])
	require.Equal(t, b.ids[operator].String(), v["publishedBy"])
	require.Equal(t, 2, b.events("templates.published"))

	d := decode(t, b.do(operator, http.MethodGet, "/api/templates/diff?from=1", nil))
	require.Equal(t, []any{"account"}, d["changed"])
	require.Contains(t, d["text"], "Something changed")
	preview := decode(t, b.do(operator, http.MethodPost, "/api/templates/preview", map[string]any{"template": "account", "type": "user.created", "locale": "en-GB"}))
	require.EqualValues(t, 2, preview["version"])
	mail := preview["messages"].([]any)[0].(map[string]any)
	require.Equal(t, "Something changed", mail["subject"])
	require.Contains(t, mail["html"], "Something changed")
	require.Equal(t, []string{"template"}, requireProblem(t, b.do(operator, http.MethodPost, "/api/templates/preview", map[string]any{"template": "x", "type": "user.created"}), 422, "invalid"))
	requireProblem(t, b.do(operator, http.MethodPost, "/api/templates/preview", map[string]any{"template": "account", "eventId": uuid.New()}), 404, "not_found")

	w := b.do(operator, http.MethodPost, "/api/templates/1/rollback", map[string]any{})
	require.EqualValues(t, 3, decode(t, w)["version"], "%s", w.Body)
	require.Equal(t, first, decode(t, b.do(operator, http.MethodGet, "/api/templates/current", nil))["source"])
	require.Equal(t, second, decode(t, b.do(operator, http.MethodGet, "/api/templates/2", nil))["source"])
	list := decode(t, b.do(operator, http.MethodGet, "/api/templates?limit=2", nil))
	require.Len(t, list["items"], 2)
	require.NotEmpty(t, list["next"])
	require.NotContains(t, list["items"].([]any)[0], "source")
	requireProblem(t, b.do(operator, http.MethodPost, "/api/templates/9/rollback", `{}`), 404, "not_found")
	for _, who := range []string{admin, doctor, patient, auditor} {
		requireProblem(t, b.do(who, http.MethodPost, "/api/templates", map[string]any{"source": first}), 403, "forbidden")
		requireProblem(t, b.do(who, http.MethodGet, "/api/templates/1", nil), 403, "forbidden")
	}
}

func TestTemplates_ThatDoNotFitTheRulesAreRefusedAndTheOtherWayRound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.publish("rules:\n"+aRule("one")+"    template: desk\n", "")
	without := strings.Replace(string(template.Source()), "  desk:\n", "  reception:\n", 1)
	for _, path := range []string{"/api/templates/check", "/api/templates"} {
		w := b.do(operator, http.MethodPost, path, map[string]any{"source": without})
		require.Equal(t, []string{"templates"}, requireProblem(t, w, 422, "invalid"))
		require.Contains(t, w.Body.String(), "rule one needs what this set does not have (rule set version 1, line ")
	}
	w := b.do(operator, http.MethodPost, "/api/templates/check", map[string]any{"source": "templates:\n  x:\n    email: {subject: '{{.PatientName}}', paragraphs: [a], button: b}\n"})
	requireProblem(t, w, 422, "invalid")
	require.Contains(t, w.Body.String(), `"line":`)
	require.Zero(t, b.events("templates.published"))
}

func TestTemplatePreview_IsAPageForOperatorsWithTheEmailInASandboxedFrame(t *testing.T) {
	t.Parallel()
	b := setup(t)
	query := "?" + url.Values{"template": {"account"}, "type": {"user.created"}}.Encode()
	w := b.do(operator, http.MethodGet, "/admin/templates/preview"+query, nil, "Accept", "text/html")
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Contains(t, w.Body.String(), `<iframe class="preview" title="Email" sandbox src="/admin/templates/preview/email?`)
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-src 'self'")
	require.Contains(t, w.Body.String(), "<h2>push</h2>")
	frame := b.do(operator, http.MethodGet, "/admin/templates/preview/email"+query, nil)
	require.Equal(t, http.StatusOK, frame.Code, "%s", frame.Body)
	require.Contains(t, frame.Body.String(), "Your account was changed")
	require.Contains(t, frame.Header().Get("Content-Security-Policy"), "sandbox; default-src 'none'")
	require.Equal(t, "SAMEORIGIN", frame.Header().Get("X-Frame-Options"))
	w = b.do(operator, http.MethodGet, "/admin/templates/preview?template=clinical&type=", nil, "Accept", "text/html")
	require.Contains(t, w.Body.String(), "event type ehr.lab_report.created")
	w = b.do(operator, http.MethodGet, "/admin/templates/preview?template=clinical&type=user.created&eventId="+uuid.NewString(), nil, "Accept", "text/html")
	require.Contains(t, w.Body.String(), "in the ledger", "an event replaces the type")
	w = b.do(operator, http.MethodGet, "/admin/templates/preview?template=%3Cq%3E&type=user.created", nil, "Accept", "text/html")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "unknown template")
	require.NotContains(t, w.Body.String(), "<q>")
	require.Equal(t, http.StatusForbidden, b.do(admin, http.MethodGet, "/admin/templates/preview"+query, nil).Code)
}

func TestClinicBrand_IsOfItsAdministratorsAndOperatorsByVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere()
	path := "/api/clinics/" + b.clinicID.String() + "/brand"
	w := b.do(patient, http.MethodGet, path, nil)
	require.Equal(t, map[string]any{"clinicId": b.clinicID.String(), "version": 0.0, "displayName": "", "logoUrl": "", "color": "", "replyTo": ""}, decode(t, w), "%s", w.Body)
	set := map[string]any{"displayName": "Your care team", "logoUrl": "https://img.example.org/logo.png", "color": "#0b5c6b", "replyTo": "Desk@Clinic.example"}
	w = b.do(admin, http.MethodPut, path, set)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	require.Equal(t, "desk@clinic.example", decode(t, w)["replyTo"], "in its normal form")
	requireProblem(t, b.do(admin, http.MethodPut, path, set), 428, "precondition_required")
	requireProblem(t, b.do(admin, http.MethodPut, path, set, "If-Match", `"2"`), 412, "precondition_failed")
	require.Equal(t, http.StatusOK, b.do(operator, http.MethodPut, path, set, "If-Match", `"1"`).Code)
	require.Equal(t, 2, b.events("clinic.brand_changed"))

	for field, value := range map[string]string{
		"logoUrl": "https://evil.example/logo.png", "color": "#ffff00", "replyTo": "nobody", "displayName": "Two\nlines",
	} {
		bad := map[string]any{"displayName": "", "logoUrl": "", "color": "", "replyTo": ""}
		bad[field] = value
		require.Equal(t, []string{field}, requireProblem(t, b.do(admin, http.MethodPut, path, bad, "If-Match", `"2"`), 422, "invalid"), field)
	}
	for _, color := range []string{"red", "#FFF", "#0B5C6B", "#0b5c6b;x"} {
		bad := map[string]any{"displayName": "", "logoUrl": "", "color": color, "replyTo": ""}
		requireProblem(t, b.do(admin, http.MethodPut, path, bad, "If-Match", `"2"`), 422, "invalid")
	}
	for _, who := range []string{doctor, nurse, receptionist, patient, otherAdmin, auditor} {
		requireProblem(t, b.do(who, http.MethodPut, path, set, "If-Match", `"2"`), 403, "forbidden")
	}
	requireProblem(t, b.do(otherAdmin, http.MethodGet, path, nil), 404, "not_found")
	requireProblem(t, b.do(admin, http.MethodGet, "/api/clinics/"+other.String()+"/brand", nil), 404, "not_found")
	requireProblem(t, b.do(operator, http.MethodPut, "/api/clinics/"+uuid.NewString()+"/brand", set), 404, "not_found")
	var data string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT data::text FROM outbox WHERE type = 'clinic.brand_changed' LIMIT 1`).Scan(&data))
	require.NotContains(t, data, "care team")
}
