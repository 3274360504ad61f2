package push

import (
	"encoding/json"

	"firebase.google.com/go/v4/messaging"

	"carewire/internal/notify"
)

// maxPayload is FCM's limit of a message's payload, in bytes. What counts is not documented for every
// platform, so that the parts of all platforms are counted.
// https://firebase.google.com/docs/cloud-messaging/customize-messages/set-message-type
const maxPayload = 4096

// aps returns the part of the message that iOS reads. It shows a message of the level critical also
// while the device is muted, which needs an entitlement of the app.
// https://developer.apple.com/documentation/usernotifications/generating-a-remote-notification
func aps(m notify.Message) *messaging.Aps {
	p := m.Platform
	a := &messaging.Aps{Sound: "default", MutableContent: true, Category: p.APNSCategory, ThreadID: p.ThreadID}
	if p.InterruptionLevel != "" {
		a.CustomData = map[string]any{"interruption-level": p.InterruptionLevel}
	}
	if p.InterruptionLevel == "critical" {
		a.Sound, a.CriticalSound = "", &messaging.CriticalSound{Critical: true, Name: "default", Volume: 1}
	}
	return a
}

// enrich adds the buttons and the image, as far as the payload stays within FCM's limit: a message
// without them is better than none. The image goes first.
func enrich(out *messaging.Message, m notify.Message) {
	if len(m.Actions) > 0 {
		addActions(out, m)
		if size(out) > maxPayload {
			removeActions(out)
		}
	}
	if m.Image != "" {
		setImage(out, m.Image)
		if size(out) > maxPayload {
			setImage(out, "")
		}
	}
}

// button is a button in the data of a message, from which an app on Android or iOS shows it.
type button struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Link  string `json:"link"`
}

// dataActions is the key of the buttons in the data of a message.
const dataActions = "actions"

func addActions(out *messaging.Message, m notify.Message) {
	all := make([]button, len(m.Actions))
	web := &messaging.WebpushNotification{}
	for i, a := range m.Actions {
		all[i] = button(a)
		web.Actions = append(web.Actions, &messaging.WebpushNotificationAction{Action: a.ID, Title: a.Label})
	}
	encoded, err := json.Marshal(all)
	if err != nil {
		return // Three texts always marshal.
	}
	out.Data[dataActions], out.Webpush.Notification = string(encoded), web
}

func removeActions(out *messaging.Message) {
	delete(out.Data, dataActions)
	out.Webpush.Notification = nil
}

func setImage(out *messaging.Message, url string) {
	out.Notification.ImageURL, out.Android.Notification.ImageURL = url, url
	out.APNS.FCMOptions = nil
	if url != "" {
		out.APNS.FCMOptions = &messaging.APNSFCMOptions{ImageURL: url}
	}
	if out.Webpush.Notification == nil && url != "" {
		out.Webpush.Notification = &messaging.WebpushNotification{}
	}
	if out.Webpush.Notification != nil {
		out.Webpush.Notification.Image = url
	}
}

// size returns the size of the message, in bytes, without its token.
func size(out *messaging.Message) int {
	counted := *out
	counted.Token = ""
	encoded, err := json.Marshal(&counted)
	if err != nil {
		return 0 // Sending reports it.
	}
	return len(encoded)
}
