package web

import (
	"context"
	"html/template"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/event"
	"carewire/internal/httpapi"
	"carewire/internal/layout"
	"carewire/internal/notify"
)

// EventCount is the number of events of a type in a recent time.
type EventCount struct {
	Type  string
	Count int64
}

// latestNotifications is the number of notifications on the start page.
const latestNotifications = 8

var landingPage = template.Must(template.New("landing").Parse(`{{- if .Name}}
<h1>Welcome, {{.Name}}</h1>
<p class="lead">{{.Roles}}</p>
{{- else}}
<h1>carewire</h1>
<p class="lead">The event backbone of a clinic's software.</p>
{{- end}}
<div class="cards">
<section class="card"><h2>{{if .Name}}What you can do{{else}}Start here{{end}}</h2>
<ul>
{{- range .Links}}
<li><a href="{{.Path}}">{{.Text}}</a></li>
{{- end}}
</ul></section>
{{- if .Name}}
{{- if .Notifications}}
<section class="card"><h2>Your latest notifications</h2>
<ul>
{{- range .Notifications}}
<li><a href="{{.Path}}">{{.Text}}</a> <span class="note">{{.At}}</span>{{if .Urgent}} <span class="high">{{.State}}</span>{{end}}</li>
{{- end}}
</ul>
<p><a href="/notifications">All notifications</a></p></section>
{{- end}}
{{- end}}
{{- if .Demo}}
<section class="card"><h2>Try this</h2>
<ol>
<li>Paste the first command of the scenario that the service printed: a doctor creates a lab report.</li>
<li>{{if .Sandbox}}<a href="/sandbox">Open the sandbox</a>: the patient and the care team have messages.{{else}}The patient and the care team get messages.{{end}}</li>
<li>{{if .Patient}}Open the notification on this page, and read the report.{{else}}<a href="/login?next=%2F">Sign in as the patient</a>, open the notification, and read the report.{{end}}</li>
<li>Sign in as the auditor, and <a href="/docs/api#audit">read the trail</a>: who wrote the report, who was notified, who read it.</li>
</ol></section>
<section class="card"><h2>Events of the last day</h2>
{{- if .Events}}
<table><thead><tr><th scope="col">Type</th><th scope="col" class="number">Events</th></tr></thead>
<tbody>
{{- range .Events}}
<tr><th scope="row"><a href="/docs/events#{{.Type}}"><code>{{.Type}}</code></a></th><td class="number">{{.Count}}</td></tr>
{{- end}}
</tbody></table>
{{- else}}
<p>No events yet.</p>
{{- end}}
</section>
{{- end}}
</div>`))

// landing shows who is signed in and what they can do next.
func (p *pages) landing(c *echo.Context) error {
	r := c.Request()
	me, signedIn := p.api.Viewer(r)
	view := map[string]any{
		"Name": "", "Roles": "", "Links": p.nextLinks(r.Context(), me, signedIn), "Demo": p.api.Demo(), "Sandbox": p.cfg.Sandbox != nil,
		"Patient": slices.ContainsFunc(me.Memberships, func(m care.Membership) bool { return m.Role == care.Patient }), "Notifications": nil,
	}
	if signedIn {
		to, err := p.readerOf(c)
		if err != nil {
			return err
		}
		view["Name"], view["Roles"] = fullName(me.GivenName, me.FamilyName), rolesText(me, to.clinics)
		if view["Notifications"], err = p.latest(c, to); err != nil {
			return err
		}
	}
	if p.api.Demo() && p.cfg.Events != nil {
		counts, err := p.cfg.Events(r.Context())
		if err != nil {
			return err
		}
		view["Events"] = counts
	}
	return p.render(c, "Start", landingPage, view)
}

// latest returns the reader's latest notifications.
func (p *pages) latest(c *echo.Context, to reader) ([]listedNotification, error) {
	ctx := c.Request().Context()
	page, _, err := p.cfg.Inbox.ListOwn(ctx, httpapi.ActorOf(ctx), notify.NotificationFilter{Before: care.AfterAll, Limit: latestNotifications})
	if err != nil {
		return nil, err
	}
	return p.listed(page.Items, to, inboxState), nil
}

// personalTexts are the texts of event types that the catalog does not describe to the person.
var personalTexts = map[string]string{
	"chat.message_unread": "You have an unread message",
	"user.created":        "You were registered", "user.updated": "Your account was changed", "user.invited": "You were invited",
	"user.verification_requested": "A code was sent to verify a contact",
}

// firstCritical begins the part of the descriptions of critical events that says when there is one.
const firstCritical = " that no earlier version had"

// notificationText returns the sentence of an event type, without its period and its conditions.
func notificationText(typ string) string {
	if text, ok := personalTexts[typ]; ok {
		return text
	}
	if d, ok := event.Lookup(typ); ok {
		text, _, _ := strings.Cut(d.Doc, firstCritical)
		return strings.TrimSuffix(text, ".")
	}
	return "You have a new notification"
}

// rolesText returns a person's roles with their clinics: "Doctor at Demo Clinic".
func rolesText(me directory.Me, clinics []directory.Clinic) string {
	var all []string
	for _, m := range me.Memberships {
		text := capital(string(m.Role))
		if m.ClinicID == nil {
			text += " of the platform"
		} else if i := slices.IndexFunc(clinics, func(c directory.Clinic) bool { return c.ID == *m.ClinicID }); i >= 0 {
			text += " at " + clinics[i].Name
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// nextLink is a link on the start page for people with one of the roles.
type nextLink struct {
	layout.Link
	roles []care.Role
}

// nextLinks returns the links of the start page for the caller. Every link leads to a page that the
// caller may open.
func (p *pages) nextLinks(ctx context.Context, me directory.Me, signedIn bool) []layout.Link {
	var links []layout.Link
	if !signedIn {
		if p.api.LoginPath() != "" {
			links = append(links, layout.Link{Path: p.api.LoginPath(), Text: "Sign in"})
		}
	} else {
		for _, link := range next {
			if slices.ContainsFunc(me.Memberships, func(m care.Membership) bool { return slices.Contains(link.roles, m.Role) }) {
				links = append(links, link.Link)
			}
		}
		links = append(links, layout.Link{Path: notificationsPath, Text: "See your notifications, and what is planned"},
			layout.Link{Path: preferencesPath, Text: "Choose which messages you get, and when"})
	}
	actor := httpapi.ActorOf(ctx)
	if p.cfg.Dashboard != nil && actor.MayOnPlatform(care.OperatorConsole) {
		links = append(links, layout.Link{Path: dashboardPath, Text: "Look at the jobs that send messages"})
	}
	if p.cfg.Sandbox != nil && p.sandboxVisible(actor) {
		links = append(links, layout.Link{Path: "/sandbox", Text: "See the messages in the sandbox"})
	}
	return append(links, layout.Link{Path: "/docs", Text: "Read the documentation"}, layout.Link{Path: "/openapi.yaml", Text: "Get the OpenAPI document"})
}

var next = []nextLink{
	{layout.Link{Path: "/records", Text: "Read medical records"}, []care.Role{care.Patient, care.Doctor, care.Nurse}},
	{layout.Link{Path: "/appointments", Text: "See appointments"}, []care.Role{care.Patient, care.Doctor, care.Nurse, care.Receptionist, care.Admin}},
	{layout.Link{Path: "/invoices", Text: "See invoices"}, []care.Role{care.Patient, care.Receptionist, care.Admin}},
	{layout.Link{Path: "/conversations", Text: "Read conversations"}, []care.Role{care.Patient, care.Doctor, care.Nurse}},
	{layout.Link{Path: "/docs/api#create-LabReport", Text: "Create a record with the API"}, []care.Role{care.Doctor, care.Nurse}},
	{layout.Link{Path: "/docs/api#create-appointment", Text: "Book an appointment with the API"}, []care.Role{care.Receptionist}},
	{layout.Link{Path: "/docs/api#tag-clinics", Text: "Manage people and roles with the API"}, []care.Role{care.Admin}},
	{layout.Link{Path: "/docs/api#tag-audit", Text: "Read the audit trail with the API"}, []care.Role{care.Auditor}},
	{layout.Link{Path: "/docs/operating", Text: "Operate the service"}, []care.Role{care.Operator}},
	{layout.Link{Path: "/docs/api#tag-operate", Text: "Change rules and retry messages with the API"}, []care.Role{care.Operator}},
}

// EventsWindow is how far back the events on the start page are counted: the page names a day.
const EventsWindow = 24 * time.Hour
