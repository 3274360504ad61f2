package audit

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// DefaultLimit and MaxLimit are the sizes of a page in events, which bound the memory and the time
// of one request.
const (
	DefaultLimit = 100
	MaxLimit     = 500
)

// maxActor is the longest id of an actor: the outbox accepts no longer one.
const maxActor = 200

// subjectForm matches the outbox's constraint on subjects; thingForm matches a subject with a UUID.
var (
	subjectForm = regexp.MustCompile(`^[a-z][a-z0-9_]*/[A-Za-z0-9._:-]{1,100}$`)
	thingForm   = regexp.MustCompile(`^[a-z][a-z0-9_]*/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// Filter selects events. A zero field does not filter, and one of Subject to To is required.
type Filter struct {
	// Subject is a kind and an id, such as "lab_report/<id>": its own events, those that they caused
	// and so on, and the lists that showed it.
	Subject string
	// PersonID is the person that the events are about. Lists that showed the person by name are
	// included.
	PersonID uuid.UUID
	// ActorID is the person, "service:<id>" or "system:<part>" that acted.
	ActorID string
	// Type is a type of the catalog, or a pattern such as "user.*".
	Type string
	// From is the earliest time, inclusive; To is the latest, exclusive. An event that was recorded
	// more than a day after its time, or more than an hour before, counts when it was recorded.
	From, To time.Time
	// After is the Next of the previous page.
	After string
	// Limit is 1 to MaxLimit; 0 means DefaultLimit.
	Limit int
}

// check returns the parameters of the query, without Until for a first page and without RowLimit. It
// brings ids into the form in which they are stored.
func (f *Filter) check() (db.AuditListParams, error) {
	var errs care.FieldErrors
	f.Limit = errs.Limit(f.Limit, DefaultLimit, MaxLimit)
	f.Subject, f.ActorID = event.CanonicalIDs(f.Subject), event.CanonicalIDs(f.ActorID)
	if names := f.names(); len(names) == 0 || names[0] == "after" {
		errs.Add("subject", "is required, or one of person, actor, type, from and to")
	}
	if f.Subject != "" && !subjectForm.MatchString(f.Subject) {
		errs.Add("subject", "must be a kind and an id, such as lab_report/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")
	}
	errs.Text("actor", f.ActorID, 0, maxActor)
	params := db.AuditListParams{
		Subject: care.NonZero(f.Subject), PersonID: care.NonZero(f.PersonID), ActorID: care.NonZero(f.ActorID), Types: f.types(&errs),
		FromTime: bound(&errs, "from", f.From), ToTime: bound(&errs, "to", f.To),
	}
	if !f.From.IsZero() && !f.To.IsZero() && !f.To.After(f.From) {
		errs.Add("to", "must be after from")
	}
	params.After, params.Until = f.position(&errs)
	return params, errs.Err()
}

// types returns the types of the catalog that Type selects; nil for all.
func (f *Filter) types(errs *care.FieldErrors) []string {
	if f.Type == "" || f.Type == "**" {
		return nil
	}
	pattern := event.Pattern(f.Type)
	if pattern.Validate() != nil {
		errs.Add("type", "must be an event type such as record.read, or a pattern such as user.*")
		return nil
	}
	var types []string
	for i := range event.Catalog {
		if typ := event.Catalog[i].Type; pattern.Match(typ) {
			types = append(types, typ)
		}
	}
	if len(types) == 0 {
		errs.Add("type", "matches no event type; they are listed at /docs/events")
	}
	return types
}

func bound(errs *care.FieldErrors, field string, t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	if !event.TimeInRange(t) {
		errs.Add(field, "must be in the years 1 to 9999")
	}
	return &t
}

// position parses After: the last position of the previous page, and the ledger's head when the
// first page was read. The head may be absent.
func (f *Filter) position(errs *care.FieldErrors) (after, until int64) {
	if f.After == "" {
		return 0, 0
	}
	last, head, both := strings.Cut(f.After, ".")
	after, err := strconv.ParseInt(last, 10, 64)
	if both && err == nil {
		until, err = strconv.ParseInt(head, 10, 64)
	}
	if err != nil || after < 0 || (both && until < after) {
		errs.InvalidCursor()
	}
	return after, until
}

// names returns the names of the filters in use.
func (f *Filter) names() []string {
	return event.FiltersInUse(
		event.Filter{Name: "subject", Used: f.Subject != ""},
		event.Filter{Name: "person", Used: f.PersonID != uuid.Nil},
		event.Filter{Name: "actor", Used: f.ActorID != ""},
		event.Filter{Name: "type", Used: f.Type != ""},
		event.Filter{Name: "from", Used: !f.From.IsZero()},
		event.Filter{Name: "to", Used: !f.To.IsZero()},
		event.Filter{Name: "after", Used: f.After != ""},
	)
}

// Entry is an event of the audit trail with the client that caused it. ClientAddress is an address
// or a network, and ClientAgent a class of programs. Both are empty for carewire's own events, and
// after the retention period.
type Entry struct {
	event.Event

	ClientAddress string
	ClientAgent   care.Agent
}

// MarshalJSON returns the event as a CloudEvents 1.0 JSON object, with the client as the extensions
// clientaddress and clientagent.
func (e Entry) MarshalJSON() ([]byte, error) {
	text, err := e.Event.MarshalJSON()
	if err != nil || e.ClientAgent == "" {
		return text, err
	}
	client, err := json.Marshal(struct {
		Address string     `json:"clientaddress,omitempty"`
		Agent   care.Agent `json:"clientagent"`
	}{e.ClientAddress, e.ClientAgent})
	if err != nil {
		return nil, fmt.Errorf("marshal client: %w", err)
	}
	return append(append(text[:len(text)-1], ','), client[1:]...), nil
}
