package web

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/notify"
)

const (
	notificationsPath = "/notifications"
	// listedNotifications is the number of notifications on a page, listedPlans that of each of its
	// other lists.
	listedNotifications = 20
	listedPlans         = 50
)

var notificationsPage = template.Must(template.New("notifications").Parse(`<h1>Notifications</h1>
{{- define "list"}}
<ul class="messages">
{{- range .}}
<li><p>{{if .Path}}<a href="{{.Path}}">{{.Text}}</a>{{else}}{{.Text}}{{end}}</p>
<p class="note">{{.At}}{{if .At}} · {{end}}{{if .Urgent}}<span class="high">{{.State}}</span>{{else}}{{.State}}{{end}}</p></li>
{{- end}}
</ul>
{{- end}}
{{- if .Unacknowledged}}
<h2>For you to acknowledge</h2>
<p>Open each one and acknowledge it if you take care of it. If nobody does in time, others are notified.</p>
{{- template "list" .Unacknowledged}}
{{- end}}
{{- if .Planned}}
<h2>Planned for later</h2>
<p>These are sent at their time, unless what they are about changes.</p>
{{- template "list" .Planned}}
{{- end}}
{{- if .Cancelled}}
<h2>No longer sent</h2>
{{- template "list" .Cancelled}}
{{- end}}
<h2>{{if .Later}}Earlier notifications{{else}}Latest notifications{{end}}</h2>
{{- if .Latest}}
{{- template "list" .Latest}}
{{- else}}
<p>There are none.</p>
{{- end}}
{{- with .Next}}
<p class="actions"><a class="button" href="{{.}}">Earlier notifications</a></p>
{{- end}}
<p class="note">Times are in {{.Zone}}. <a href="/preferences">Choose which messages you get, and when</a></p>`))

// listedNotification is a notification in a list. State says in words what becomes or became of it.
type listedNotification struct {
	Path, Text, At, State string
	// Urgent reports that the reader has to do something.
	Urgent bool
}

// showNotifications shows the reader's notifications: those to acknowledge, those that are planned
// for later, those that were cancelled before their time, and the latest ones.
func (p *pages) showNotifications(c *echo.Context) error {
	ctx := c.Request().Context()
	actor := httpapi.ActorOf(ctx)
	before, err := httpapi.ParseCursor(c.QueryParam("cursor"), care.AfterAll)
	if err != nil {
		return err
	}
	to, err := p.readerOf(c)
	if err != nil {
		return err
	}
	latest, _, err := p.cfg.Inbox.ListOwn(ctx, actor, notify.NotificationFilter{Before: before, Limit: listedNotifications})
	if err != nil {
		return err
	}
	view := map[string]any{"Zone": to.zoneName, "Latest": p.listed(latest.Items, to, inboxState), "Next": "", "Later": before != care.AfterAll}
	if latest.Next != "" {
		view["Next"] = notificationsPath + "?" + url.Values{"cursor": {latest.Next}}.Encode()
	}
	for name, list := range map[string]struct {
		filter notify.NotificationFilter
		state  func(n notify.Notification, to reader) (stateWords, bool)
	}{
		"Unacknowledged": {notify.NotificationFilter{Unacknowledged: true}, inboxState},
		"Planned":        {notify.NotificationFilter{State: "planned"}, plannedState},
		"Cancelled":      {notify.NotificationFilter{State: "cancelled"}, cancelledState},
	} {
		view[name] = []listedNotification(nil)
		if before != care.AfterAll { // On the first page only.
			continue
		}
		list.filter.Before, list.filter.Limit = care.AfterAll, listedPlans
		found, _, err := p.cfg.Inbox.ListOwn(ctx, actor, list.filter)
		if err != nil {
			return err
		}
		slices.SortStableFunc(found.Items, func(a, b notify.Notification) int { return care.OrZero(a.DueAt).Compare(care.OrZero(b.DueAt)) })
		view[name] = p.listed(found.Items, to, list.state)
	}
	return p.render(c, "Notifications", notificationsPage, view)
}

// listed returns the notifications that have a state, in their order.
func (p *pages) listed(all []notify.Notification, to reader, state func(notify.Notification, reader) (stateWords, bool)) []listedNotification {
	var list []listedNotification
	for _, n := range all {
		words, ok := state(n, to)
		if !ok {
			continue
		}
		kind, _, _ := strings.Cut(n.Subject, "/")
		item := listedNotification{
			Path: httpapi.Location(notificationsPath, n.ID.String()), Text: plannedText(n.EventType, n.PlanKey, kind), At: to.moment(n.CreatedAt),
			State: words.text, Urgent: n.NeedsAcknowledgement && n.AcknowledgedAt == nil,
		}
		if n.PlanKey != "" && words.later { // It may have no page yet, or never.
			item.Path, item.At = p.subjectPath(n.Subject), ""
		}
		list = append(list, item)
	}
	return list
}

// stateWords says what becomes or became of a notification. later reports that its time has not come,
// or never came.
type stateWords struct {
	text  string
	later bool
}

// inboxState returns what became of a notification in the inbox.
func inboxState(n notify.Notification, to reader) (stateWords, bool) {
	switch {
	case n.AcknowledgedAt != nil:
		return stateWords{text: "you acknowledged it on " + to.moment(*n.AcknowledgedAt)}, true
	case n.NeedsAcknowledgement:
		return stateWords{text: "waits for you to acknowledge it"}, true
	case n.ReadAt != nil:
		return stateWords{text: "read"}, true
	}
	return stateWords{text: "new"}, true
}

// plannedState returns when a planned notification is sent, or its messages in quiet hours.
func plannedState(n notify.Notification, to reader) (stateWords, bool) {
	var until time.Time
	for _, d := range n.Deliveries {
		if d.NotBefore != nil && d.NotBefore.After(until) {
			until = *d.NotBefore
		}
	}
	switch {
	case !until.IsZero():
		return stateWords{"waits for the end of your quiet hours: " + to.moment(until), true}, true
	case n.DueAt != nil:
		return stateWords{"planned for " + to.moment(*n.DueAt), true}, true
	}
	return stateWords{"waits", true}, true
}

// cancelledState returns why a planned notification was cancelled before any message was sent, and
// false for another one: that is in the inbox.
func cancelledState(n notify.Notification, to reader) (stateWords, bool) {
	untrue := func(d notify.Delivery) bool {
		return d.State == "cancelled" && d.Attempt == 0 && strings.HasPrefix(d.Reason, notify.CutOffPrefix)
	}
	at := slices.IndexFunc(n.Deliveries, untrue)
	if n.PlanKey == "" || n.ReadAt != nil || at < 0 || slices.ContainsFunc(n.Deliveries, func(d notify.Delivery) bool { return d.SentAt != nil }) {
		return stateWords{}, false
	}
	cancelled := n.Deliveries[at]
	because := uncapital(notificationText(strings.TrimPrefix(cancelled.Reason, notify.CutOffPrefix)))
	return stateWords{"cancelled on " + to.moment(cancelled.UpdatedAt) + ": " + because, true}, true
}

// plannedText returns the text of a notification, which for one that was planned says why it came:
// as a reminder of a kind of subject, as a digest, or because nobody reacted.
func plannedText(typ, planKey, kind string) string {
	switch {
	case planKey == "":
		return notificationText(typ)
	case strings.HasPrefix(planKey, "digest/"):
		return "Several messages in one"
	case strings.HasPrefix(planKey, "escalation/"):
		return notificationText(typ) + ", and nobody reacted in time"
	}
	return "Reminder about your " + strings.ReplaceAll(kind, "_", " ")
}

// addNotifications adds the list of notifications.
func (p *pages) addNotifications() {
	p.handle(http.MethodGet, notificationsPath, care.SelfManage, p.showNotifications)
}
