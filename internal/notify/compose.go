package notify

import (
	"cmp"
	"context"
	"strings"

	"carewire/internal/care"
	"carewire/internal/notify/template"
	"carewire/internal/postgres"
)

// compose returns the message, or the result if none is to be sent.
func (w *Worker) compose(ctx context.Context, a *attempt) (Message, *result) {
	switch {
	case w.routes[a.Channel] == nil:
		return Message{}, &result{outcome: OutcomeFailed, code: "channel_not_configured"}
	case a.Contact == "deceased":
		return Message{}, &result{outcome: OutcomeSuppressed, code: "deceased"}
	case !a.Active:
		return Message{}, &result{outcome: OutcomeSuppressed, code: "user_disabled"}
	case strings.HasPrefix(a.Contact, SuppressedPrefix) && a.Template != verification:
		return Message{}, &result{outcome: OutcomeSuppressed, code: a.Contact}
	case a.Contact == "none", a.kind.Address == care.AddressDevices && len(a.DeviceIds) == 0:
		return Message{}, &result{outcome: OutcomeSuppressed, code: "no_address"}
	}
	templates, unsent := w.templates(ctx, a)
	if unsent != nil {
		return Message{}, unsent
	}
	data := w.templateData(a)
	if unsent := w.addSecret(ctx, a, &data); unsent != nil {
		return Message{}, unsent
	}
	if a.Template == DigestTemplate {
		if templates, unsent = w.addItems(ctx, a, templates, &data); unsent != nil {
			return Message{}, unsent
		}
	}
	content, err := templates.Render(a.Template, a.Channel, a.Locale, data)
	if err != nil {
		w.cfg.Logger.Error("message could not be rendered", "delivery_id", a.ID, "template", a.Template, "error", err.Error())
		return Message{}, &result{outcome: OutcomeFailed, code: "template"}
	}
	m := Message{
		DeliveryID: a.ID, Channel: a.Channel, Type: a.EventType, Link: data.Link,
		Subject: content.Subject, Text: content.Text, HTML: content.HTML, Title: content.Title, Body: content.Body, Rich: content.Rich,
		SenderName: a.BrandName, ReplyTo: a.BrandReplyTo,
		CollapseKey: a.ID.String(), Priority: a.Priority, TTL: messageTTL(a.Priority), PossibleDuplicate: a.PossibleDuplicate,
	}
	if a.kind.Format == care.FormatPush {
		m.Platform.InterruptionLevel = interruptionLevel(m.Platform.InterruptionLevel, a.Priority, w.cfg.CriticalAlerts)
	}
	switch a.kind.Address {
	case care.AddressEmail:
		m.Email, m.UnsubscribeURL = a.Address, w.unsubscribeURL(a)
	case care.AddressPhone, care.AddressWhatsApp:
		m.Phone = a.Address
	case care.AddressDevices, care.AddressNone:
	}
	for i, id := range a.DeviceIds {
		m.Devices = append(m.Devices, Device{ID: id, Token: a.DeviceTokens[i], Platform: a.DevicePlatforms[i]})
	}
	return m, nil
}

// interruptionLevel returns how a phone presents a push message: the template's level, or without one
// that of the priority. The level critical, which sounds on a muted phone, needs an entitlement of the
// app: without it, iOS would treat the message as a common one. A critical message is at least
// time-sensitive, whatever its template has.
func interruptionLevel(level, priority string, critical bool) string {
	switch {
	case level == "" && priority == "critical":
		level = "critical"
	case level == "" && priority == "high", priority == "critical" && level != "critical":
		level = "time-sensitive"
	}
	if level == "critical" && !critical {
		return "time-sensitive"
	}
	return level
}

// templateData returns what the message is rendered from, without its secret.
func (w *Worker) templateData(a *attempt) template.Data {
	data := template.DataFor(a.EventType, a.Priority, w.link(a), cmp.Or(a.BrandName, w.cfg.AppName))
	data.Brand = template.Brand{DisplayName: a.BrandName, LogoURL: a.BrandLogoUrl, Color: a.BrandColor, ReplyTo: a.BrandReplyTo}
	if a.EventAt != nil {
		data.AddEvent(a.EventData, *a.EventAt, a.ClinicZone, a.TimeZone)
	}
	if w.cfg.Links != nil {
		data.ActionLink = func(button int, _ string) string { return w.cfg.Links.Open(a.ID, button) }
	}
	return data
}

// templates returns the template set of the delivery's version. Without it, the message is held: it
// is never sent with other words, and it uses up no attempt.
func (w *Worker) templates(ctx context.Context, a *attempt) (*template.Set, *result) {
	ctx, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	set, err := w.cfg.Templates.TemplateSet(ctx, a.TemplateVersion)
	if err == nil {
		return set, nil
	}
	code := "database"
	if care.CodeOf(err) == care.Unavailable {
		code = "template_version"
	}
	w.cfg.Logger.ErrorContext(ctx, "message held: its template set is not available", "delivery_id", a.ID, "template_version", a.TemplateVersion, "error", postgres.SafeError(err))
	return nil, &result{outcome: OutcomeHeld, code: code}
}

// link returns the link to the notification; that of a digest leads to the inbox.
func (w *Worker) link(a *attempt) string {
	digest := a.Template == DigestTemplate
	switch {
	case w.cfg.Links == nil && digest:
		return w.cfg.BaseURL + "/"
	case w.cfg.Links == nil:
		return w.cfg.BaseURL + "/notifications/" + a.NotificationID.String()
	case digest:
		return w.cfg.Links.Open(a.ID, ActionInbox)
	}
	return w.cfg.Links.Open(a.ID, 0)
}

// unsubscribeURL returns the link of RFC 8058, or "" for essential messages: those with a secret,
// and critical ones.
func (w *Worker) unsubscribeURL(a *attempt) string {
	if _, essential := secretRequired[a.Template]; essential || a.Priority == "critical" || w.cfg.Links == nil {
		return ""
	}
	return w.cfg.Links.Unsubscribe(a.RecipientID, a.Category)
}

// verification is the template of the codes that verify an address. They also go to a suppressed
// address, because its owner lifts the suppression by verifying it again. How many are sent is
// limited where codes are requested.
const verification = "verification"

// secretRequired lists the templates whose messages carry a secret, and whether the message is
// useless without it.
var secretRequired = map[string]bool{"welcome": false, "invitation": true, verification: true}

// addSecret issues the message's secret and adds it to the data. The secret exists nowhere else.
func (w *Worker) addSecret(ctx context.Context, a *attempt, data *template.Data) *result {
	needed, ok := secretRequired[a.Template]
	if !ok || w.cfg.IssueSecret == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	token, code, err := w.cfg.IssueSecret(ctx, a.Channel, a.Subject, a.RecipientID)
	switch {
	case err != nil && a.lastTry:
		return &result{outcome: OutcomeFailed, code: "database"}
	case err != nil:
		w.cfg.Logger.ErrorContext(ctx, "secret not issued", "delivery_id", a.ID, "error", postgres.SafeError(err))
		return &result{outcome: OutcomeRetried, code: "database"}
	case token == "" && code == "" && needed:
		return &result{outcome: OutcomeSuppressed, code: "expired"}
	}
	if token != "" {
		data.Link = w.cfg.BaseURL + "/login?invitation=" + token
	}
	data.Code = code
	return nil
}
