package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/audit"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/httpapi"
)

// Event is the schema of an event of the audit trail: a CloudEvents 1.0 envelope with carewire's
// extensions.
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
	ClientAddress   string     `json:"clientaddress,omitempty" doc:"The address of the client, or its network; left out for carewire's own events, after the retention period, and if the settings disable it." example:"203.0.113.7"`
	ClientAgent     care.Agent `json:"clientagent,omitempty" enum:"browser,mobile,cli,service,other" doc:"The class of the program that sent the request."`
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
	Items []audit.Entry `json:"items"`
	Next  string        `json:"next,omitempty" doc:"The value of after for the next page; left out on the last one."`
}

// PersonList is a list of people with their names.
type PersonList struct {
	Items []audit.NamedPerson `json:"items" doc:"Those who exist, in the order of their ids."`
}

func registerAudit(api *httpapi.Server, reader *audit.Reader) {
	registerAuditEvents(api, reader)
	registerAuditPeople(api, reader)
}

func registerAuditEvents(api *httpapi.Server, reader *audit.Reader) {
	type input struct {
		Subject string    `query:"subject" maxLength:"200" doc:"A subject, kind/id: its events, those that they caused and so on, and the lists that showed it." example:"lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		Person  uuid.UUID `query:"person" format:"uuid" doc:"Only events about this person, with the lists that showed the person's name."`
		Actor   string    `query:"actor" maxLength:"200" doc:"Only events of this actor: a person's id, service:<id> or system:<part>." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		Type    string    `query:"type" maxLength:"100" doc:"Only events of this type, or of a pattern: * is one part of a type, ** any number." example:"record.read"`
		From    time.Time `query:"from" format:"date-time" doc:"The earliest time, inclusive."`
		To      time.Time `query:"to" format:"date-time" doc:"The latest time, exclusive."`
		After   string    `query:"after" maxLength:"500" doc:"The value of next of the previous page."`
		Limit   int       `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"The largest number of items."`
	}
	type output struct{ Body EventPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "audit", Method: http.MethodGet, Path: "/api/audit", Tag: "audit", Action: care.AuditRead,
		Summary: "List the audit trail",
		Description: "The events that all filters select, oldest first. At least one filter is " +
			"required. For a `subject` they tell who wrote, read and listed it, who was denied, who " +
			"was notified, and the state of the messages. All pages end at the event that was the " +
			"last when the first page was read. An event that was recorded more than a day after its " +
			"time counts when it was recorded. Each page is audited as `audit.read`. For auditors.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		page, err := reader.ListEvents(ctx, httpapi.CommandOf(ctx), audit.Filter{
			Subject: in.Subject, PersonID: in.Person, ActorID: in.Actor, Type: in.Type, From: in.From, To: in.To, After: in.After, Limit: in.Limit,
		})
		return &output{EventPage{page.Items, page.Next}}, err
	})
}

func registerAuditPeople(api *httpapi.Server, reader *audit.Reader) {
	type input struct {
		IDs []string `query:"ids" required:"true" minItems:"1" maxItems:"100" format:"uuid" doc:"The ids of people, separated by commas."`
	}
	type output struct{ Body PersonList }
	httpapi.Register(api, httpapi.Operation{
		ID: "audit-people", Method: http.MethodGet, Path: "/api/audit/people", Tag: "audit", Action: care.AuditRead,
		Summary: "Get the names of people in the audit trail",
		Description: "The names, statuses and current roles of people by their ids, for reading the " +
			"audit trail. Each request is audited as `audit.read` with the ids. For auditors.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		ids := make([]uuid.UUID, len(in.IDs))
		for i, text := range in.IDs {
			var err error
			if ids[i], err = uuid.Parse(text); err != nil {
				return nil, care.InvalidField("ids", "must be UUIDs, separated by commas")
			}
		}
		people, err := reader.ListPeople(ctx, httpapi.CommandOf(ctx), ids)
		return &output{PersonList{people}}, err
	})
}
