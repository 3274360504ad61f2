package rest

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"carewire/internal/audit"
	"carewire/internal/httpapi"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Event is the schema of an event's JSON: a CloudEvents 1.0 envelope with carewire's extensions.
type Event struct {
	SpecVersion     string     `json:"specversion" enum:"1.0"`
	ID              uuid.UUID  `json:"id" format:"uuid"`
	Type            string     `json:"type" example:"ehr.lab_report.created"`
	Source          string     `json:"source" example:"/carewire"`
	Subject         string     `json:"subject" example:"lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Time            *time.Time `json:"time,omitempty" format:"date-time" doc:"Left out only where the ledger holds none that can be read."`
	DataContentType string     `json:"datacontenttype" enum:"application/json"`
	Position        int64      `json:"position,omitempty" doc:"The place in the ledger."`
	ClinicID        *uuid.UUID `json:"clinicid,omitempty" format:"uuid"`
	PersonID        *uuid.UUID `json:"personid,omitempty" format:"uuid" doc:"Whom it is about."`
	ActorID         string     `json:"actorid" doc:"Who did it: a person's id, or system:<part>."`
	ActorRole       string     `json:"actorrole"`
	SubjectVersion  *int64     `json:"subjectversion,omitempty"`
	CauseID         *uuid.UUID `json:"causeid,omitempty" format:"uuid" doc:"The event that caused it."`
	CorrelationID   *string    `json:"correlationid,omitempty" doc:"The request that led to it."`
	Traceparent     *string    `json:"traceparent,omitempty"`
	Imported        bool       `json:"imported,omitempty"`
	Unreadable      string     `json:"unreadable,omitempty" doc:"What the ledger holds of this event that cannot be read; left out for every event that is whole." example:"column time into time.Time"`
	Data            eventData  `json:"data" doc:"What the type's payload says, see /docs/events: ids, statuses and times, never health information."`
}

// eventData is the schema of an event's data: an object, whatever its type says.
type eventData struct{}

// Schema says that it is an object, and what it looks like for a record.
func (eventData) Schema(huma.Registry) *huma.Schema {
	example := event.Example("ehr.lab_report.created")
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Examples: []any{example.Data}}
}

// EventPage is one page of a story.
type EventPage struct {
	Items []event.Event `json:"items"`
	Next  string        `json:"next,omitempty" doc:"The after of the page after this one; left out on the last."`
}

// subjectForm is what an event's subject looks like; the outbox refuses others.
var subjectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]{1,100}$`)

func registerAudit(api *httpapi.Server, reader *audit.Reader) {
	type input struct {
		Subject string `query:"subject" required:"true" maxLength:"200" doc:"What to tell the story of: kind/id." example:"lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		After   string `query:"after" maxLength:"500" doc:"The next of the page before."`
		Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"200" doc:"How many at most."`
	}
	type output struct{ Body EventPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "audit", Method: http.MethodGet, Path: "/api/audit", Tag: "audit", Action: care.AuditRead,
		Summary:     "Tell the story of a subject",
		Description: "The subject's events and all that they caused, the oldest first: who wrote and read it, who was refused, whom it was told and what became of the messages. For auditors.",
		Refusals:    []care.Code{care.Forbidden, care.Invalid},
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
