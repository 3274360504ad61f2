package templateset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify/template"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/versionset"
)

// The example values of a preview.
const (
	exampleLink = "https://clinic.example/notifications/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
	exampleCode = "123456"
	exampleApp  = "carewire"
	// exampleZone is the zone of a preview without a clinic.
	exampleZone = "Europe/Berlin"
)

// TemplatePreviewRequest selects the messages of a preview.
type TemplatePreviewRequest struct {
	// Source is a set that is not published, in YAML. If it is empty, Version selects a published set;
	// 0 is the newest.
	Source  string `json:"source,omitempty" doc:"A template set that is not published, in YAML; leave it out for a published one."`
	Version int32  `json:"version,omitempty" minimum:"1" doc:"A published version; the default is the newest."`
	// Template is the template's name.
	Template string `json:"template" minLength:"1" maxLength:"100" doc:"The name of the template." example:"clinical"`
	// Locale is a language tag; empty means "en".
	Locale string `json:"locale,omitempty" maxLength:"35" doc:"The language of the recipient; the default is en." example:"de-AT"`
	// Type is an event type, for the catalog's example. EventID selects an event of the ledger instead.
	Type    string    `json:"type,omitempty" maxLength:"100" doc:"The type of the event that the message is about, with the example of the event catalog." example:"ehr.lab_report.created"`
	EventID uuid.UUID `json:"eventId,omitzero" format:"uuid" doc:"An event in the ledger, instead of a type."`
	// ClinicID is the clinic with the brand of the messages; the zero id means none.
	ClinicID uuid.UUID `json:"clinicId,omitzero" format:"uuid" doc:"The clinic that has the brand of the messages; by default they have none."`
}

// TemplatePreview has the messages of a template on every channel for which it has texts.
type TemplatePreview struct {
	Version  int32            `json:"version" doc:"The version of the templates; 0 for a source, and for the set in the binary."`
	Template string           `json:"template" example:"clinical"`
	Locale   string           `json:"locale" example:"de-AT"`
	Type     string           `json:"type" doc:"The type of the event." example:"ehr.lab_report.created"`
	Messages []PreviewMessage `json:"messages"`
}

// PreviewMessage is the message on a channel. The fields that the channel does not show are empty.
type PreviewMessage struct {
	Channel string          `json:"channel" example:"email"`
	Subject string          `json:"subject,omitempty" example:"There is a new lab report"`
	Title   string          `json:"title,omitempty" example:"New lab report"`
	Body    string          `json:"body,omitempty" example:"Sign in to read it."`
	Text    string          `json:"text,omitempty" example:"There is a new lab report. Sign in to read it."`
	HTML    string          `json:"html,omitempty" doc:"Show it in a sandboxed frame." example:"<!doctype html><html lang=\"en\">"`
	Image   string          `json:"image,omitempty" example:"https://img.example.org/letter.png"`
	Actions []PreviewAction `json:"actions,omitempty"`
	// Segments is the number of segments of a text message, and Encoding its encoding.
	Segments int    `json:"segments,omitempty" doc:"The segments of a text message, which providers charge for." example:"1"`
	Encoding string `json:"encoding,omitempty" doc:"The encoding of a text message: GSM-7 or UCS-2." example:"GSM-7"`
	// Approved is the provider's template of a WhatsApp message.
	Approved *PreviewApproved `json:"approved,omitempty"`
}

// PreviewApproved is the approved template that a WhatsApp message is sent with.
type PreviewApproved struct {
	Name      string   `json:"name" example:"carewire_clinical"`
	Language  string   `json:"language" example:"de"`
	Variables []string `json:"variables" doc:"The values of the variables of its body, in order." example:"lab report"`
	Button    string   `json:"button,omitempty" doc:"The variable part of its button's URL." example:"notifications/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
}

// PreviewAction is a button of a message.
type PreviewAction struct {
	Label string `json:"label" example:"Sign in to read it"`
	Link  string `json:"link" example:"https://clinic.example/notifications/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
}

// Preview renders a template with the catalog's example of an event type, or with an event of the
// ledger, of which a message can have the type, the time and template.EventFields. Times are in the
// clinic's zone. It stores and sends nothing. The errors are care.Invalid
// with the field, and care.NotFound for an unknown version or event.
func (s *Sets) Preview(ctx context.Context, conn db.DBTX, in TemplatePreviewRequest) (TemplatePreview, error) {
	out := TemplatePreview{Template: in.Template, Locale: cmp.Or(in.Locale, "en"), Messages: []PreviewMessage{}}
	set, err := s.previewSet(ctx, conn, in, &out)
	if err != nil {
		return TemplatePreview{}, err
	}
	if !slices.Contains(set.Names(), in.Template) {
		return TemplatePreview{}, care.InvalidField("template", "unknown template %q; want one of %s", in.Template, strings.Join(set.Names(), ", "))
	}
	data, err := previewData(ctx, conn, in)
	if err != nil {
		return TemplatePreview{}, err
	}
	out.Type = data.EventType
	for _, channel := range s.channels() {
		if !set.Has(in.Template, channel) {
			continue
		}
		content, err := set.Render(in.Template, channel, out.Locale, data)
		if err != nil {
			return TemplatePreview{}, care.InvalidField("template", "%v", err)
		}
		out.Messages = append(out.Messages, s.message(channel, content))
	}
	return out, nil
}

// previewSet returns the set of a request, and sets the version.
func (s *Sets) previewSet(ctx context.Context, conn db.DBTX, in TemplatePreviewRequest, out *TemplatePreview) (*template.Set, error) {
	if in.Source != "" {
		if in.Version != 0 {
			return nil, care.InvalidField("version", "must be left out with a source")
		}
		set, err := s.Parse([]byte(in.Source))
		if err != nil {
			return nil, invalid(err)
		}
		return set, nil
	}
	found, err := versionset.Templates.Find(ctx, conn, in.Version)
	if in.Version == 0 && care.CodeOf(err) == care.NotFound {
		return s.Builtin()
	}
	if err != nil {
		return nil, err
	}
	out.Version = found.Version
	return s.Load(ctx, conn, found.Version)
}

// previewEvent is the event of a preview.
type previewEvent struct {
	kind string
	at   time.Time
	// data has template.EventFields at most.
	data []byte
	// zone is that of the event's clinic, or empty.
	zone string
}

// previewData returns what the messages of a request are rendered from.
func previewData(ctx context.Context, conn db.DBTX, in TemplatePreviewRequest) (template.Data, error) {
	e, err := findPreviewEvent(ctx, conn, in)
	if err != nil {
		return template.Data{}, err
	}
	brand, clinicZone, err := brandOf(ctx, conn, in.ClinicID)
	if err != nil {
		return template.Data{}, err
	}
	data := template.DataFor(e.kind, "normal", exampleLink, cmp.Or(brand.DisplayName, exampleApp))
	data.Code, data.Brand = exampleCode, brand
	zone := cmp.Or(e.zone, clinicZone, exampleZone)
	data.AddEvent(e.data, e.at, zone, zone)
	return data, nil
}

// findPreviewEvent returns the event of a request: that of the ledger, or the catalog's example.
func findPreviewEvent(ctx context.Context, conn db.DBTX, in TemplatePreviewRequest) (previewEvent, error) {
	if in.EventID == uuid.Nil {
		if in.Type == "" {
			return previewEvent{}, care.InvalidField("type", "is missing: want an event type, or an eventId instead")
		}
		if _, ok := event.Lookup(in.Type); !ok {
			return previewEvent{}, care.InvalidField("type", "unknown event type %q; see the event reference", in.Type)
		}
		example := event.Example(in.Type)
		return previewEvent{kind: in.Type, at: example.Time, data: example.Data}, nil
	}
	if in.Type != "" {
		return previewEvent{}, care.InvalidField("type", "must be left out with an eventId")
	}
	row, err := db.New(conn).TemplatePreviewEvent(ctx, db.TemplatePreviewEventParams{EventFields: template.EventFields, EventID: in.EventID})
	if errors.Is(err, pgx.ErrNoRows) {
		return previewEvent{}, care.Errorf(care.NotFound, "there is no event %s in the ledger", in.EventID)
	}
	if err != nil {
		return previewEvent{}, fmt.Errorf("read the event: %w", postgres.Translate(err))
	}
	return previewEvent{kind: row.Type, at: row.Time, data: row.EventData, zone: row.ClinicZone}, nil
}

// brandOf returns the brand of a clinic and its zone; the zero id has none.
func brandOf(ctx context.Context, conn db.DBTX, clinic uuid.UUID) (template.Brand, string, error) {
	if clinic == uuid.Nil {
		return template.Brand{}, "", nil
	}
	row, err := db.New(conn).TemplatePreviewClinic(ctx, clinic)
	if errors.Is(err, pgx.ErrNoRows) {
		return template.Brand{}, "", care.InvalidField("clinicId", "unknown clinic %s", clinic)
	}
	if err != nil {
		return template.Brand{}, "", fmt.Errorf("read the brand: %w", postgres.Translate(err))
	}
	return template.Brand{DisplayName: row.DisplayName, LogoURL: row.LogoUrl, Color: row.Color, ReplyTo: row.ReplyTo}, row.TimeZone, nil
}

func (s *Sets) message(channel string, c template.Content) PreviewMessage {
	m := PreviewMessage{Channel: channel, Subject: c.Subject, Title: c.Title, Body: c.Body, Text: c.Text, HTML: c.HTML, Image: c.Image}
	for _, a := range c.Actions {
		m.Actions = append(m.Actions, PreviewAction{Label: a.Label, Link: a.Link})
	}
	if kind, _ := s.options.Channels.Lookup(channel); kind.Format == care.FormatSMS {
		m.Segments, m.Encoding = c.Segments()
	}
	if a := c.Approved; a != nil {
		m.Approved = &PreviewApproved{Name: a.Name, Language: a.Language, Variables: append([]string{}, a.Variables...), Button: a.Button}
	}
	return m
}
