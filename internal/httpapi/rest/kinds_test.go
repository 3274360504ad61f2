package rest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/ehr"
	"carewire/internal/event"
	"carewire/internal/httpapi/rest"
)

// kindTest is one kind of record on a server of its own. What it asserts holds for every kind that is registered.
type kindTest struct {
	*bundle
	spec ehr.Spec
	path string
}

// body is the kind's example, about the clinic's patient.
func (k *kindTest) body() map[string]any {
	k.t.Helper()
	body := map[string]any{}
	require.NoError(k.t, json.Unmarshal([]byte(k.spec.Example), &body), "the example is JSON")
	for _, id := range []string{"patientId", "clinicId", "doctorId"} {
		require.NotContains(k.t, body, id)
	}
	body["patientId"], body["clinicId"] = k.ids[patient], k.clinicID
	return body
}

// write writes the example in the status and gives where it is.
func (k *kindTest) write(status string) string {
	k.t.Helper()
	w := k.do(doctor, http.MethodPost, k.path, with(k.body(), "status", status))
	require.Equal(k.t, http.StatusCreated, w.Code, "%s in status %s: %s", k.spec.Name, status, w.Body)
	return w.Header().Get("Location")
}

// last is the type and the data of the event that was appended last.
func (k *kindTest) last() (typ string, data map[string]any) {
	k.t.Helper()
	var raw []byte
	require.NoError(k.t, k.db.Owner.QueryRow(k.t.Context(), `SELECT type, data FROM outbox ORDER BY id DESC LIMIT 1`).Scan(&typ, &raw))
	require.NoError(k.t, json.Unmarshal(raw, &data))
	return typ, data
}

func (k *kindTest) requireEvent(what string, version float64, status string) {
	k.t.Helper()
	typ, data := k.last()
	require.Equal(k.t, "ehr."+k.spec.Name+"."+what, typ)
	require.ElementsMatch(k.t, []string{"recordId", "userId", "clinicId", "doctorId", "status", "version", "released", "critical", "held"}, slices.Collect(maps.Keys(data)))
	require.InDelta(k.t, version, data["version"], 0)
	require.Equal(k.t, status, data["status"])
}

func TestKinds_OfRecordsAreTheCatalogsAndDoWhatEveryKindDoes(t *testing.T) {
	t.Parallel()
	kinds := rest.Kinds()
	var declared, registered []string
	for _, d := range event.Catalog {
		if kind, ok := strings.CutPrefix(d.Type, "ehr."); ok && strings.HasSuffix(kind, ".created") {
			declared = append(declared, strings.TrimSuffix(kind, ".created"))
		}
	}
	for _, spec := range kinds {
		registered = append(registered, spec.Name)
		t.Run(spec.Name, func(t *testing.T) {
			t.Parallel()
			k := &kindTest{bundle: setup(t), spec: spec, path: "/api/ehr/" + spec.Path}
			t.Run("is written, read and listed", k.testReads)
			t.Run("moves from status to status as it says", k.testMoves)
			t.Run("is amended with a reason", k.testAmend)
			t.Run("is retracted and never deleted", k.testRetract)
			t.Run("refuses bad input", k.testBadInput)
			t.Run("keeps what it holds out of events and logs", k.testSecrets)
		})
	}
	require.ElementsMatch(t, declared, registered, "a kind without its events, or the other way round")
}

func (k *kindTest) testReads(t *testing.T) {
	status := k.body()["status"].(string)
	path := k.write(status)
	k.requireEvent("created", 1, status)
	w := k.do(patient, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	got := decode(t, w)
	for field, value := range k.body() {
		want, err := json.Marshal(value)
		require.NoError(t, err)
		have, err := json.Marshal(got[field])
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(have), "%s comes back as it was written", field)
	}
	typ, _ := k.last()
	require.Equal(t, "record.read", typ)
	requireProblem(t, k.do(receptionist, http.MethodGet, path, nil), 404, "not_found")
	code := got["code"].(map[string]any)
	for query, n := range map[string]int{
		"patientId=" + k.ids[patient].String():              1,
		"doctorId=" + k.ids[doctor].String():                1,
		"authorId=" + k.ids[doctor].String():                1,
		"authorId=" + k.ids[nurse].String():                 0,
		"clinicId=" + k.clinicID.String():                   1,
		"status=" + status:                                  1,
		"code=" + code["code"].(string):                     1,
		"from=2026-03-14T09:30:00Z&to=2026-03-14T09:31:00Z": 1,
		"to=2026-03-14T09:30:00Z":                           0,
	} {
		list := k.do(doctor, http.MethodGet, k.path+"?"+query, nil)
		require.Equal(t, http.StatusOK, list.Code, "%s: %s", query, list.Body)
		require.Len(t, decode(t, list)["items"], n, query)
	}
}

// testMoves tries every status after every other.
func (k *kindTest) testMoves(t *testing.T) {
	statuses := k.spec.Statuses()
	require.Equal(t, "entered-in-error", statuses[len(statuses)-1])
	for _, m := range k.spec.Transitions {
		for _, to := range m.To {
			require.Contains(t, statuses, to, "a move to a status that is none")
		}
		for _, to := range statuses {
			path := k.write(m.From)
			w := k.do(doctor, http.MethodPut, path, with(k.body(), "status", to), "If-Match", `"1"`)
			released := k.spec.Releases(m.From)
			if released && (to == m.From || to == "entered-in-error" || slices.Contains(k.spec.Corrected, to)) {
				requireProblem(t, w, 409, "conflict")
				require.Contains(t, decode(t, w)["detail"], "/retract", "a released record is corrected with a reason")
				continue
			}
			if to == m.From || to == "entered-in-error" || slices.Contains(m.To, to) {
				require.Equal(t, http.StatusOK, w.Code, "%s to %s: %s", m.From, to, w.Body)
				require.Equal(t, `"2"`, w.Header().Get("ETag"))
				typ, data := k.last()
				what := "updated"
				switch {
				case to == "entered-in-error":
					what = "retracted"
				case !released && k.spec.Releases(to):
					what = "released"
				}
				require.Equal(t, "ehr."+k.spec.Name+"."+what, typ)
				require.Equal(t, released || k.spec.Releases(to), data["released"])
				continue
			}
			requireProblem(t, w, 409, "conflict")
			detail := decode(t, w)["detail"]
			for _, named := range append(slices.Clone(m.To), m.From, to, "entered-in-error") {
				require.Contains(t, detail, named, "the refusal says what is possible")
			}
			require.InDelta(t, 1, decode(t, k.do(doctor, http.MethodGet, path, nil))["version"], 0, "nothing was written")
		}
	}
}

func (k *kindTest) testAmend(t *testing.T) {
	released := k.spec.Transitions[0].From
	if len(k.spec.Released) > 0 {
		released = k.spec.Released[0]
	}
	amended := released
	if len(k.spec.Corrected) > 0 {
		amended = k.spec.Corrected[0]
	}
	path := k.write(released)
	amendment := func(status string, reason any) map[string]any {
		return with(map[string]any{"record": with(k.body(), "status", status)}, "reason", reason)
	}
	good := amendment(amended, secret)
	requireProblem(t, k.do(doctor, http.MethodPost, path+"/amend", good), 428, "precondition_required")
	require.Equal(t, []string{"reason"}, requireProblem(t, k.do(doctor, http.MethodPost, path+"/amend", amendment(amended, nil), "If-Match", `"1"`), 422, "invalid"))
	require.Equal(t, []string{"record.status"}, requireProblem(t, k.do(doctor, http.MethodPost, path+"/amend", amendment("no-such-status", "A slip."), "If-Match", `"1"`), 422, "invalid"))
	for _, wrong := range k.spec.Statuses() {
		if wrong != amended && !slices.Contains(k.spec.Corrected, wrong) {
			w := k.do(doctor, http.MethodPost, path+"/amend", amendment(wrong, "A slip."), "If-Match", `"1"`)
			require.Contains(t, requireProblem(t, w, 422, "invalid"), "record.status", "an amendment is to %s only", amended)
		}
	}
	w := k.do(doctor, http.MethodPost, path+"/amend", good, "If-Match", `"1"`, "Idempotency-Key", "amend")
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"2"`, w.Header().Get("ETag"))
	k.requireEvent("amended", 2, amended)
	again := k.do(doctor, http.MethodPost, path+"/amend", good, "If-Match", `"1"`, "Idempotency-Key", "amend")
	require.Equal(t, http.StatusOK, again.Code, "%s", again.Body)
	require.JSONEq(t, w.Body.String(), again.Body.String())
	stale := k.do(doctor, http.MethodPost, path+"/amend", good, "If-Match", `"1"`)
	requireProblem(t, stale, 412, "precondition_failed")
	require.Equal(t, `"2"`, stale.Header().Get("ETag"))
	requireProblem(t, k.do(patient, http.MethodPost, path+"/amend", good, "If-Match", `"2"`), 403, "forbidden")

	history := decode(t, k.do(patient, http.MethodGet, path+"/history?limit=1", nil))
	newest := history["items"].([]any)[0].(map[string]any)
	require.Equal(t, secret, newest["reason"], "why")
	require.Equal(t, k.ids[doctor].String(), newest["updatedBy"], "who")
	require.NotEmpty(t, newest["updatedAt"], "when")
	older := decode(t, k.do(patient, http.MethodGet, path+"/history?cursor="+history["next"].(string), nil))
	require.Len(t, older["items"], 1)
	require.NotContains(t, older["items"].([]any)[0], "reason")

	for _, status := range k.spec.Statuses() {
		if len(k.spec.Released) > 0 && !slices.Contains(k.spec.Released, status) {
			requireProblem(t, k.do(doctor, http.MethodPost, k.write(status)+"/amend", amendment(amended, "A slip."), "If-Match", `"1"`), 409, "conflict")
		}
	}
}

func (k *kindTest) testRetract(t *testing.T) {
	for _, m := range k.spec.Transitions {
		path := k.write(m.From)
		requireProblem(t, k.do(doctor, http.MethodPost, path+"/retract", map[string]any{"reason": "Another's."}), 428, "precondition_required")
		require.Equal(t, []string{"reason"}, requireProblem(t, k.do(doctor, http.MethodPost, path+"/retract", map[string]any{}, "If-Match", `"1"`), 422, "invalid"))
		requireProblem(t, k.do(doctor, http.MethodPost, path+"/retract", map[string]any{"reason": "Another's."}, "If-Match", `"7"`), 412, "precondition_failed")
		retraction := []string{"If-Match", `"1"`, "Idempotency-Key", "retract-" + m.From}
		w := k.do(doctor, http.MethodPost, path+"/retract", map[string]any{"reason": "Another's."}, retraction...)
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		k.requireEvent("retracted", 2, "entered-in-error")
		again := k.do(doctor, http.MethodPost, path+"/retract", map[string]any{"reason": "Another's."}, retraction...)
		require.Equal(t, http.StatusOK, again.Code, "%s", again.Body)
		require.JSONEq(t, w.Body.String(), again.Body.String())

		got := decode(t, k.do(doctor, http.MethodGet, path, nil))
		require.Equal(t, "entered-in-error", got["status"])
		require.Equal(t, "Another's.", got["reason"])
		require.Equal(t, k.body()["code"], got["code"], "what it said is kept")
		first := decode(t, k.do(doctor, http.MethodGet, path+"/history/1", nil))
		require.Equal(t, m.From, first["status"])
		k.requireMasked(path, k.spec.Releases(m.From))

		for _, w := range []*httptest.ResponseRecorder{
			k.do(doctor, http.MethodPut, path, with(k.body(), "status", m.From), "If-Match", `"2"`),
			k.do(doctor, http.MethodPut, path, with(k.body(), "status", "entered-in-error"), "If-Match", `"2"`),
			k.do(doctor, http.MethodPost, path+"/amend", map[string]any{"reason": "A slip.", "record": with(k.body(), "status", m.From)}, "If-Match", `"2"`),
			k.do(doctor, http.MethodPost, path+"/retract", map[string]any{"reason": "Again."}, "If-Match", `"2"`),
		} {
			requireProblem(t, w, 409, "conflict")
			require.Contains(t, decode(t, w)["detail"], "entered in error")
		}
		w = k.do(doctor, http.MethodDelete, path, nil)
		requireProblem(t, w, 405, "method_not_allowed")
		require.Contains(t, decode(t, w)["detail"], "/retract")
		require.NotContains(t, w.Header().Get("Allow"), http.MethodDelete)
	}
}

// requireMasked asserts that the patient sees nothing of a retracted record but that it was one, and not even that where it
// was never released.
func (k *kindTest) requireMasked(path string, released bool) {
	k.t.Helper()
	seen := k.do(patient, http.MethodGet, path, nil)
	if !released {
		requireProblem(k.t, seen, 404, "not_found")
		return
	}
	require.Equal(k.t, http.StatusOK, seen.Code, "%s", seen.Body)
	require.Equal(k.t, "entered-in-error", decode(k.t, seen)["status"])
	for _, answer := range []*httptest.ResponseRecorder{seen, k.do(patient, http.MethodGet, path+"/history", nil), k.do(patient, http.MethodGet, k.path, nil)} {
		require.NotContains(k.t, answer.Body.String(), "Another's.")
	}
	require.NotContains(k.t, seen.Body.String(), k.body()["code"].(map[string]any)["code"])
	requireProblem(k.t, k.do(patient, http.MethodGet, path+"/history/1", nil), 404, "not_found")
}

func (k *kindTest) testBadInput(t *testing.T) {
	good := k.body()
	for field, value := range map[string]any{
		"patientId": uuid.New(), "clinicId": secret, "doctorId": k.ids[nurse], "status": secret, "sekret": secret, "effectiveAt": secret,
		"code": secret, "code.code": map[string]any{"system": "http://snomed.info/sct", "code": secret},
	} {
		name, _, _ := strings.Cut(field, ".")
		w := k.do(doctor, http.MethodPost, k.path, with(good, name, value))
		require.Equal(t, []string{field}, requireProblem(t, w, 422, "invalid"), "%s", w.Body)
		require.NotContains(t, w.Body.String(), secret)
	}
	for field := range good {
		for _, value := range []any{[]any{[]any{}}, map[string]any{"": nil}, -1e300, "\x00", true, strings.Repeat("x", 100_001)} {
			w := k.do(doctor, http.MethodPost, k.path, with(good, field, value))
			if w.Code != http.StatusCreated { // A truth is good where one is asked for.
				requireProblem(t, w, 422, "invalid")
			}
		}
	}
	for _, query := range []string{"status=" + secret, "code=a|", "from=yesterday", "from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z", "authorId=me", "doctorId=7"} {
		w := k.do(doctor, http.MethodGet, k.path+"?"+strings.ReplaceAll(query, "|", "%7C"), nil)
		require.Len(t, requireProblem(t, w, 422, "invalid"), 1, query)
		require.NotContains(t, w.Body.String(), secret)
	}
}

// requireNoLineWith fails with the first line that contains the text, not with all of them.
func requireNoLineWith(t *testing.T, lines, text, where string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if strings.Contains(line, text) {
			t.Fatalf("%s contains %q of the example; a value that is part of the kind's or a field's name is found there too: choose another. The line:\n%s", where, text, line)
		}
	}
}

// testSecrets runs last: all that the tests before it wrote was appended and logged by then.
func (k *kindTest) testSecrets(t *testing.T) {
	var appended string
	require.NoError(t, k.db.Owner.QueryRow(t.Context(), "SELECT string_agg(o::text, E'\\n') FROM outbox AS o").Scan(&appended))
	require.Contains(t, appended, "ehr."+k.spec.Name+".retracted")
	var texts []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, item := range v {
				if name != "status" {
					walk(item)
				}
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		case string:
			if len(v) > 3 && v != k.spec.Name { // Shorter ones can stand in an id; the kind's name stands in its events.
				texts = append(texts, v)
			}
		}
	}
	var body any
	require.NoError(t, json.Unmarshal([]byte(k.spec.Example), &body))
	walk(body)
	require.Greater(t, len(texts), 3)
	for _, text := range append(texts, secret, "A slip.", "Another's.") {
		requireNoLineWith(t, appended, text, "the outbox")
		requireNoLineWith(t, k.log.String(), text, "the log")
	}
}
