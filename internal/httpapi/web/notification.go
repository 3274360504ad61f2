package web

import (
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/httpapi"
)

var notificationPage = newPage(`<h1>{{.Text}}</h1>
{{- if .Path}}
<p><a href="{{.Path}}">Open</a></p>
{{- end}}
<p><small>{{.At}} UTC</small></p>`)

// addNotification adds the page that links in messages open: after sign-in it links to the subject
// of the notification. A clinic with its own app at CAREWIRE_BASE_URL serves this path there.
func (p *pages) addNotification() {
	p.api.Handle(http.MethodGet, "/notifications/:id", httpapi.Access{Action: care.SelfManage, Page: true}, p.showNotification)
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
	text := "You have a new notification."
	if d, ok := event.Lookup(n.EventType); ok {
		text = d.Doc
	}
	return render(c, http.StatusOK, notificationPage, map[string]any{
		"Text": text, "Path": p.api.SubjectPath(n.Subject), "At": n.CreatedAt.UTC().Format("2 January 2006 15:04"),
	})
}
