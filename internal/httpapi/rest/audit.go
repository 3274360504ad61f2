package rest

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/audit"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/httpapi"
)

// Event is the schema of an event's JSON: a CloudEvents 1.0 envelope with carewire's extensions.
type Event struct {
	SpecVersion     string     `json:"specversion" enum:"1.0"`
	ID              uuid.UUID  `json:"id" format:"uuid"`
	Type            string     `json:"type" example:"ehr.lab_report.created"`
	Source          string     `json:"source" example:"/carewire"`
	Subject         string     `json:"subject" example:"lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Time            *time.Time `json:"time,omitempty" format:"date-time" doc:"Left out only if the ledger has no readable time."`
	DataContentType string     `json:"datacontenttype" enum:"application/json"`
	Position        int64      `json:"position,omitempty" doc:"The position in the ledger."`
	ClinicID        *uuid.UUID `json:"clinicid,omitempty" format:"uuid"`
	PersonID        *uuid.UUID `json:"personid,omitempty" format:"uuid" doc:"The person that the event is about."`
	ActorID         string     `json:"actorid" doc:"The actor: a person's id, or system:<part>."`
	ActorRole       string     `json:"actorrole"`
	SubjectVersion  *int64     `json:"subjectversion,omitempty"`
	CauseID         *uuid.UUID `json:"causeid,omitempty" format:"uuid" doc:"The event that caused it."`
	CorrelationID   *string    `json:"correlationid,omitempty" doc:"The id of the request that caused it."`
	Traceparent     *string    `json:"traceparent,omitempty"`
	Imported        bool       `json:"imported,omitempty"`
	Unreadable      string     `json:"unreadable,omitempty" doc:"The part of this event that the ledger cannot read; left out for intact events." example:"column time into time.Time"`
	Data            eventData  `json:"data" doc:"The payload of the type, see /docs/events: ids, statuses and times, never health information."`
}

// eventData is the schema of an event's data: an object.
type eventData struct{}

// Schema implements huma.SchemaProvider. Its example is the data of a record's event.
func (eventData) Schema(huma.Registry) *huma.Schema {
	example := event.Example("ehr.lab_report.created")
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Examples: []any{example.Data}}
}

// EventPage is one page of an audit trail.
type EventPage struct {
	Items []event.Event `json:"items"`
	Next  string        `json:"next,omitempty" doc:"The value of after for the next page; left out on the last one."`
}

// subjectForm is the form of an event's subject; the outbox accepts no other.
var subjectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]{1,100}$`)

func registerAudit(api *httpapi.Server, reader *audit.Reader) {
	type input struct {
		Subject string `query:"subject" required:"true" maxLength:"200" doc:"The subject: kind/id." example:"lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		After   string `query:"after" maxLength:"500" doc:"The value of next of the previous page."`
		Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"200" doc:"The largest number of items."`
	}
	type output struct{ Body EventPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "audit", Method: http.MethodGet, Path: "/api/audit", Tag: "audit", Action: care.AuditRead,
		Summary: "Get the audit trail of a subject",
		Description: "The subject's events and all events that they caused, oldest first: who " +
			"wrote and read it, who was denied, who was notified, and the state of the messages. " +
			"For auditors.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		if !subjectForm.MatchString(in.Subject) {
			return nil, care.InvalidField("subject", "must be a kind and an id, such as lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
		}
		items, next, err := reader.GetStory(ctx, httpapi.ActorOf(ctx), in.Subject, in.After, in.Limit)
		if items == nil {
			items = []event.Event{}
		}
		return &output{EventPage{items, next}}, err
	})
}
