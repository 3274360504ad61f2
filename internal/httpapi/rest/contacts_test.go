package rest_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/directory"
)

// unverified makes the nurse's address one that is not verified yet.
func (b *bundle) unverified() string {
	b.t.Helper()
	b.token(nurse)
	require.Equal(b.t, http.StatusOK, b.do(nurse, http.MethodGet, "/api/me", nil).Code, "linked before")
	b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, b.ids[nurse])
	return nurse
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.db.Owner.Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// subject is that of the last event of the type.
func (b *bundle) subject(typ string) (subject string) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT subject FROM outbox WHERE type = $1 ORDER BY id DESC LIMIT 1`, typ).Scan(&subject))
	return subject
}

// code asks for a code and gives the one that the message would carry.
func (b *bundle) code(who string) string {
	b.t.Helper()
	w := b.do(who, http.MethodPost, "/api/me/contacts/email/verification", nil)
	require.Equal(b.t, http.StatusAccepted, w.Code, "%s", w.Body)
	return b.issued(b.subject("user.verification_requested"), b.ids[who])
}

// issued is what an email about the subject would carry, or a message on another channel: a code or a token.
func (b *bundle) issued(subject string, recipient uuid.UUID, channel ...string) string {
	b.t.Helper()
	token, code, err := directory.NewSecrets(b.db.Worker).Issue(b.t.Context(), append(channel, "email")[0], subject, recipient)
	require.NoError(b.t, err)
	return token + code
}

func wrongCode(code string) string {
	if code == "000000" {
		return "000001"
	}
	return "000000"
}

const verification = "/api/me/contacts/email/verification"

func TestContacts_AreProvedByTheCodeOfTheMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	who := b.unverified()
	requireProblem(t, b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": "123456"}), 409, "conflict")
	code := b.code(who)
	require.Len(t, code, 6)
	require.Equal(t, []string{"code"}, requireProblem(t, b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": wrongCode(code)}), 422, "invalid"))
	require.Equal(t, []string{"code"}, requireProblem(t, b.do(doctor, http.MethodPost, verification+"/confirm", map[string]any{"code": code}), 409, "conflict"), "another's code")
	w := b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": code})
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, true, decode(t, w)["verified"])
	require.Equal(t, 1, b.events("user.contact_verified"))
	requireProblem(t, b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": code}), 409, "conflict")
	require.Equal(t, []string{"channel"}, requireProblem(t, b.do(who, http.MethodPost, verification, nil), 409, "conflict"), "verified already")

	var all string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT string_agg(o::text, E'\n') FROM outbox AS o`).Scan(&all))
	require.NotContains(t, all, `"`+code+`"`)
	require.NotContains(t, b.log.String(), `"`+code+`"`)
}

func TestContacts_RefuseWhatCannotBeProved(t *testing.T) {
	t.Parallel()
	b := setup(t)
	who := b.unverified()
	require.Equal(t, []string{"channel"}, requireProblem(t, b.do(who, http.MethodPost, "/api/me/contacts/sms/verification", nil), 409, "conflict"), "not configured")
	require.Equal(t, []string{"channel"}, requireProblem(t, b.do(who, http.MethodPost, "/api/me/contacts/pigeon/verification", nil), 422, "invalid"))
	code := b.code(who)
	requireProblem(t, b.do(who, http.MethodPost, verification, nil), 429, "rate_limited")
	for range 5 {
		requireProblem(t, b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": wrongCode(code)}), 422, "invalid")
	}
	requireProblem(t, b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": code}), 409, "conflict")

	b.exec(`UPDATE contact_verifications SET requested_at = now() - interval '2 minutes'`)
	code = b.code(who)
	b.exec(`UPDATE contact_verifications SET expires_at = now()`)
	requireProblem(t, b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": code}), 409, "conflict")
	b.exec(`UPDATE contact_verifications SET requested_at = now() - interval '2 minutes', asked = 5`)
	requireProblem(t, b.do(who, http.MethodPost, verification, nil), 429, "rate_limited")
	b.exec(`UPDATE contact_verifications SET window_at = now() - interval '2 hours'`)
	b.code(who)
}

func TestContacts_AChangedAddressIsNotVerifiedAndItsCodeIsVoid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	who := b.unverified()
	code := b.code(who)
	path := "/api/users/" + b.ids[who].String()
	body := map[string]any{"email": "other@demo.example", "givenName": "Nora", "familyName": "Lind", "locale": "en", "timeZone": "UTC", "status": "active", "phone": "+49 30 123456"}
	w := b.do(admin, http.MethodPut, path, body, "If-Match", b.do(admin, http.MethodGet, path, nil).Header().Get("ETag"))
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, "+4930123456", decode(t, w)["phone"], "normalised")
	requireProblem(t, b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": code}), 409, "conflict")
	body["phone"], body["whatsApp"] = "+15550100", "0301234"
	require.Equal(t, []string{"phone", "whatsApp"}, requireProblem(t, b.do(admin, http.MethodPut, path, body, "If-Match", w.Header().Get("ETag")), 422, "invalid"))
	items := decode(t, b.do(who, http.MethodGet, "/api/me/contacts", nil))["items"].([]any)
	require.Len(t, items, 2)
	require.Equal(t, map[string]any{"channel": "sms", "address": "+4930123456", "verified": false}, items[1])
}

func TestContacts_AVerifiedNumberIsOnePersons(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`UPDATE users SET phone = '+4930123456', phone_verified = true WHERE id = $1`, b.ids[doctor])
	who := b.unverified()
	b.exec(`UPDATE users SET phone = '+4930123456' WHERE id = $1`, b.ids[who])
	id := uuid.New()
	b.exec(`INSERT INTO contact_verifications (id, user_id, channel, address) VALUES ($1, $2, 'sms', '+4930123456')`, id, b.ids[who])
	require.Empty(t, b.issued("contact_verification/"+id.String(), b.ids[who], "email"), "an email proves no number")
	code := b.issued("contact_verification/"+id.String(), b.ids[who], "sms")
	require.Equal(t, []string{"phone"}, requireProblem(t, b.do(who, http.MethodPost, "/api/me/contacts/sms/verification/confirm", map[string]any{"code": code}), 409, "conflict"))
}

func TestContacts_CodesAreLimitedPerNetworkOfTheCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	who := b.unverified()
	b.code(who)
	b.exec(`UPDATE verification_limits SET asked = 30 WHERE kind = 'caller'`)
	b.exec(`UPDATE contact_verifications SET requested_at = now() - interval '2 minutes'`)
	w := b.do(who, http.MethodPost, verification, nil)
	requireProblem(t, w, 429, "rate_limited")
	require.Contains(t, w.Body.String(), "from one network")
	wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
	require.NoError(t, err)
	require.Greater(t, wait, 3500)
	require.LessOrEqual(t, wait, 3600)
	require.Equal(t, 1, b.events("user.verification_requested"), "no second code")
}

func TestContacts_PeopleSetTheirOwnNumbers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(patient, http.MethodPut, "/api/me/contacts/whatsapp", map[string]any{"address": "+49 171 39 200 07"})
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, map[string]any{"channel": "whatsapp", "address": "+491713920007", "verified": false}, decode(t, w))
	require.Equal(t, []string{"address"}, requireProblem(t, b.do(patient, http.MethodPut, "/api/me/contacts/sms", map[string]any{"address": "+49 30 901820"}), 422, "invalid"))
	require.Equal(t, []string{"channel"}, requireProblem(t, b.do(patient, http.MethodPut, "/api/me/contacts/email", map[string]any{"address": "+491713920007"}), 422, "invalid"))
	requireProblem(t, b.do("", http.MethodPut, "/api/me/contacts/sms", map[string]any{"address": "+491713920007"}), 401, "unauthenticated")
}

func TestContacts_VerifyingASuppressedAddressAgainLiftsItsSuppression(t *testing.T) {
	t.Parallel()
	b := setup(t)
	who := nurse
	requireProblem(t, b.do(who, http.MethodPost, verification, nil), 409, "conflict")
	b.exec(`INSERT INTO suppressions (kind, address_hash, id, channel, reason, source, user_id)
		SELECT 'email', address_hash('email', u.email), gen_random_uuid(), 'email', 'hard_bounce', 'ses', u.id FROM users AS u WHERE u.id = $1`, b.ids[who])
	code := b.code(who)
	w := b.do(who, http.MethodPost, verification+"/confirm", map[string]any{"code": code})
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	var left int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM suppressions`).Scan(&left))
	require.Zero(t, left)
	require.Equal(t, 1, b.events("user.address_suppression_lifted"))
	requireProblem(t, b.do(who, http.MethodPost, verification, nil), 409, "conflict")
}
