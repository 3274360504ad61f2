package e2e_test

import (
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestPeople_ANewPersonIsWelcomedAndNotifiedOfAChange(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	a := c.do(admin, http.MethodPost, "/api/users", c.newUser("mara@demo.example"))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	user := a.decode(t)
	path := "/api/users/" + user["id"].(string)
	require.Equal(t, path, a.header.Get("Location"))
	c.eventually("a welcome", func() bool { return len(c.sandboxMessages("email", "mara@demo.example")) == 1 })
	require.Contains(t, c.sandboxMessages("email", "mara@demo.example")[0]["subject"], "Welcome")

	again := c.do(admin, http.MethodPost, "/api/users", c.newUser("mara@demo.example"))
	require.Equal(t, http.StatusConflict, again.status, "%s", again.body)
	require.Contains(t, string(again.body), "email")
	require.Equal(t, http.StatusForbidden, c.do(doctor, http.MethodPost, "/api/users", c.newUser("new@demo.example")).status)
	require.Equal(t, http.StatusNotFound, c.do("admin@other.example", http.MethodGet, path, nil).status)

	patientID, _ := c.me(patient)
	read := c.do(admin, http.MethodGet, "/api/users/"+patientID, nil)
	require.Equal(t, http.StatusOK, read.status)
	change := read.decode(t)
	body := map[string]any{"status": "active", "locale": "en-GB", "familyName": "Sommer"}
	for _, field := range []string{"email", "givenName", "timeZone"} {
		body[field] = change[field]
	}
	updated := c.do(admin, http.MethodPut, "/api/users/"+patientID, body, "If-Match", read.header.Get("ETag"))
	require.Equal(t, http.StatusOK, updated.status, "%s", updated.body)
	c.eventually("the patient is notified by email and push", func() bool {
		return len(c.sandboxMessages("email", patient)) == 1 && len(c.sandboxMessages("push", "demo-device-patient")) == 1
	})
	require.Len(t, ofType(c.story("user/"+patientID), "user.updated"), 1)
}

func TestPeople_ADisabledPersonIsDeniedAndTheirSocketCloses(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	nurseID, _ := c.me(nurse)
	s := c.dial(nurse, "")
	read := c.do(admin, http.MethodGet, "/api/users/"+nurseID, nil)
	change := read.decode(t)
	body := map[string]any{"status": "disabled"}
	for _, field := range []string{"email", "givenName", "familyName", "locale", "timeZone"} {
		body[field] = change[field]
	}
	a := c.do(admin, http.MethodPut, "/api/users/"+nurseID, body, "If-Match", read.header.Get("ETag"))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.Equal(t, 4403, s.awaitClose())
	refused := c.do(nurse, http.MethodGet, "/api/me", nil)
	require.Equal(t, http.StatusForbidden, refused.status, "%s", refused.body)
}

func TestPeople_APreferenceIsRespectedAndTheReasonRecorded(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	off := c.do(patient, http.MethodPut, "/api/me/preferences", map[string]any{"category": "clinical", "channel": "email", "enabled": false})
	require.Less(t, off.status, 300, "%s", off.body)
	require.Less(t, c.do(patient, http.MethodDelete, "/api/me/devices/"+c.deviceOf(patient), nil).status, 300)
	id := c.writeReport()
	c.eventually("the others are notified", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 4 })
	require.Empty(t, c.sandboxMessages("email", patient))
	suppressed := ofType(c.story("lab_report/"+id), "notification.suppressed")
	require.Len(t, suppressed, 1)
	reasons := map[string]string{}
	for _, ch := range suppressed[0]["data"].(map[string]any)["channels"].([]any) {
		d := ch.(map[string]any)
		reasons[d["channel"].(string)] = d["reason"].(string)
	}
	require.Equal(t, map[string]string{"email": "preference_off", "push": "no_address"}, reasons)
}

func (c *clinic) deviceOf(who string) string {
	c.t.Helper()
	a := c.do(who, http.MethodGet, "/api/me/devices", nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	return a.decode(c.t)["items"].([]any)[0].(map[string]any)["id"].(string)
}

func TestRules_APrescriptionNotifiesThePatientOnceByTheUrgentRule(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	report := c.report()
	a := c.do(doctor, http.MethodPost, "/api/ehr/prescriptions", map[string]any{
		"patientId": report["patientId"], "clinicId": report["clinicId"], "status": "active", "effectiveAt": "2026-03-14T09:30:00Z",
		"intent": "order", "code": map[string]any{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "860975", "display": "Metformin"},
	})
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	subject := "prescription/" + a.decode(t)["id"].(string)
	c.eventually("patient, doctor and nurse are notified", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	require.Len(t, c.sandboxMessages("email", patient), 1, "one message per event and channel")
	for _, e := range ofType(c.story(subject), "notification.planned") {
		data := e["data"].(map[string]any)
		want := "record-created"
		if data["userId"] == report["patientId"] {
			want = "prescription-to-patient"
		}
		require.Equal(t, want, data["rule"], "the higher priority wins")
	}
}

// sentLink returns the text after a mark in the newest email to the address.
func (c *clinic) sentLink(to, mark string, length int) string {
	c.t.Helper()
	c.eventually("an email to "+to, func() bool { return len(c.sandboxMessages("email", to)) > 0 })
	body := c.sandboxMessages("email", to)[0]["body"].(string)
	_, after, found := strings.Cut(body, mark)
	require.True(c.t, found, "%s", body)
	return after[:length]
}

func TestPeople_AWelcomeHasTheInvitation(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	require.Equal(t, http.StatusCreated, c.do(admin, http.MethodPost, "/api/users", c.newUser("mara@demo.example")).status)
	token := c.sentLink("mara@demo.example", "/login?invitation=", 43)
	// The demo has logins for its own people only: someone who is logged in as another person is
	// denied.
	_, _ = c.me(doctor)
	refused := c.do(doctor, http.MethodPost, "/api/invitations/accept", map[string]any{"token": token})
	require.Equal(t, http.StatusConflict, refused.status, "%s", refused.body)
}

func TestPeople_ACodeVerifiesAnAddress(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	nurseID, _ := c.me(nurse)
	read := c.do(admin, http.MethodGet, "/api/users/"+nurseID, nil)
	change := read.decode(t)
	body := map[string]any{"status": "active", "email": "moved@demo.example"}
	for _, field := range []string{"givenName", "familyName", "locale", "timeZone"} {
		body[field] = change[field]
	}
	a := c.do(admin, http.MethodPut, "/api/users/"+nurseID, body, "If-Match", read.header.Get("ETag"))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	asked := c.do(nurse, http.MethodPost, "/api/me/contacts/email/verification", nil)
	require.Equal(t, http.StatusAccepted, asked.status, "%s", asked.body)
	code := c.sentLink("moved@demo.example", "Your code is ", 6)
	confirmed := c.do(nurse, http.MethodPost, "/api/me/contacts/email/verification/confirm", map[string]any{"code": code})
	require.Equal(t, http.StatusOK, confirmed.status, "%s", confirmed.body)
	require.Equal(t, true, confirmed.decode(t)["verified"])
}

func TestPeople_ACodeBySMSVerifiesAPhone(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	const number = "+491713920017"
	refused := c.do(patient, http.MethodPut, "/api/me/contacts/sms", map[string]any{"address": "+49 30 901820"})
	require.Equal(t, http.StatusUnprocessableEntity, refused.status, "%s", refused.body)
	require.Contains(t, string(refused.body), "mobile phone")
	a := c.do(patient, http.MethodPut, "/api/me/contacts/sms", map[string]any{"address": "+49 171 3920017"})
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	require.Equal(t, map[string]any{"channel": "sms", "address": number, "verified": false}, a.decode(t))

	asked := c.do(patient, http.MethodPost, "/api/me/contacts/sms/verification", nil)
	require.Equal(t, http.StatusAccepted, asked.status, "%s", asked.body)
	again := c.do(patient, http.MethodPost, "/api/me/contacts/sms/verification", nil)
	require.Equal(t, http.StatusTooManyRequests, again.status, "%s", again.body)
	wait, err := strconv.Atoi(again.header.Get("Retry-After"))
	require.NoError(t, err)
	require.True(t, wait > 1 && wait <= 60, "Retry-After: %d", wait)

	c.eventually("a code by SMS", func() bool { return len(c.sandboxMessages("sms", number)) > 0 })
	sent := c.sandboxMessages("sms", number)[0]
	require.Equal(t, "aws-sms", sent["provider"])
	require.EqualValues(t, 1, sent["segments"])
	_, after, found := strings.Cut(sent["body"].(string), "Your code is ")
	require.True(t, found, "%s", sent["body"])
	code := after[:6]
	wrong := c.do(patient, http.MethodPost, "/api/me/contacts/sms/verification/confirm", map[string]any{"code": strconv.Itoa((mustNumber(t, code)+1)%900_000 + 100_000)})
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status, "%s", wrong.body)
	confirmed := c.do(patient, http.MethodPost, "/api/me/contacts/sms/verification/confirm", map[string]any{"code": code})
	require.Equal(t, http.StatusOK, confirmed.status, "%s", confirmed.body)
	require.Equal(t, true, confirmed.decode(t)["verified"])
	c.requireNotStored(code)
}

// mustNumber returns the number that the digits are.
func mustNumber(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	require.NoError(t, err)
	return n
}

// requireNotStored asserts that a text of digits is in no row of any table, also not as bytes, and in
// no log. Digits within a longer number, such as a time, are another number.
func (c *clinic) requireNotStored(digits string) {
	c.t.Helper()
	pattern := `(^|[^0-9.a-f-])` + digits + `($|[^0-9a-f-])`
	rows, err := c.db.Owner.Query(c.t.Context(), `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`)
	require.NoError(c.t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(c.t, err)
	require.Contains(c.t, tables, "public.contact_verifications")
	for _, table := range tables {
		var n int
		require.NoError(c.t, c.db.Owner.QueryRow(c.t.Context(), "SELECT count(*) FROM "+table+" AS x WHERE x::text ~ $1 OR strpos(x::text, $2) > 0",
			pattern, hex.EncodeToString([]byte(digits))).Scan(&n))
		require.Zero(c.t, n, table)
	}
	require.NotRegexp(c.t, pattern, c.log.String())
}

func TestPeople_TheDemosPeopleHaveVerifiedNumbers(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	for _, who := range []string{patient, doctor, nurse} {
		items := c.do(who, http.MethodGet, "/api/me/contacts", nil).decode(t)["items"].([]any)
		require.Len(t, items, 3, who)
		for _, item := range items {
			require.Equal(t, true, item.(map[string]any)["verified"], who)
		}
	}
}

func TestPeople_ANewDemoStartsOnTheDatabaseOfAnEarlierOne(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	c.service.Stop()
	c.psql(`UPDATE users SET phone = NULL, phone_verified = false, whatsapp = NULL, whatsapp_verified = false`)
	c.start()
	require.Equal(t, http.StatusOK, c.do(patient, http.MethodGet, "/api/me", nil).status)
}
