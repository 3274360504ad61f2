package web

import (
	"cmp"
	"html/template"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/layout"
	"carewire/internal/templateset"
)

const (
	previewPath      = "/admin/templates/preview"
	previewEmailPath = previewPath + "/email"
	// previewType is the type of event of a preview that names none.
	previewType = "ehr.lab_report.created"
)

// emailPolicy is the Content-Security-Policy of an email's HTML in its frame: no scripts, only inline
// styles, and images over https.
const emailPolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

var previewPage = template.Must(template.New("preview").Parse(`<h1>Template preview</h1>
<form class="fields" method="get" action="{{.Path}}">
<label>Template <input name="template" value="{{.In.Template}}" required placeholder="clinical"></label>
<label>Locale <input name="locale" value="{{.In.Locale}}" size="8" placeholder="en"></label>
<label>Version <input name="version" value="{{.Version}}" size="6" inputmode="numeric" placeholder="newest"></label>
<label>Event type <input name="type" value="{{.In.Type}}" size="36" placeholder="ehr.lab_report.created"></label>
<label>or an event instead <input name="eventId" value="{{.EventID}}" size="36" placeholder="its ID"></label>
<label>Brand of clinic <input name="clinicId" value="{{.ClinicID}}" size="36" placeholder="its ID"></label>
<button>Preview</button>
</form>
{{- with .Mistake}}
<p role="alert">{{.}}</p>
{{- end}}
{{- with .Preview}}
<p class="note">Template {{.Template}}, locale {{.Locale}}, event type {{.Type}}, {{if .Version}}version {{.Version}}{{else}}the set in the binary{{end}}. Nothing is sent.</p>
{{- range .Messages}}
<h2>{{.Channel}}</h2>
<dl class="facts">
{{- with .Subject}}<dt>Subject</dt><dd dir="auto">{{.}}</dd>{{end}}
{{- with .Title}}<dt>Title</dt><dd dir="auto">{{.}}</dd>{{end}}
{{- with .Body}}<dt>Body</dt><dd dir="auto">{{.}}</dd>{{end}}
{{- with .Image}}<dt>Image</dt><dd>{{.}}</dd>{{end}}
{{- if .Segments}}<dt>Segments</dt><dd>{{.Segments}} ({{.Encoding}})</dd>{{end}}
{{- with .Approved}}<dt>Approved template</dt><dd>{{.Name}} ({{.Language}})</dd>
{{- range .Variables}}<dt>Variable</dt><dd dir="auto">{{.}}</dd>{{end}}
{{- with .Button}}<dt>Button's URL ends in</dt><dd>{{.}}</dd>{{end}}
{{- end}}
{{- range .Actions}}<dt>Button</dt><dd dir="auto">{{.Label}}: {{.Link}}</dd>{{end}}
</dl>
{{- with .Text}}
<pre dir="auto" class="preview">{{.}}</pre>
{{- end}}
{{- if .HTML}}
<iframe class="preview" title="Email" sandbox src="{{$.Frame}}"></iframe>
{{- end}}
{{- end}}
{{- end}}`))

// addTemplatePreview adds the page that shows the messages of a template, for operators.
func (p *pages) addTemplatePreview() {
	if p.cfg.Templates == nil || p.cfg.Writer == nil {
		return
	}
	a := httpapi.Access{Action: care.TemplatesRead, Page: true}
	p.api.Handle(http.MethodGet, previewPath, a, p.showPreview)
	p.api.Handle(http.MethodGet, previewEmailPath, a, p.showPreviewEmail)
	p.api.AddHeaderLink(previewPath, "Templates", func(actor care.Actor) bool { return actor.MayOnPlatform(care.TemplatesRead) })
}

func (p *pages) showPreview(c *echo.Context) error {
	in, err := previewRequest(c)
	view := map[string]any{
		"Path": previewPath, "In": in, "Version": c.QueryParam("version"), "EventID": c.QueryParam("eventId"), "ClinicID": c.QueryParam("clinicId"),
		"Frame": previewEmailPath + "?" + c.Request().URL.RawQuery, "Mistake": "", "Preview": nil,
	}
	if err == nil && in.Template != "" {
		var preview templateset.TemplatePreview
		if preview, err = p.preview(c, in); err == nil {
			view["Preview"] = preview
		}
	}
	switch care.CodeOf(err) {
	case care.Invalid, care.NotFound, care.Unavailable:
		view["Mistake"] = err.Error()
	default:
		if err != nil {
			return err
		}
	}
	main, err := layout.Fragment(previewPage, view)
	if err != nil {
		return err
	}
	return p.api.RenderPage(c, http.StatusOK, layout.Page{Title: "Template preview", Here: previewPath, Main: main, Frames: true})
}

// showPreviewEmail serves the HTML of the email, for the frame of the page.
func (p *pages) showPreviewEmail(c *echo.Context) error {
	in, err := previewRequest(c)
	if err != nil {
		return err
	}
	preview, err := p.preview(c, in)
	if err != nil {
		return err
	}
	for _, m := range preview.Messages {
		if m.HTML == "" {
			continue
		}
		h := c.Response().Header()
		h.Set("Content-Security-Policy", emailPolicy)
		h.Set("X-Frame-Options", "SAMEORIGIN")
		return c.HTML(http.StatusOK, m.HTML)
	}
	return care.Errorf(care.NotFound, "template %s has no email", preview.Template)
}

func (p *pages) preview(c *echo.Context, in templateset.TemplatePreviewRequest) (preview templateset.TemplatePreview, err error) {
	ctx := c.Request().Context()
	err = p.cfg.Writer.Read(ctx, httpapi.ActorOf(ctx), func(tx pgx.Tx) error {
		preview, err = p.cfg.Templates.Preview(ctx, tx, in)
		return err
	})
	return preview, err
}

// previewRequest returns the request in the query. It is of published templates alone.
func previewRequest(c *echo.Context) (in templateset.TemplatePreviewRequest, err error) {
	in = templateset.TemplatePreviewRequest{Template: c.QueryParam("template"), Locale: c.QueryParam("locale"), Type: c.QueryParam("type")}
	if text := c.QueryParam("version"); text != "" {
		version, err := strconv.ParseInt(text, 10, 32)
		if err != nil || version < 1 {
			return in, care.InvalidField("version", "must be the number of a version")
		}
		in.Version = int32(version)
	}
	for _, field := range []struct {
		name string
		id   *uuid.UUID
	}{{"eventId", &in.EventID}, {"clinicId", &in.ClinicID}} {
		if text := c.QueryParam(field.name); text != "" {
			if *field.id, err = uuid.Parse(text); err != nil {
				return in, care.InvalidField(field.name, "must be a UUID")
			}
		}
	}
	// The form always has a type, which an event replaces.
	in.Type = cmp.Or(in.Type, previewType)
	if in.EventID != uuid.Nil {
		in.Type = ""
	}
	return in, nil
}
