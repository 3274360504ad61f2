package rest_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const preferencesPath = "/api/me/preferences"

// preferences returns the patient's preferences.
func (b *bundle) preferences() map[string]any {
	b.t.Helper()
	w := b.do(patient, http.MethodGet, preferencesPath, nil)
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	return decode(b.t, w)
}

func (b *bundle) setPreferences(body map[string]any) {
	b.t.Helper()
	w := b.do(patient, http.MethodPut, preferencesPath, body)
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
}

// changes returns the data of the events about changed preferences.
func (b *bundle) changes(typ string) (all []map[string]any) {
	b.t.Helper()
	rows, err := b.db.Owner.Query(b.t.Context(), `SELECT data FROM outbox WHERE type = $1 ORDER BY id`, typ)
	require.NoError(b.t, err)
	defer rows.Close()
	for rows.Next() {
		var data []byte
		require.NoError(b.t, rows.Scan(&data))
		var one map[string]any
		require.NoError(b.t, json.Unmarshal(data, &one))
		delete(one, "userId")
		all = append(all, one)
	}
	require.NoError(b.t, rows.Err())
	return all
}

func preference(category, channel, setting, source string, essential bool) map[string]any {
	return map[string]any{"category": category, "channel": channel, "setting": setting, "enabled": setting != "off", "source": source, "essential": essential}
}

func item(category, channel string, setting any) map[string]any {
	return map[string]any{"category": category, "channel": channel, "setting": setting}
}

func items(all ...map[string]any) map[string]any { return map[string]any{"items": all} }

func TestPreferences_AreListedWholeAndSwitchedOneByOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	wish := map[string]any{"category": "billing", "channel": "email", "enabled": false}
	b.setPreferences(wish)
	found := b.preferences()
	require.Len(t, found["items"], 30)
	require.Contains(t, found["items"], any(preference("billing", "email", "off", "person", false)))
	require.Contains(t, found["items"], any(preference("billing", "push", "on", "built_in", false)), "what was never set is wanted")
	require.Nil(t, found["quietHours"])
	require.EqualValues(t, 8, found["digestHour"])
	require.NotEmpty(t, found["timeZone"])
	require.NotEmpty(t, found["locale"])
	require.Equal(t, []string{"channel"}, requireProblem(t, b.do(patient, http.MethodPut, preferencesPath, with(wish, "channel", "pigeon")), 422, "invalid"))
	delete(wish, "enabled")
	require.Equal(t, []string{"enabled"}, requireProblem(t, b.do(patient, http.MethodPut, preferencesPath, wish), 422, "invalid"))
	require.Equal(t, []string{"category"}, requireProblem(t, b.do(patient, http.MethodPut, preferencesPath, with(with(wish, "enabled", true), "digestHour", 9)), 422, "invalid"))
}

func TestPreferences_AreSetInPartsAndEachChangeIsAnEvent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	clinic := b.clinicID.String()
	night := []any{map[string]any{"days": []any{"fri", "sat"}, "from": "23:00", "to": "08:00"}, map[string]any{"days": []any{"mon", "tue", "wed"}, "from": "22:00", "to": "07:00"}}
	b.setPreferences(map[string]any{
		"items":      []any{item("billing", "email", "digest"), with(item("chat", "push", "off"), "clinicId", clinic)},
		"quietHours": night, "digestHour": 18, "timeZone": "Asia/Kolkata", "locale": "hi-IN",
	})
	found := b.preferences()
	require.Len(t, found["items"], 31)
	require.Contains(t, found["items"], any(preference("billing", "email", "digest", "person", false)))
	require.Contains(t, found["items"], any(with(preference("chat", "push", "off", "person_clinic", false), "clinicId", clinic)))
	require.Contains(t, found["items"], any(preference("chat", "push", "on", "built_in", false)))
	require.Equal(t, []any{night, float64(18), "Asia/Kolkata", "hi-IN"}, []any{found["quietHours"], found["digestHour"], found["timeZone"], found["locale"]})
	changes := b.changes("user.preference_changed")
	require.ElementsMatch(t, []map[string]any{
		{"category": "billing", "channel": "email", "enabled": true, "from": "default", "to": "digest"},
		{"category": "chat", "channel": "push", "enabled": false, "clinicId": clinic, "from": "default", "to": "off"},
		{"category": "", "channel": "", "enabled": true, "changed": []any{"quietHours"}, "from": "default", "to": "fri,sat 23:00-08:00; mon-wed 22:00-07:00"},
		{"category": "", "channel": "", "enabled": true, "changed": []any{"digestHour"}, "from": "8", "to": "18"},
		{"category": "", "channel": "", "enabled": true, "changed": []any{"timeZone"}, "from": "Europe/Berlin", "to": "Asia/Kolkata"},
		{"category": "", "channel": "", "enabled": true, "changed": []any{"locale"}},
	}, changes)

	b.setPreferences(map[string]any{"digestHour": 18, "timeZone": "Asia/Kolkata", "items": []any{item("billing", "email", "digest")}})
	require.Len(t, b.changes("user.preference_changed"), len(changes), "nothing has changed")
	b.setPreferences(map[string]any{"quietHours": []any{}, "items": []any{item("billing", "email", nil), with(item("chat", "push", "default"), "clinicId", clinic)}})
	found = b.preferences()
	require.Equal(t, []any{}, found["quietHours"], "none, also if there is a default")
	require.EqualValues(t, 18, found["digestHour"], "what is left out is kept")
	require.Len(t, found["items"], 30)
	b.setPreferences(map[string]any{"quietHours": nil})
	require.Nil(t, b.preferences()["quietHours"])
	last := b.changes("user.preference_changed")[len(changes):]
	require.Equal(t, []any{"off", "default"}, []any{last[1]["from"], last[1]["to"]})
	require.Equal(t, []any{"none", "default"}, []any{last[3]["from"], last[3]["to"]})
}

func TestPreferences_AreStoredAllOrNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := item("billing", "email", "off")
	many := make([]map[string]any, 201)
	for i := range many {
		many[i] = good
	}
	for name, c := range map[string]struct {
		body   map[string]any
		fields []string
	}{
		"one wrong item":         {items(good, item("gossip", "email", "off")), []string{"body.items[1].category"}},
		"an unknown setting":     {items(good, item("chat", "email", "maybe")), []string{"items[1].setting"}},
		"a digest in the inbox":  {items(good, item("chat", "inapp", "digest")), []string{"items[1].setting"}},
		"a clinic of others":     {items(good, with(item("chat", "email", "off"), "clinicId", uuid.NewString())), []string{"items[1].clinicId"}},
		"an item twice":          {items(good, good), []string{"items[1]"}},
		"too many":               {items(many...), []string{"items"}},
		"windows that overlap":   {with(items(good), "quietHours", []any{map[string]any{"from": "20:00", "to": "07:00"}, map[string]any{"from": "06:00", "to": "08:00"}}), []string{"quietHours[1]"}},
		"an empty window":        {with(items(good), "quietHours", []any{map[string]any{"from": "20:00", "to": "20:00"}}), []string{"quietHours[0].to"}},
		"a bad time":             {with(items(good), "quietHours", []any{map[string]any{"from": "25:00", "to": "20:00"}}), []string{"quietHours[0].from"}},
		"an hour after midnight": {with(items(good), "digestHour", 24), []string{"digestHour"}},
		"an unknown zone":        {with(items(good), "timeZone", "Mars/Base"), []string{"timeZone"}},
		"no language":            {with(items(good), "locale", "??"), []string{"locale"}},
	} {
		fields := requireProblem(t, b.do(patient, http.MethodPut, preferencesPath, c.body), 422, "invalid")
		for i, field := range fields {
			fields[i] = trimBody(field)
		}
		for i, field := range c.fields {
			c.fields[i] = trimBody(field)
		}
		require.Equal(t, c.fields, fields, name)
	}
	require.Empty(t, b.changes("user.preference_changed"))
	require.Contains(t, b.preferences()["items"], any(preference("billing", "email", "on", "built_in", false)))
}

func trimBody(field string) string {
	if len(field) > 5 && field[:5] == "body." {
		return field[5:]
	}
	return field
}

func TestPreferences_OfAnEssentialCategoryCannotBeOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	defaults := "/api/clinics/" + b.clinicID.String() + "/notification-defaults"
	b.setPreferences(items(item("clinical", "email", "off")))
	set := map[string]any{"items": []any{item("billing", "email", "digest")}, "essential": []any{"clinical"}, "quietHours": []any{map[string]any{"from": "22:00", "to": "07:00"}}}
	w := b.do(admin, http.MethodPut, defaults, set)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	found := b.preferences()["items"]
	require.Contains(t, found, any(preference("clinical", "email", "on", "essential", true)), "from now on")
	require.Contains(t, found, any(preference("billing", "email", "digest", "clinic_default", false)))
	for body, field := range map[string]string{
		`{"items": [{"category": "clinical", "channel": "push", "setting": "off"}]}`:                                            "items[0].setting",
		`{"items": [{"category": "clinical", "channel": "push", "clinicId": "` + b.clinicID.String() + `", "setting": "off"}]}`: "items[0].setting",
		`{"category": "clinical", "channel": "push", "enabled": false}`:                                                         "enabled",
	} {
		w := b.do(patient, http.MethodPut, preferencesPath, json.RawMessage(body))
		require.Equal(t, []string{field}, requireProblem(t, w, 422, "invalid"))
		require.Contains(t, w.Body.String(), "the clinic has made clinical messages essential")
	}
	b.setPreferences(items(item("clinical", "push", "digest")))

	require.Equal(t, http.StatusOK, b.do(operator, http.MethodPut, "/api/notification-defaults", map[string]any{"essential": []any{"account"}}).Code)
	w = b.do(patient, http.MethodPut, preferencesPath, items(item("account", "push", "off")))
	require.Equal(t, []string{"items[0].setting"}, requireProblem(t, w, 422, "invalid"))
	require.Contains(t, w.Body.String(), "this service has made account messages essential")
}

func TestPreferences_AreReadByAdministratorsOfThePersonsClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.setPreferences(items(item("chat", "push", "off")))
	path := "/api/users/" + b.ids[patient].String() + "/preferences"
	w := b.do(admin, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Contains(t, decode(t, w)["items"], any(preference("chat", "push", "off", "person", false)))
	require.Equal(t, 1, b.events("record.read"), "the read is audited")
	require.Equal(t, http.StatusOK, b.do(patient, http.MethodGet, path, nil).Code, "one's own")
	require.Equal(t, http.StatusMethodNotAllowed, b.do(admin, http.MethodPut, path, items(item("chat", "push", "on"))).Code)
	requireProblem(t, b.do(doctor, http.MethodGet, path, nil), 403, "forbidden")
	requireProblem(t, b.do(operator, http.MethodGet, path, nil), 404, "not_found")
	requireProblem(t, b.do(admin, http.MethodGet, "/api/users/"+uuid.NewString()+"/preferences", nil), 404, "not_found")
}

func TestNotificationDefaults_AreSetByVersionAndRefusedWithTheField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/api/clinics/" + b.clinicID.String() + "/notification-defaults"
	empty := decode(t, b.do(patient, http.MethodGet, path, nil))
	require.Equal(t, map[string]any{"clinicId": b.clinicID.String(), "version": float64(0), "items": []any{}, "essential": []any{}, "quietHours": nil}, empty)
	set := map[string]any{"items": []any{item("billing", "email", "off"), item("chat", "sms", "digest")}, "essential": []any{"clinical"}}
	require.Equal(t, `"1"`, b.do(admin, http.MethodPut, path, set).Header().Get("ETag"))
	requireProblem(t, b.do(admin, http.MethodPut, path, set), 428, "precondition_required")
	requireProblem(t, b.do(admin, http.MethodPut, path, set, "If-Match", `"9"`), 412, "precondition_failed")
	require.Equal(t, `"2"`, b.do(admin, http.MethodPut, path, set, "If-Match", `"1"`).Header().Get("ETag"))
	require.Equal(t, http.StatusNotModified, b.do(admin, http.MethodGet, path, nil, "If-None-Match", `"2"`).Code)
	found := decode(t, b.do(patient, http.MethodGet, path, nil))
	require.Equal(t, set["items"], found["items"])
	require.Equal(t, map[string]any{"clinicId": b.clinicID.String(), "version": float64(2), "settings": []any{"billing/email=off", "chat/sms=digest"}, "essential": []any{"clinical"}, "quietHours": "default"},
		b.changes("clinic.notification_defaults_changed")[1])
	for field, body := range map[string]map[string]any{
		"items[0].setting": {"items": []any{item("clinical", "email", "off")}, "essential": []any{"clinical"}},
		"items[1]":         {"items": []any{item("clinical", "email", "off"), item("clinical", "email", "on")}},
		"essential[1]":     {"essential": []any{"chat", "chat"}},
		"quietHours":       {"quietHours": []any{map[string]any{"from": "00:00", "to": "24:00"}}},
	} {
		require.Equal(t, []string{field}, requireProblem(t, b.do(admin, http.MethodPut, path, body, "If-Match", `"2"`), 422, "invalid"))
	}
	requireProblem(t, b.do(doctor, http.MethodPut, path, set, "If-Match", `"2"`), 403, "forbidden")

	const all = "/api/notification-defaults"
	requireProblem(t, b.do(admin, http.MethodGet, all, nil), 403, "forbidden")
	require.Equal(t, `"1"`, b.do(operator, http.MethodPut, all, set).Header().Get("ETag"))
	require.NotContains(t, decode(t, b.do(operator, http.MethodGet, all, nil)), "clinicId")
	require.Equal(t, 1, b.events("installation.notification_defaults_changed"))
}

func TestPreferences_DecideAgainWhatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	waits := func() bool {
		var later bool
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT due_at > now() FROM notifications`).Scan(&later))
		return later
	}
	b.notify(patient, 1, "planned")
	version := func() string { return b.do(patient, http.MethodGet, "/api/me", nil).Header().Get("ETag") }
	for name, change := range map[string]func(){
		"quiet hours": func() { b.setPreferences(map[string]any{"quietHours": []any{}}) },
		"digest hour": func() { b.setPreferences(map[string]any{"digestHour": 20}) },
		"a setting":   func() { b.setPreferences(items(item("chat", "push", "off"))) },
		"zone":        func() { b.setPreferences(map[string]any{"timeZone": "Asia/Kolkata"}) },
		"zone in PUT /api/me": func() {
			w := b.do(patient, http.MethodPut, "/api/me", map[string]any{"locale": "de", "timeZone": "America/New_York"}, "If-Match", version())
			require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		},
	} {
		_, err := b.db.Owner.Exec(t.Context(), `UPDATE notifications SET due_at = now() + interval '1 day'`)
		require.NoError(t, err)
		change()
		require.False(t, waits(), name)
	}
}
