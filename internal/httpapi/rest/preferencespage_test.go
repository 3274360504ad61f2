package rest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// submitPreferences submits the form of the patient's page.
func (b *bundle) submitPreferences(form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.do(patient, http.MethodPost, "/preferences", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// quietForm returns a form with the patient's own windows, each as "from to days".
func quietForm(windows ...string) url.Values {
	form := url.Values{"timeZone": {"Europe/Berlin"}, "digestHour": {"8"}, "quiet": {"own"}}
	for i, w := range windows {
		parts := strings.Split(w, " ")
		name := "quiet-" + string(rune('0'+i))
		form.Set(name+"-from", parts[0])
		form.Set(name+"-to", parts[1])
		if parts[2] != "" {
			form[name+"-days"] = strings.Split(parts[2], ",")
		}
	}
	return form
}

func TestPreferencesPage_SavesWhenMessagesAreSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.do(patient, http.MethodGet, "/preferences", nil).Body.String()
	require.Contains(t, page, `name="quiet" value="default" checked`)
	require.Contains(t, page, `<option value="8" selected>08:00</option>`)
	require.NotContains(t, page, `name="quiet-0-from"`)

	form := quietForm("22:00 07:00 mon,tue", "12:00 00:00 sun")
	form.Set("digestHour", "18")
	w := b.submitPreferences(form)
	require.Equal(t, http.StatusSeeOther, w.Code, "%s", w.Body)
	require.Equal(t, "/preferences?saved=1", w.Header().Get("Location"))
	found := b.preferences()
	require.Equal(t, []any{
		map[string]any{"from": "22:00", "to": "07:00", "days": []any{"mon", "tue"}},
		map[string]any{"from": "12:00", "to": "24:00", "days": []any{"sun"}},
	}, found["quietHours"])
	require.EqualValues(t, 18, found["digestHour"])
	require.Equal(t, "Europe/Berlin", found["timeZone"])

	page = b.do(patient, http.MethodGet, "/preferences?saved=1", nil).Body.String()
	require.Contains(t, page, "Saved.")
	require.Contains(t, page, `name="quiet" value="own" checked`)
	require.Contains(t, page, `name="quiet-1-to" id="quiet-1-to" value="00:00"`, "as browsers write midnight")
	require.Contains(t, page, `name="quiet-1-days" value="sun" checked`)
	require.NotContains(t, page, `name="quiet-1-days" value="mon" checked`)
	changed := b.events("user.preference_changed")
	require.Equal(t, http.StatusSeeOther, b.submitPreferences(form).Code)
	require.Equal(t, changed, b.events("user.preference_changed"), "what did not change is not stored")

	form.Set("quiet", "never")
	require.Equal(t, http.StatusSeeOther, b.submitPreferences(form).Code)
	require.Equal(t, []any{}, b.preferences()["quietHours"])
	form.Set("quiet", "default")
	require.Equal(t, http.StatusSeeOther, b.submitPreferences(form).Code)
	require.Nil(t, b.preferences()["quietHours"])
}

func TestPreferencesPage_AddsAndRemovesWindowsWithoutScriptsOrSaving(t *testing.T) {
	t.Parallel()
	b := setup(t)
	form := quietForm("20:00 21:00 mon", "22:00 23:00 tue")
	form.Set("billing/email", "digest")
	form.Set("add", "1")
	w := b.submitPreferences(form)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	page := w.Body.String()
	require.Contains(t, page, `name="quiet-2-from" id="quiet-2-from" value="22:00" autofocus`)
	require.Contains(t, page, `name="quiet-0-from" id="quiet-0-from" value="20:00"`)
	require.Contains(t, page, `<option value="digest" selected>`, "what was chosen elsewhere is kept")

	form.Del("add")
	form.Set("remove", "0")
	page = b.submitPreferences(form).Body.String()
	require.Contains(t, page, `name="quiet-0-from" id="quiet-0-from" value="22:00"`)
	require.Contains(t, page, `name="quiet-0-days" value="tue" checked`)
	require.NotContains(t, page, `name="quiet-1-from"`)
	for _, odd := range []string{"7", "-1", "x"} {
		form.Set("remove", odd)
		require.Contains(t, b.submitPreferences(form).Body.String(), `name="quiet-1-from"`)
	}
	require.Zero(t, b.events("user.preference_changed"))
}

func TestPreferencesPage_ShowsMistakesAtTheirFieldsAndSavesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		name, field, text string
		form              url.Values
	}{
		{"an unknown zone", "timeZone", "Must be an IANA time zone such as Europe/Berlin", url.Values{"quiet": {"never"}, "timeZone": {"Berlin"}, "digestHour": {"8"}}},
		{"no hour", "digestHour", "Must be an hour from 0 to 23", url.Values{"quiet": {"never"}, "digestHour": {"noon"}}},
		{"no window", "quiet", "Must have a time: add one, or choose none", quietForm()},
		{"another choice", "quiet", "Must be one of these", url.Values{"quiet": {"sometimes"}}},
		{"no beginning", "quiet-0-from", "Must be a time from 00:00 to 23:59", quietForm(" 07:00 mon")},
		{"an empty window", "quiet-1-to", "Must not equal from, as the window is empty", quietForm("20:00 21:00 mon", "22:00 22:00 tue")},
		{"no day", "quiet-0-days", "Must have at least one day", quietForm("22:00 07:00 ")},
		{"an overlap", "quiet-1", "Overlaps quiet time 1; windows must not overlap", quietForm("22:00 07:00 mon", "06:00 08:00 tue")},
		{"a whole week", "quiet", "Must leave some time of the week", quietForm("00:00 00:00 mon,tue,wed,thu,fri,sat,sun")},
		{"an unknown setting", "billing/email", "Must be one of on, off, digest, default", url.Values{"billing/email": {"maybe"}}},
	} {
		w := b.submitPreferences(c.form)
		require.Equal(t, http.StatusUnprocessableEntity, w.Code, c.name)
		requirePage(t, c.name, w)
		require.Contains(t, w.Body.String(), `<a href="#`+strings.ReplaceAll(c.field, "/", "%2f")+`">`, c.name)
		require.Contains(t, w.Body.String(), ` aria-invalid="true" aria-describedby="`+c.field+`-error"`, c.name)
		require.Regexp(t, `<span class="high" id="`+c.field+`-error">`+c.text, w.Body.String(), c.name)
	}
	require.Zero(t, b.events("user.preference_changed"))
}
