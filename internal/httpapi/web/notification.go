package web

import (
	"net/http"

	"carewire/internal/httpapi"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/event"
)

var notificationPage = newPage(`<h1>{{.What}}</h1>
{{- if .Path}}
<p><a href="{{.Path}}">Read it</a></p>
{{- end}}
<p><small>{{.At}} UTC</small></p>`)

// addNotification adds where the links in messages lead: a person signs in and is shown the way to what they were
// told of. A clinic whose own app answers at CAREWIRE_BASE_URL serves this path there.
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
	what := "There is something new for you."
	if d, ok := event.Lookup(n.EventType); ok {
		what = d.Doc
	}
	return render(c, http.StatusOK, notificationPage, map[string]any{
		"What": what, "Path": p.api.SubjectPath(n.Subject), "At": n.CreatedAt.UTC().Format("2 January 2006 15:04"),
	})
}
