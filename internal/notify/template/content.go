package template

import "carewire/internal/smstext"

// Content is a rendered message: the parts of an email, those of a push message, or the Text of a
// text message. A WhatsApp message has Approved, and Text for people who read it elsewhere.
type Content struct {
	Subject, Text, HTML string
	Title, Body         string
	Rich
}

// Segments returns the number of segments of the Text as an SMS, and its encoding: GSM-7 or UCS-2.
func (c Content) Segments() (count int, encoding string) {
	count, enc := smstext.Segments(c.Text)
	return count, string(enc)
}

// Rich are the parts of a message beside its texts. Each channel uses those that it can show.
type Rich struct {
	// Image is the https URL of a picture on an allowed host, or empty.
	Image string
	// ImageAlt describes the picture in words.
	ImageAlt string
	// Actions are the buttons, the primary one first: at most MaxActions.
	Actions []Action
	// Platform is how phones show a push message.
	Platform Platform
	// Approved is the provider's template that a WhatsApp message is sent with; nil on other channels.
	Approved *Approved
}

// MaxActions is the largest number of buttons of a message: what iOS and Android show at once.
const MaxActions = 3

// InterruptionLevels are the levels of Platform.
// https://developer.apple.com/documentation/usernotifications/unnotificationinterruptionlevel
var InterruptionLevels = []string{"passive", "active", "time-sensitive", "critical"}

// Action is a button of a message.
type Action struct {
	// ID is a short stable name such as "open", by which the app recognizes the button.
	ID    string
	Label string
	// Link is the URL that the button opens.
	Link string
}

// Platform is how phones show a push message. The zero value leaves everything to the app.
type Platform struct {
	// APNSCategory is the app's category of actions, ThreadID groups messages.
	APNSCategory, ThreadID string
	// InterruptionLevel is passive, active, time-sensitive or critical; empty derives it from the
	// message's priority.
	InterruptionLevel string
	// AndroidChannel is the id of the app's notification channel.
	AndroidChannel string
}

// Approved names a template that the provider has approved, and its variables.
type Approved struct {
	// Name and Language select it, such as "new_record" and "en_US".
	Name, Language string
	// Variables are the values of its body's variables, in order.
	Variables []string
	// Button is the variable part of its button's URL; empty if it has no button.
	Button string
}
