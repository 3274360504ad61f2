package rest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"carewire/internal/auth/authtest"
)

// Claims are matched by their exact names, and a token in which one is given twice says nothing that can be relied on.
func TestAuth_ReadsClaimsByTheirExactNamesOnce(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	good, err := json.Marshal(p.Claims(map[string]any{"sub": "doctors-subject"}))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, b.bearer(authtest.SignText(t, p.Key(), "JWT", string(good))).Code)
	with := func(more string) string { return strings.TrimSuffix(string(good), "}") + "," + more + "}" }
	later := strings.Replace(string(good), `"sub":"doctors-subject"`, `"Sub":"doctors-subject"`, 1)
	for name, payload := range map[string]string{
		"a subject in capitals":              with(`"SUB":"operators-subject"`),
		"a subject with a long s":            with(`"ſub":"operators-subject"`),
		"an email in capitals":               with(`"EMAIL":"` + operator + `","Email_Verified":true`),
		"an issuer in capitals":              with(`"ISS":"https://elsewhere.example"`),
		"an audience and an end in capitals": with(`"AUD":"other","EXP":1`),
	} {
		w := b.bearer(authtest.SignText(t, p.Key(), "JWT", payload))
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", name, w.Body)
		require.Equal(t, doctor, decode(t, w)["email"], name)
	}
	for _, payload := range map[string]string{
		"a subject twice":             with(`"sub":"operators-subject"`),
		"the same subject twice":      with(`"sub":"doctors-subject"`),
		"a subject twice, escaped":    with(`"s\u0075b":"operators-subject"`),
		"an audience twice":           with(`"aud":"carewire"`),
		"a name twice in a claim":     with(`"act":{"sub":"a","sub":"b"}`),
		"no subject but in capitals":  later,
		"claims that are a list":      "[" + string(good) + "]",
		"claims nested without end":   with(`"x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000)),
		"something behind the claims": string(good) + "{}",
	} {
		requireProblem(t, b.bearer(authtest.SignText(t, p.Key(), "JWT", payload)), 401, "token_invalid")
	}
}

func TestAuth_TakesNoTokenForAnotherPurpose(t *testing.T) {
	t.Parallel()
	p := authtest.NewProvider(t, doctor, audience)
	b := setup(t, withProvider(t, p))
	payload, err := json.Marshal(p.Claims(nil))
	require.NoError(t, err)
	for typ, status := range map[jose.ContentType]int{
		"JWT": 200, "jwt": 200, "at+jwt": 200, "application/at+jwt": 200, "AT+JWT": 200, "": 200,
		"logout+jwt": 401, "application/logout+jwt": 401, "secevent+jwt": 401, "dpop+jwt": 401, "JOSE": 401, "oauth-authz-req+jwt": 401,
	} {
		require.Equal(t, status, b.bearer(authtest.SignText(t, p.Key(), typ, string(payload))).Code, typ)
	}
}
