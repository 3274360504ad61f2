package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

var notificationPage = newPage(`<h1>{{.What}}</h1>
{{- if .Path}}
<p><a href="{{.Path}}">Read it</a></p>
{{- end}}
<p><small>{{.At}} UTC</small></p>`)

// addNotificationPage adds where the links in messages lead: a person signs in and is shown the way to what they were
// told of. A clinic whose own app answers at CAREWIRE_BASE_URL serves this path there.
func (s *Server) addNotificationPage() {
	s.handle(http.MethodGet, "/notifications/:id", access{action: care.SelfManage, page: true}, s.showNotification)
}

func (s *Server) showNotification(c *echo.Context) error {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		return care.InvalidField("id", "must be a UUID")
	}
	ctx := c.Request().Context()
	var n db.NotificationOfRecipientRow
	err = s.read(ctx, func(q *db.Queries) (err error) {
		n, err = q.NotificationOfRecipient(ctx, db.NotificationOfRecipientParams{ID: id, RecipientID: infoOf(ctx).actor.UserID})
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return s.notTheirs(ctx, id, care.Errorf(care.NotFound, "there is no such message for you; you may be signed in as somebody else"))
	}
	if err != nil {
		return fmt.Errorf("read notification: %w", err)
	}
	what := "There is something new for you."
	if d, ok := event.Lookup(n.EventType); ok {
		what = d.Doc
	}
	return s.page(c, http.StatusOK, notificationPage, map[string]any{
		"What": what, "Path": s.subjectPath(n.Subject), "At": n.CreatedAt.UTC().Format("2 January 2006 15:04"),
	})
}

// subjectPath is where an event's subject is read, or empty where there is no such place.
func (s *Server) subjectPath(subject string) string {
	kind, id, _ := strings.Cut(subject, "/")
	if collection, ok := s.collections[kind]; ok {
		return location(collection, id)
	}
	return ""
}
