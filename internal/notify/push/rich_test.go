package push

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"firebase.google.com/go/v4/messaging"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/template"
)

const picture = "https://img.example.org/calendar.png"

func rich() notify.Message {
	id := uuid.Must(uuid.NewV7())
	return notify.Message{
		DeliveryID: id, Channel: notify.Push, Type: "appointment.booked", Title: "Appointment", Body: "Sign in for the details.",
		Link: "https://clinic.example/l/abc", CollapseKey: id.String(), Priority: "high", TTL: time.Hour,
		Rich: template.Rich{
			Image: picture, ImageAlt: "A calendar",
			Actions: []template.Action{
				{ID: "open", Label: "Open", Link: "https://clinic.example/l/abc"},
				{ID: "list", Label: "All appointments", Link: "https://clinic.example/l/def"},
			},
			Platform: template.Platform{APNSCategory: "VISIT", ThreadID: "visits", InterruptionLevel: "time-sensitive", AndroidChannel: "visits"},
		},
	}
}

// encoded returns the message as it is sent.
func encoded(t *testing.T, m notify.Message) map[string]any {
	t.Helper()
	b, err := json.Marshal(message(m, notify.Device{Token: "token"}))
	require.NoError(t, err)
	all := map[string]any{}
	require.NoError(t, json.Unmarshal(b, &all))
	return all
}

// at returns the value at a path such as "android.notification.image"; nil if there is none.
func at(all map[string]any, path string) any {
	var value any = all
	for key := range strings.SplitSeq(path, ".") {
		m, _ := value.(map[string]any)
		value = m[key]
	}
	return value
}

func TestMessage_HasTheImageAndTheButtonsOfEveryPlatform(t *testing.T) {
	t.Parallel()
	got := encoded(t, rich())
	for path, want := range map[string]any{
		"notification.image":                  picture,
		"android.notification.image":          picture,
		"android.notification.channel_id":     "visits",
		"apns.fcm_options.image":              picture,
		"apns.payload.aps.category":           "VISIT",
		"apns.payload.aps.thread-id":          "visits",
		"apns.payload.aps.interruption-level": "time-sensitive",
		"apns.payload.aps.sound":              "default",
		"apns.payload.aps.mutable-content":    1.0,
		"webpush.notification.image":          picture,
		"webpush.fcm_options.link":            "https://clinic.example/l/abc",
		"notification.title":                  "Appointment",
		"data.link":                           "https://clinic.example/l/abc",
		"webpush.notification.title":          nil,
	} {
		require.Equal(t, want, at(got, path), path)
	}
	require.Equal(t, []any{
		map[string]any{"action": "open", "title": "Open"}, map[string]any{"action": "list", "title": "All appointments"},
	}, at(got, "webpush.notification.actions"))
	require.JSONEq(t, `[{"id": "open", "label": "Open", "link": "https://clinic.example/l/abc"},
		{"id": "list", "label": "All appointments", "link": "https://clinic.example/l/def"}]`, at(got, "data.actions").(string))
}

func TestMessage_SoundsOnAMutedPhoneOnlyAsACriticalAlert(t *testing.T) {
	t.Parallel()
	m := rich()
	m.Platform.InterruptionLevel = "critical"
	require.Equal(t, map[string]any{"critical": 1.0, "name": "default", "volume": 1.0}, at(encoded(t, m), "apns.payload.aps.sound"))
	m.Platform.InterruptionLevel = ""
	plain := encoded(t, m)
	require.Equal(t, "default", at(plain, "apns.payload.aps.sound"))
	require.Nil(t, at(plain, "apns.payload.aps.interruption-level"))
}

func TestMessage_LinksBrowsersToHTTPSOnly(t *testing.T) {
	t.Parallel()
	m := rich()
	m.Link = "http://127.0.0.1:8080/l/abc"
	require.Nil(t, at(encoded(t, m), "webpush.fcm_options"))
	require.Equal(t, m.Link, at(encoded(t, m), "data.link"))
}

func TestMessage_StaysWithinFCMsLimitWithoutTheImageThenWithoutTheButtons(t *testing.T) {
	t.Parallel()
	m := rich()
	m.Image = "https://img.example.org/" + strings.Repeat("x", 200) + ".png"
	var kept []string
	for length := 0; length <= 3300; length += 50 {
		m.Body = strings.Repeat("y", length)
		out := message(m, notify.Device{Token: strings.Repeat("t", 200)})
		require.LessOrEqual(t, size(out), maxPayload)
		require.Equal(t, m.Title, out.Notification.Title)
		require.Equal(t, m.Body, out.Notification.Body, "the text stays")
		if parts := partsOf(out); len(kept) == 0 || kept[len(kept)-1] != parts {
			kept = append(kept, parts)
		}
	}
	require.Equal(t, []string{"image buttons", "buttons", ""}, kept)
}

func TestMessage_KeepsATextThatIsTooLong(t *testing.T) {
	t.Parallel()
	m := rich()
	m.Body = strings.Repeat("y", maxPayload)
	out := message(m, notify.Device{Token: "token"})
	require.Equal(t, m.Body, out.Notification.Body, "FCM decides")
	require.Empty(t, partsOf(out))
}

// partsOf returns the rich parts of a message, which are on all platforms or on none.
func partsOf(out *messaging.Message) string {
	var parts []string
	if out.Notification.ImageURL != "" && out.Android.Notification.ImageURL != "" && out.APNS.FCMOptions != nil {
		parts = append(parts, "image")
	}
	if out.Data[dataActions] != "" && len(out.Webpush.Notification.Actions) > 0 {
		parts = append(parts, "buttons")
	}
	return strings.Join(parts, " ")
}
