package web

import (
	"html/template"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
)

var notificationPage = template.Must(template.New("notification").Parse(`<h1>{{.Text}}</h1>
<p class="lead">{{with .Clinic}}{{.}}, {{end}}{{.At}} <span class="note">({{.Zone}})</span></p>
{{- if .Acknowledge}}
<div class="alert" role="note"><p><b>Nobody has acknowledged this yet.</b> If you take care of it, acknowledge it:
then nobody else is notified. If nobody acknowledges it in time, others are.</p></div>
{{- end}}
{{- if .Acknowledged}}
<p class="alert done" role="status"><b>You acknowledged it</b> on {{.Acknowledged}}. Nobody else is notified.</p>
{{- else if .ByAnother}}
<p class="alert done" role="note"><b>A colleague has acknowledged it.</b> You need not do so.</p>
{{- end}}
<div class="actions">
{{- if .Acknowledge}}
<form method="post" action="{{.Acknowledge}}"><button>Acknowledge</button></form>
{{- end}}
{{- if .Path}}
<a class="button" href="{{.Path}}">Open the {{.What}}</a>
{{- end}}
</div>
<p class="note"><a href="/notifications">All notifications</a></p>`))

// addNotification adds the page that links in messages open: after sign-in it links to the subject
// of the notification, and marks it as read. Its button acknowledges. A clinic with its own app at
// CAREWIRE_BASE_URL serves this path there.
func (p *pages) addNotification() {
	p.api.Handle(http.MethodGet, "/notifications/:id", httpapi.Access{Action: care.SelfManage, Page: true}, p.showNotification)
	p.handle(http.MethodPost, "/notifications/:id/acknowledge", care.SelfManage, p.acknowledge)
}

func (p *pages) showNotification(c *echo.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return care.InvalidField("id", "must be a UUID")
	}
	ctx := c.Request().Context()
	n, err := p.cfg.Inbox.GetOwn(ctx, httpapi.CommandOf(ctx), id)
	if err != nil {
		return err
	}
	if c.Request().Method == http.MethodGet { // Not for a HEAD of it.
		if err := p.cfg.Own.MarkRead(ctx, httpapi.CommandOf(ctx), id); err != nil {
			return err
		}
	}
	me, err := p.cfg.Directory.GetSelf(ctx, httpapi.ActorOf(ctx))
	if err != nil {
		return err
	}
	zone, zoneName := firstZone(me.TimeZone, n.ClinicZone)
	kind, _, _ := strings.Cut(n.Subject, "/")
	acknowledge, acknowledged := "", ""
	switch {
	case n.AcknowledgedAt != nil:
		acknowledged = moment(*n.AcknowledgedAt, zone)
	case n.NeedsAcknowledgement:
		acknowledge = "/notifications/" + id.String() + "/acknowledge"
	}
	text := plannedText(n.EventType, n.PlanKey, kind)
	return p.render(c, text, notificationPage, map[string]any{
		"Acknowledge": acknowledge, "Acknowledged": acknowledged, "ByAnother": n.AcknowledgedByAnother && !n.NeedsAcknowledgement,
		"Text": text, "Clinic": n.ClinicName, "At": moment(n.CreatedAt, zone), "Zone": zoneName,
		"Path": p.subjectPath(n.Subject), "What": strings.ReplaceAll(kind, "_", " "),
	})
}

// acknowledge acknowledges the notification of the page, and shows the page again.
func (p *pages) acknowledge(c *echo.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return care.InvalidField("id", "must be a UUID")
	}
	ctx := c.Request().Context()
	if _, err := p.cfg.Own.Acknowledge(ctx, httpapi.CommandOf(ctx), id); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/notifications/"+id.String())
}
