package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi"
)

// subjectPaths are the pages of subjects other than records.
var subjectPaths = map[string]string{"appointment": "/appointments", "invoice": "/invoices", "conversation": "/conversations"}

const recordsPath = "/records"

// addSubjects adds the pages of records, appointments, invoices and conversations. They read
// through the collections of the REST API.
func (p *pages) addSubjects() {
	p.handle(http.MethodGet, recordsPath, care.RecordRead, p.recordKinds)
	p.handle(http.MethodGet, recordsPath+"/:kind", care.RecordRead, func(c *echo.Context) error {
		return p.list(c, p.recordCollection(c.Param("kind")))
	})
	p.handle(http.MethodGet, recordsPath+"/:kind/:id", care.RecordRead, func(c *echo.Context) error {
		return p.show(c, p.recordCollection(c.Param("kind")))
	})
	for kind, action := range map[string]care.Action{
		"appointment": care.AppointmentRead, "invoice": care.InvoiceRead, "conversation": care.ConversationRead,
	} {
		find := func() *httpapi.Collection {
			if collection, ok := p.api.CollectionOf(kind); ok {
				return &collection
			}
			return nil
		}
		p.handle(http.MethodGet, subjectPaths[kind], action, func(c *echo.Context) error { return p.list(c, find()) })
		p.handle(http.MethodGet, subjectPaths[kind]+"/:id", action, func(c *echo.Context) error { return p.show(c, find()) })
	}
	p.addMarkRead()
}

// handle adds a page of subjects, which only people may open: a program reads the REST API.
func (p *pages) handle(method, path string, action care.Action, h echo.HandlerFunc) {
	p.api.Handle(method, path, httpapi.Access{Action: action, Page: true}, func(c *echo.Context) error {
		if ctx := c.Request().Context(); httpapi.ActorOf(ctx).UserID == uuid.Nil {
			return p.api.Deny(ctx, action, "service accounts cannot open pages; use the REST API")
		}
		return h(c)
	})
}

// recordCollection returns the collection of a kind of records, by the name of its path
// ("lab-reports") or of its kind ("lab_report"); nil if there is none.
func (p *pages) recordCollection(name string) *httpapi.Collection {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	for _, c := range p.api.Collections() {
		if isRecord(c) && (name == c.Name() || name == strings.ReplaceAll(c.Kind, "_", "-")) {
			return &c
		}
	}
	return nil
}

func isRecord(c httpapi.Collection) bool { return strings.HasPrefix(c.Path, "/api/ehr/") }

// subjectPath returns the path of the page that shows a subject, or "" where there is none.
func (p *pages) subjectPath(subject string) string {
	kind, id, _ := strings.Cut(subject, "/")
	if path, ok := subjectPaths[kind]; ok {
		return httpapi.Location(path, id)
	}
	if c, ok := p.api.CollectionOf(kind); ok && isRecord(c) {
		return httpapi.Location(recordsPath+"/"+c.Name(), id)
	}
	return ""
}

// show answers with the page of one subject.
func (p *pages) show(c *echo.Context, collection *httpapi.Collection) error {
	id, err := uuid.Parse(c.Param("id"))
	if collection == nil || err != nil {
		return care.Errorf(care.NotFound, "page not found")
	}
	subject, err := collection.Get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	to, err := p.readerOf(c)
	if err != nil {
		return err
	}
	switch s := subject.(type) {
	case ehr.Record[any]:
		return p.recordPage(c, s, collection, to)
	case appointment.Appointment:
		return p.appointmentPage(c, s, to)
	case billing.Invoice:
		return p.invoicePage(c, s, to)
	case chat.Conversation:
		return p.conversationPage(c, s, to)
	}
	return fmt.Errorf("no page for %T", subject)
}
