package web

import (
	"html/template"
	"net/url"
	"strings"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi"
	"carewire/internal/layout"
)

// row is a line of a list of subjects.
type row struct{ Path, Title, When, Status string }

var listPage = template.Must(template.New("list").Parse(`<h1>{{.Title}}</h1>
{{- if .Rows}}
<table class="stack">
<thead><tr><th scope="col">{{.What}}</th><th scope="col">{{.When}}</th><th scope="col">{{if .Status}}{{.Status}}{{else}}Status{{end}}</th></tr></thead>
<tbody>
{{- range .Rows}}
<tr><th scope="row"><a href="{{.Path}}">{{.Title}}</a></th><td>{{.When}}</td><td>{{.Status}}</td></tr>
{{- end}}
</tbody>
</table>
<p class="note">Times are in {{.Zone}}.</p>
{{- else}}
<p>Nothing here yet.</p>
{{- end}}
{{- with .Next}}
<p class="actions"><a class="button" href="{{.}}">Next page</a></p>
{{- end}}`))

// listView is the data of a list of subjects.
type listView struct {
	Title, What, When, Status, Zone, Next string
	Rows                                  []row
}

// list answers with a page of the subjects that the caller may see.
func (p *pages) list(c *echo.Context, collection *httpapi.Collection) error {
	if collection == nil {
		return care.Errorf(care.NotFound, "page not found")
	}
	to, err := p.readerOf(c)
	if err != nil {
		return err
	}
	items, next, err := collection.List(c.Request().Context(), c.QueryParam("cursor"))
	if err != nil {
		return err
	}
	view := listView{Title: words(collection.Name()), What: capital(strings.ReplaceAll(collection.Kind, "_", " ")), When: "Time", Zone: to.zoneName}
	for _, item := range items {
		view.Rows = append(view.Rows, p.rowOf(item, collection, to))
	}
	if collection.Kind == "invoice" {
		view.When = "Due"
	}
	if collection.Kind == "conversation" {
		view.When, view.Status = "Last message", "Unread"
	}
	if next != "" {
		view.Next = c.Request().URL.Path + "?cursor=" + url.QueryEscape(next)
	}
	return p.render(c, view.Title, listPage, view)
}

// rowOf returns the line of a subject.
func (p *pages) rowOf(item any, collection *httpapi.Collection, to reader) row {
	path := func(id string) string { return p.subjectPath(collection.Kind + "/" + id) }
	switch s := item.(type) {
	case ehr.Record[any]:
		head := headOf(s)
		title := coding(head.Code)
		if masked(head) {
			title = capital(strings.ReplaceAll(collection.Kind, "_", " "))
		}
		return row{path(s.ID.String()), title, when(head.EffectiveAt, to.zone), words(head.Status)}
	case appointment.Appointment:
		zone, name := firstZone(s.TimeZone)
		return row{path(s.ID.String()), "Appointment" + at(to.clinicName(s.ClinicID)), moment(s.StartsAt, zone) + " (" + name + ")", words(string(s.Status))}
	case billing.Invoice:
		status := words(s.Status)
		if s.Overdue {
			status += ", overdue"
		}
		return row{path(s.ID.String()), invoiceTitle(s), date(s.DueOn), status + ", " + amount(s)(s.TotalMinor)}
	case chat.Conversation:
		return row{path(s.ID.String()), conversationTitle(s), moment(s.LastActivityAt, to.zone), unreadText(s.Unread)}
	}
	return row{}
}

// at returns " at NAME", or "" without a name.
func at(clinic string) string {
	if clinic == "" {
		return ""
	}
	return " at " + clinic
}

var kindsPage = template.Must(template.New("kinds").Parse(`<h1>Records</h1>
<ul>
{{- range .}}
<li><a href="{{.Path}}">{{.Text}}</a></li>
{{- end}}
</ul>`))

// recordKinds lists the kinds of records.
func (p *pages) recordKinds(c *echo.Context) error {
	var links []layout.Link
	for _, collection := range p.api.Collections() {
		if isRecord(collection) {
			links = append(links, layout.Link{Path: recordsPath + "/" + collection.Name(), Text: words(collection.Name())})
		}
	}
	return p.render(c, "Records", kindsPage, links)
}
