package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/app"
)

// gateway is the demo's other system, from `carewire token --service`.
const gateway = "device-gateway"

// asGateway makes do act as the gateway, and returns the ID of its service account.
func (c *clinic) asGateway() string {
	c.t.Helper()
	token, err := app.MintServiceToken(c.cfg, gateway, time.Hour)
	require.NoError(c.t, err)
	c.tokens[gateway] = token
	a := c.do(admin, http.MethodGet, "/api/service-accounts", nil)
	require.Equal(c.t, http.StatusOK, a.status, "%s", a.body)
	items := a.decode(c.t)["items"].([]any)
	require.Len(c.t, items, 1)
	return items[0].(map[string]any)["id"].(string)
}

// reading returns an event of the gateway about the demo patient.
func (c *clinic) reading(account, urgency string) map[string]any {
	c.t.Helper()
	patientID, clinicID := c.me(patient)
	id := uuid.NewString()
	return map[string]any{
		"specversion": "1.0", "id": uuid.NewString(), "type": "device.reading_received", "source": "/services/" + account, "subject": "reading/" + id,
		"data": map[string]any{
			"readingId": id, "deviceId": uuid.NewString(), "userId": patientID, "clinicId": clinicID, "urgency": urgency, "measuredAt": "2026-03-14T09:30:00Z",
		},
	}
}

const urgentReadings = `
rules:
  - name: urgent-reading
    on: device.reading_received
    when: data.urgency == "urgent"
    recipients:
      - role: [nurse]
    channels: [email]
    priority: high
`

func TestHub_AnEventOfAnotherSystemIsNotifiedShownAndAudited(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	account := c.asGateway()
	_, err := c.commands().PublishRules(t.Context(), byCLI, "urgent.yaml", []byte(urgentReadings), "readings")
	require.NoError(t, err)
	sees := map[string]*socket{patient: c.dial(patient, ""), nurse: c.dial(nurse, "")}
	blind := map[string]*socket{receptionist: c.dial(receptionist, ""), otherDoctor: c.dial(otherDoctor, "")}

	e := c.reading(account, "urgent")
	subject := e["subject"].(string)
	for range 2 { // A client without a response sends the event again.
		a := c.do(gateway, http.MethodPost, "/api/events", e, "Content-Type", "application/cloudevents+json")
		require.Equal(t, http.StatusAccepted, a.status, "%s", a.body)
		require.Equal(t, []any{map[string]any{"id": e["id"]}}, a.decode(t)["accepted"])
	}
	calm := c.reading(account, "routine")
	require.Equal(t, http.StatusAccepted, c.do(gateway, http.MethodPost, "/api/events", []any{calm}, "Content-Type", "application/cloudevents-batch+json").status)

	for who, s := range sees {
		require.Len(t, s.await("device.reading_received", subject), 1, who)
		s.await("device.reading_received", calm["subject"].(string))
		require.Len(t, s.about("device.reading_received", subject), 1, "once: %s", who)
	}
	c.eventually("the nurse is notified", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 1 })
	require.Len(t, c.sandboxMessages("email", nurse), 1)
	require.Contains(t, c.sandboxMessages("email", nurse)[0]["body"], "reading")
	require.Empty(t, c.sandboxMessages("email", patient))

	story := c.story(subject)
	told := ofType(story, "device.reading_received")
	require.Len(t, told, 1)
	require.Equal(t, e["id"], told[0]["id"])
	require.Equal(t, "service:"+account, told[0]["actorid"])
	require.Equal(t, "service", told[0]["actorrole"])
	require.Equal(t, "/services/"+account, told[0]["source"])
	planned := ofType(story, "notification.planned")
	require.Len(t, planned, 1)
	require.Equal(t, e["id"], planned[0]["causeid"])
	require.Equal(t, "urgent-reading", planned[0]["data"].(map[string]any)["rule"])
	require.Empty(t, ofType(c.story(calm["subject"].(string)), "notification.planned"), "the rule's condition")

	// An event that the outsiders may see shows that their sockets have passed the reading.
	a := c.do(admin, http.MethodPost, "/api/users", c.newUser("marker@demo.example"))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	blind[receptionist].await("user.created", "user/"+a.decode(t)["id"].(string))
	require.Empty(t, blind[receptionist].about("device.reading_received", subject), "the role filter")
	require.Empty(t, blind[otherDoctor].about("device.reading_received", subject))
}

func TestHub_AServiceAccountIsNoPersonAndCanBeDisabled(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	account := c.asGateway()
	for _, path := range []string{"/api/me", "/api/notifications", "/api/socket"} {
		a := c.do(gateway, http.MethodGet, path, nil)
		require.Equal(t, http.StatusForbidden, a.status, "%s", a.body)
		require.Contains(t, string(a.body), "service account", path)
	}
	path := "/api/service-accounts/" + account
	require.Equal(t, http.StatusNotFound, c.do("admin@other.example", http.MethodGet, path, nil).status)
	a := c.do(admin, http.MethodPut, path, map[string]any{"name": "Device gateway", "status": "disabled"}, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	a = c.do(gateway, http.MethodPost, "/api/events", c.reading(account, "urgent"))
	require.Equal(t, http.StatusForbidden, a.status, "%s", a.body)
	require.Contains(t, string(a.body), "disabled")
	c.eventually("the ledger has it", func() bool {
		return len(ofType(c.story("service_account/"+account), "service_account.disabled")) == 1
	})

	_, err := app.MintServiceToken(c.cfg, "pharmacy", time.Hour)
	require.ErrorContains(t, err, "--service")
}
