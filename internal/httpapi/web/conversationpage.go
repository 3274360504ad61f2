package web

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/httpapi"
)

// pageMessages is the number of messages on a page of a conversation.
const pageMessages = 50

var conversationPage = template.Must(template.New("conversation").Parse(`<h1>{{.Title}}</h1>
<dl class="facts">
{{- with .Patient}}
<dt>Patient</dt><dd>{{.}}</dd>
{{- end}}
{{- with .Clinic}}
<dt>Clinic</dt><dd>{{.}}</dd>
{{- end}}
<dt>Unread</dt><dd>{{.Unread}}</dd>
</dl>
{{- if .Older}}
<p><a href="?before={{.Older}}">Older messages</a></p>
{{- end}}
{{- if .Messages}}
<ol class="messages">
{{- range .Messages}}
<li{{if .Own}} class="own"{{end}}><p class="note">{{.Author}}, {{.At}}</p>
{{- if .Withdrawn}}<p><i>This message was withdrawn.</i></p>{{else}}<p class="text">{{.Text}}</p>{{end}}</li>
{{- end}}
</ol>
{{- else}}
<p>No messages yet.</p>
{{- end}}
{{- if .MarkRead}}
<form class="actions" method="post" action="{{.Path}}/read"><input type="hidden" name="message" value="{{.MarkRead}}"><button>Mark as read</button></form>
{{- end}}
<p class="note">Times are in {{.Zone}}. To answer, use the app of your clinic.</p>`))

// messageView is a message on the page of a conversation.
type messageView struct {
	Author, At, Text string
	Own, Withdrawn   bool
}

func (p *pages) conversationPage(c *echo.Context, conversation chat.Conversation, to reader) error {
	name, err := p.person(c, to, conversation.PatientID)
	if err != nil {
		return err
	}
	before, _ := strconv.ParseInt(c.QueryParam("before"), 10, 64) // Anything else shows the newest.
	ctx := c.Request().Context()
	list, older, err := p.cfg.Chat.ListMessages(ctx, httpapi.CommandOf(ctx), conversation.ID, max(before, 0), pageMessages)
	if err != nil {
		return err
	}
	newest := uuid.Nil
	if before == 0 && len(list) > 0 && conversation.Unread > 0 {
		newest = list[0].ID
	}
	view := map[string]any{
		"Title": conversationTitle(conversation), "Patient": name, "Clinic": to.clinicName(conversation.ClinicID), "Zone": to.zoneName,
		"Unread": unreadText(conversation.Unread), "Older": older, "Path": c.Request().URL.Path, "MarkRead": "",
		"Messages": messageViews(list, conversation.PatientID, name, to),
	}
	if newest != uuid.Nil {
		view["MarkRead"] = newest.String()
	}
	return p.render(c, conversationTitle(conversation), conversationPage, view)
}

// messageViews returns the messages, oldest first. Their authors are the reader, the patient, or
// the care team, whose names patients may not read.
func messageViews(list []chat.Message, patient uuid.UUID, patientName string, to reader) []messageView {
	views := make([]messageView, 0, len(list))
	for _, m := range slices.Backward(list) {
		v := messageView{Author: "Care team", At: moment(m.WrittenAt, to.zone), Text: m.Text, Withdrawn: m.WithdrawnAt != nil, Own: to.isMe(m.AuthorID)}
		switch {
		case v.Own:
			v.Author = "You"
		case m.AuthorID == patient && patientName != "":
			v.Author = patientName
		case m.AuthorID == patient:
			v.Author = "Patient"
		}
		views = append(views, v)
	}
	return views
}

func conversationTitle(c chat.Conversation) string {
	if c.Subject != "" {
		return c.Subject
	}
	return "Conversation"
}

// addMarkRead adds the form that marks a conversation's messages as read, so that the person is
// notified of later ones again.
func (p *pages) addMarkRead() {
	p.handle(http.MethodPost, "/conversations/:id/read", care.ConversationRead, func(c *echo.Context) error {
		id, err := uuid.Parse(c.Param("id"))
		if err != nil {
			return care.Errorf(care.NotFound, "page not found")
		}
		message, err := uuid.Parse(c.Request().PostFormValue("message"))
		if err != nil {
			return care.InvalidField("message", "must be the id of a message")
		}
		ctx := c.Request().Context()
		if err := p.cfg.Chat.MarkRead(ctx, httpapi.CommandOf(ctx), id, chat.ReadMark{MessageID: message}); err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, httpapi.Location(subjectPaths["conversation"], id.String()))
	})
}
