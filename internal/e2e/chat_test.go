package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// confided is a patient's text that no event, job, message or log may contain.
const confided = "Haemochromatosis runs in my family"

// converse starts a conversation of the demo patient with their care team, and returns its ID.
func (c *clinic) converse() string {
	c.t.Helper()
	patientID, clinicID := c.me(patient)
	a := c.do(patient, http.MethodPost, "/api/conversations", map[string]any{"patientId": patientID, "clinicId": clinicID, "subject": confided})
	require.Equal(c.t, http.StatusCreated, a.status, "%s", a.body)
	return a.decode(c.t)["id"].(string)
}

// say writes a message and returns its ID.
func (c *clinic) say(as, conversation string) string {
	c.t.Helper()
	a := c.do(as, http.MethodPost, "/api/conversations/"+conversation+"/messages", map[string]any{"text": confided})
	require.Equal(c.t, http.StatusCreated, a.status, "%s", a.body)
	return a.decode(c.t)["id"].(string)
}

// join requests the conversation's room, and returns the type of the response.
func (s *socket) join(conversation string) any {
	s.t.Helper()
	s.send(map[string]string{"type": "subscribe", "id": "1", "room": "conversation:" + conversation})
	return s.reply()["type"]
}

func TestChat_AMessageIsLiveInItsRoomAndNotifiesThoseWhoHaveNotReadIt(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	id := c.converse()
	subject, path := "conversation/"+id, "/api/conversations/"+id
	inside := map[string]*socket{patient: c.dial(patient, ""), doctor: c.dial(doctor, "")}
	for who, s := range inside {
		require.Equal(t, "subscribed", s.join(id), who)
	}
	outside := map[string]*socket{receptionist: c.dial(receptionist, ""), otherDoctor: c.dial(otherDoctor, "")}
	for who, s := range outside {
		require.Equal(t, "error", s.join(id), who)
	}
	message := c.say(patient, id)
	require.Equal(t, http.StatusNoContent, c.do(nurse, http.MethodPut, path+"/read", map[string]any{"messageId": message}).status)
	for who, s := range inside {
		require.Len(t, s.await("chat.message_created", subject), 1, who)
		require.Equal(t, message, s.about("chat.message_created", subject)[0]["data"].(map[string]any)["messageId"])
	}

	require.Empty(t, c.sandboxMessages("email", ""), "no notification within two minutes")
	_, err := c.db.Owner.Exec(t.Context(), `UPDATE conversation_participants SET unread_since = unread_since - interval '2 minutes'`)
	require.NoError(t, err)
	c.eventually("the doctor is notified by push and email", func() bool {
		return len(c.sandboxMessages("push", "demo-device-doctor")) == 1 && len(c.sandboxMessages("email", doctor)) == 1
	})
	c.eventually("the ledger has it", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 2 })
	require.Len(t, c.sandboxMessages("push", ""), 1, "not who has read, and not the author")
	require.Len(t, c.sandboxMessages("email", ""), 1, "not who has read, and not the author")
	require.Contains(t, fmt.Sprint(c.sandboxMessages("email", doctor)), "You have a new message. Sign in to read")
	c.requireUnsaid(confided)

	// An event that the outsiders may see shows that their sockets have passed the message.
	a := c.do(admin, http.MethodPost, "/api/users", c.newUser("marker@demo.example"))
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	outside[receptionist].await("user.created", "user/"+a.decode(t)["id"].(string))
	a = c.do(otherDoctor, http.MethodPost, "/api/me/devices", map[string]any{"platform": "android", "token": "marker"})
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	outside[otherDoctor].await("device.registered", "device/"+a.decode(t)["id"].(string))
	for who, s := range outside {
		for _, e := range s.events {
			require.NotEqual(t, subject, e["subject"], who)
		}
	}
	require.Len(t, inside[doctor].about("chat.message_created", subject), 1, "once")
}

// requireUnsaid asserts that a text is in no event, job or notification, in no message that a
// provider received, and in no log.
func (c *clinic) requireUnsaid(text string) {
	c.t.Helper()
	for _, table := range []string{"outbox", "events", "river.river_job", "notifications", "deliveries", "decisions", "idempotency_keys"} {
		var n int
		require.NoError(c.t, c.db.Owner.QueryRow(c.t.Context(), "SELECT count(*) FROM "+table+" AS x WHERE strpos(x::text, $1) > 0", text).Scan(&n))
		require.Zero(c.t, n, table)
	}
	for _, channel := range []string{"email", "push"} {
		require.NotContains(c.t, fmt.Sprint(c.sandboxMessages(channel, "")), text)
	}
	require.NotContains(c.t, c.log.String(), text)
}

func TestChat_RemovalFromTheCareTeamClosesTheRoom(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	id := c.converse()
	subject := "conversation/" + id
	gone, stays := c.dial(nurse, ""), c.dial(doctor, "")
	require.Equal(t, "subscribed", gone.join(id))
	require.Equal(t, "subscribed", stays.join(id))
	nurseID, _ := c.me(nurse)
	_, err := c.db.Owner.Exec(t.Context(), `DELETE FROM care_team WHERE member_id = $1`, nurseID)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, c.do(nurse, http.MethodGet, "/api/conversations/"+id, nil).status, "at once")
	gone.await("chat.participant_left", subject)
	lost := gone.reply()
	require.Equal(t, "unsubscribed", lost["type"])
	require.Equal(t, "no longer in the conversation", lost["reason"])

	c.say(patient, id)
	stays.await("chat.message_created", subject)
	a := c.do(nurse, http.MethodPost, "/api/me/devices", map[string]any{"platform": "android", "token": "marker"})
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	gone.await("device.registered", "device/"+a.decode(t)["id"].(string))
	require.Empty(t, gone.about("chat.message_created", subject))
	require.Equal(t, "error", gone.join(id))
}
