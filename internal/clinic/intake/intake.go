package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

const (
	// maxAhead is how far a system's clock may be ahead of ours.
	maxAhead = 5 * time.Minute
	// maxAge is how long a system may delay an event: rules treat it as new.
	maxAge = 30 * 24 * time.Hour
)

var capitalLetter = regexp.MustCompile(`[A-Z]`)

// Parts are the allowed kinds of a system's parts. Nothing is deleted from the ledger, which stores
// the source: a part is one of these words with a number or a UUID, so that it cannot contain a
// name.
var Parts = []string{
	"adapter", "analyzer", "bed", "building", "department", "device", "feed", "floor", "gateway", "instance", "lab", "monitor",
	"pharmacy", "room", "site", "station", "unit", "ward",
}

// partPattern matches the parts after a system's own source.
var partPattern = regexp.MustCompile(`^(/(` + strings.Join(Parts, "|") + `)-([0-9]{1,4}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})){0,3}$`)

// Event is an event of another system.
type Event struct {
	// Path is the prefix of field names in errors: "" for a single event, "[3]." in a list.
	Path string
	ID   uuid.UUID
	// Type must be a type that Declared accepts, and Data its payload.
	Type    string
	Source  string
	Subject string
	// Time is when it happened. The default is now.
	Time time.Time
	Data event.Payload
	// ClinicID and PersonID repeat ids of the data; nil if the envelope has none.
	ClinicID, PersonID *uuid.UUID
	// Traceparent is the W3C trace context in which it happened. The default is the request's.
	Traceparent string
}

// Service accepts events. It is safe for concurrent use.
type Service struct {
	writer *outbox.Writer
	now    func() time.Time
}

// New returns a service that uses a writer of the role carewire_app.
func New(writer *outbox.Writer) *Service {
	return &Service{writer: writer, now: time.Now}
}

// Source returns the source of a service account's events, or its prefix.
func Source(accountID uuid.UUID) string { return "/services/" + accountID.String() }

// Declared returns the declaration of a type that other systems may append. For any other type it
// returns care.Invalid about the field, with the allowed types.
func Declared(field, typ string) (*event.Declaration, error) {
	d, ok := event.Lookup(typ)
	if !ok || !d.External() {
		return nil, care.InvalidField(field, "must be a type that other systems may append: %s", strings.Join(event.ExternalTypes(), ", "))
	}
	return d, nil
}

// account is the service account that appends.
type account struct {
	id, clinicID uuid.UUID
}

// incoming is an event after the checks that need no database.
type incoming struct {
	Event
	event   event.Event
	parties parties
	digest  []byte
}

// parties are the ids of the people and the clinic in an event's data.
type parties struct {
	UserID   uuid.UUID  `json:"userId"`
	ClinicID uuid.UUID  `json:"clinicId"`
	DoctorID *uuid.UUID `json:"doctorId"`
}

// Append appends the events to the outbox in the given order, all or none. Only service accounts
// may append, at their own clinic; others get care.Forbidden, which is audited. It returns
// care.Invalid for a bad event, and care.Conflict if another event has the id. An event that was
// accepted before is accepted again, and appended once.
func (s *Service) Append(ctx context.Context, cmd care.Command, events []Event) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		by, err := authorize(cmd)
		if err != nil {
			return err
		}
		all, err := validate(cmd, by, events)
		if err != nil {
			return err
		}
		q := db.New(tx)
		fresh, err := accept(ctx, q, by, all)
		if err != nil {
			return err
		}
		if err := s.checkFresh(ctx, q, by, fresh); err != nil {
			return err
		}
		events := make([]event.Event, len(fresh))
		for i, in := range fresh {
			events[i] = in.event
		}
		return outbox.Append(ctx, tx, events...)
	})
}

func authorize(cmd care.Command) (account, error) {
	id, ok := cmd.Actor.ServiceAccount()
	clinics := cmd.Actor.ClinicsFor(care.EventAppend, care.SameClinic)
	if !ok || len(clinics) == 0 {
		return account{}, deny(cmd, "only service accounts of a clinic may append events: ask the clinic's administrator for one", nil)
	}
	return account{id, clinics[0]}, nil
}

// deny returns a denial with the clinic, which is nil if the actor must not learn it.
func deny(cmd care.Command, words string, clinicID *uuid.UUID) *outbox.DeniedError {
	refused := outbox.Deny(cmd, care.Errorf(care.Forbidden, "%s", words), care.EventAppend, care.Ref{}, nil, clinicID)
	refused.Event.Subject = "route/" + string(care.EventAppend)
	return refused
}

// validate does the checks that need no database, for all events and fields at once.
func validate(cmd care.Command, by account, events []Event) ([]incoming, error) {
	var p care.FieldErrors
	all := make([]incoming, 0, len(events))
	seen := map[uuid.UUID]bool{}
	for _, in := range events {
		if _, err := Declared(in.Path+"type", in.Type); err != nil {
			return nil, err
		}
		e := event.New(cmd, in.Type, care.Ref{}, in.Data)
		var ids parties
		if err := json.Unmarshal(e.Data, &ids); err != nil {
			return nil, fmt.Errorf("read the parties of %s: %w", in.Type, err)
		}
		if ids.ClinicID != by.clinicID {
			refused := deny(cmd, "a service account may only append events of its own clinic", &by.clinicID)
			refused.Answer.Fields = []care.FieldError{{Field: in.Path + "data.clinicId", Message: "must be the clinic of the service account"}}
			return nil, refused
		}
		checkEnvelope(&p, by, in, ids, e.Data)
		if seen[in.ID] {
			p.Add(in.Path+"id", "is a duplicate in the list: each event needs its own id")
		}
		seen[in.ID] = true
		digest, err := digestOf(by, in)
		if err != nil {
			return nil, err
		}
		all = append(all, incoming{in, newEvent(cmd, e, in, ids), ids, digest})
	}
	return all, p.Err()
}

// newEvent completes the event with the system's envelope.
func newEvent(cmd care.Command, e event.Event, in Event, ids parties) event.Event {
	e.ID, e.Source, e.Subject = in.ID, in.Source, in.Subject
	if !in.Time.IsZero() {
		e.Time = in.Time.UTC().Truncate(time.Microsecond)
	}
	if in.Traceparent != "" {
		e.Traceparent = &in.Traceparent
	}
	return e.About(cmd, ids.UserID, &ids.ClinicID)
}

func checkEnvelope(p *care.FieldErrors, by account, in Event, ids parties, data []byte) {
	if in.ID == uuid.Nil {
		p.Add(in.Path+"id", "must be a UUID other than the nil UUID")
	}
	part, ok := strings.CutPrefix(in.Source, Source(by.id))
	if !ok || !partPattern.MatchString(part) {
		p.Add(in.Path+"source", "must be %s, followed by at most three parts: each one of %s with a number of at most 4 digits or a UUID, as in %[1]s/ward-3",
			Source(by.id), strings.Join(Parts, ", "))
	}
	if things := allowedSubjects(data); things[in.Subject] == "" {
		p.Add(in.Path+"subject", "must be %s", strings.Join(slices.Sorted(maps.Values(things)), " or "))
	}
	if in.ClinicID != nil && *in.ClinicID != ids.ClinicID {
		p.Add(in.Path+"clinicid", "must be data.clinicId or absent")
	}
	if in.PersonID != nil && *in.PersonID != ids.UserID {
		p.Add(in.Path+"personid", "must be data.userId or absent")
	}
}

// allowedSubjects returns the possible subjects of an event with this data, each with its form.
// They are built from the ids of the data, so that a subject contains no free text.
func allowedSubjects(data []byte) map[string]string {
	var fields map[string]any
	_ = json.Unmarshal(data, &fields) // A payload's JSON is an object.
	things := map[string]string{}
	for name, value := range fields {
		thing, isID := strings.CutSuffix(name, "Id")
		if !isID || slices.Contains([]string{"user", "clinic", "doctor"}, thing) {
			continue
		}
		kind := capitalLetter.ReplaceAllStringFunc(thing, func(c string) string { return "_" + strings.ToLower(c) })
		things[fmt.Sprintf("%s/%v", kind, value)] = kind + "/<data." + name + ">"
	}
	return things
}

// digestOf returns the SHA-256 of the content that must be the same in a retry. A retry has its own
// trace.
func digestOf(by account, in Event) ([]byte, error) {
	content, err := json.Marshal([]any{by.id, in.Type, in.Source, in.Subject, in.Time.UTC().Truncate(time.Microsecond), in.Data})
	if err != nil {
		return nil, fmt.Errorf("digest event: %w", err)
	}
	sum := sha256.Sum256(content)
	return sum[:], nil
}

// accept records the events as accepted and returns the new ones. It waits for a concurrent
// transaction that accepts one of them.
func accept(ctx context.Context, q *db.Queries, by account, all []incoming) ([]incoming, error) {
	p := db.AcceptedEventInsertManyParams{ServiceAccountID: by.id}
	for _, in := range all {
		p.EventIds, p.Digests = append(p.EventIds, in.ID), append(p.Digests, in.digest)
	}
	added, err := q.AcceptedEventInsertMany(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("note accepted events: %w", err)
	}
	if err := checkRepeated(ctx, q, by, all, added); err != nil {
		return nil, err
	}
	// The sequencer would drop an event with an id that carewire itself has assigned.
	known, err := q.EventKnown(ctx, added)
	if err != nil {
		return nil, fmt.Errorf("look for events: %w", err)
	}
	var fresh []incoming
	for _, in := range all {
		switch {
		case slices.Contains(known, in.ID):
			return nil, idConflict(in)
		case slices.Contains(added, in.ID):
			fresh = append(fresh, in)
		}
	}
	return fresh, nil
}

// checkRepeated returns a conflict for an id that was accepted with other content, or from another
// system.
func checkRepeated(ctx context.Context, q *db.Queries, by account, all []incoming, added []uuid.UUID) error {
	if len(added) == len(all) {
		return nil
	}
	var repeated []uuid.UUID
	for _, in := range all {
		if !slices.Contains(added, in.ID) {
			repeated = append(repeated, in.ID)
		}
	}
	before, err := q.AcceptedEventList(ctx, repeated)
	if err != nil {
		return fmt.Errorf("read accepted events: %w", err)
	}
	for _, in := range all {
		for _, row := range before {
			if row.EventID == in.ID && (row.ServiceAccountID != by.id || !slices.Equal(row.Digest, in.digest)) {
				return idConflict(in)
			}
		}
	}
	return nil
}

// checkFresh checks the time of new events, and the roles of their people at the clinic. It skips
// events that were accepted before: a retry remains valid.
func (s *Service) checkFresh(ctx context.Context, q *db.Queries, by account, fresh []incoming) error {
	ids := []uuid.UUID{}
	for _, in := range fresh {
		ids = append(ids, in.parties.UserID)
		if in.parties.DoctorID != nil {
			ids = append(ids, *in.parties.DoctorID)
		}
	}
	rows, err := q.MembershipListAt(ctx, db.MembershipListAtParams{ClinicID: &by.clinicID, UserIds: ids})
	if err != nil {
		return fmt.Errorf("read memberships: %w", err)
	}
	holds := func(id uuid.UUID, role care.Role) bool {
		return slices.ContainsFunc(rows, func(m db.MembershipListAtRow) bool {
			return m.UserID == id && care.Role(m.Role) == cmp.Or(role, care.Role(m.Role))
		})
	}
	var p care.FieldErrors
	for _, in := range fresh {
		s.checkTime(&p, in)
		if !holds(in.parties.UserID, "") {
			p.Add(in.Path+"data.userId", "has no role at the clinic")
		}
		if id := in.parties.DoctorID; id != nil && !holds(*id, care.Doctor) {
			p.Add(in.Path+"data.doctorId", "is not a doctor of the clinic")
		}
	}
	return p.Err()
}

func (s *Service) checkTime(p *care.FieldErrors, in incoming) {
	if in.Time.IsZero() {
		return
	}
	switch age := s.now().Sub(in.Time); {
	case age < -maxAhead:
		p.Add(in.Path+"time", "is in the future; check the clock")
	case age > maxAge:
		p.Add(in.Path+"time", "is more than %d days ago: rules would treat it as new", int(maxAge.Hours()/24))
	}
}

func idConflict(in incoming) error {
	refused := care.Errorf(care.Conflict, "the id was used for another event")
	refused.Fields = []care.FieldError{{Field: in.Path + "id", Message: "was used for an event with other content: each event needs its own id, and a retry must be unchanged"}}
	return refused
}
