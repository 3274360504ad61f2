package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/notify"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// never is the directory's value for a missing time.
var never = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC)

// directoryQuery collects the parameters of the directory's queries for a batch, without
// duplicates.
type directoryQuery struct {
	params   db.PlanningDirectoryParams
	users    map[uuid.UUID]bool
	clinics  map[uuid.UUID]bool
	roleKeys map[rule.RoleKey]bool
	// teams are the indexes of the care teams in params, by clinic and patient.
	teams         map[[2]uuid.UUID]int
	conversations map[uuid.UUID]bool
	// records are the records whose events report that they were held.
	records []uuid.UUID
}

// loadPeople returns the people for a batch. It runs two queries, and one more if events are about
// records that were held. Holders of a role and members of a care team are in the order of their
// ids.
func loadPeople(ctx context.Context, queries *db.Queries, all []matched, now time.Time) (*rule.People, error) {
	ask := directoryQuery{
		users: map[uuid.UUID]bool{}, clinics: map[uuid.UUID]bool{}, roleKeys: map[rule.RoleKey]bool{}, teams: map[[2]uuid.UUID]int{}, conversations: map[uuid.UUID]bool{},
	}
	for i := range all {
		ask.add(&all[i])
	}
	found := &rule.People{
		Now:  now,
		ByID: map[uuid.UUID]*rule.Person{}, Holders: map[rule.RoleKey][]uuid.UUID{}, Members: map[rule.Team][]uuid.UUID{}, Held: map[string]time.Time{},
	}
	if len(ask.users)+len(ask.roleKeys)+len(ask.teams) == 0 {
		return found, nil
	}
	rows, err := queries.PlanningDirectory(ctx, ask.params)
	if err != nil {
		return nil, fmt.Errorf("look up recipients: %w", err)
	}
	if err = loadDefaults(ctx, queries, ask.params.EventClinicIds, found); err != nil {
		return nil, err
	}
	for _, row := range rows {
		settings, quiet, err := preferences(row)
		if err != nil {
			return nil, err
		}
		found.ByID[row.ID] = &rule.Person{
			Active: row.Active, Deceased: row.Deceased, HasNoEmail: row.Email == "none", EmailVerified: row.Email == "verified", HasPhone: row.Phone != "none", PhoneVerified: row.Phone == "verified",
			HasWhatsApp: row.Whatsapp != "none", WhatsAppVerified: row.Whatsapp == "verified", HasDevice: row.Devices != "none",
			Settings: settings, QuietHours: quiet, TimeZone: row.TimeZone, DigestHour: int(row.DigestHour),
			RoleKeys: row.Posts, Teams: row.Teams, Conversations: row.Conversations, Suppressed: suppressed(row),
		}
		for _, key := range row.Posts { // In the form of rule.RoleKeyOf.
			if ask.roleKeys[rule.RoleKey(key)] {
				found.Holders[rule.RoleKey(key)] = append(found.Holders[rule.RoleKey(key)], row.ID)
			}
		}
		for _, team := range row.Teams {
			found.Members[rule.Team(team)] = append(found.Members[rule.Team(team)], row.ID)
		}
	}
	return found, held(ctx, queries, all, ask.records, found.Held)
}

// add adds the recipients in the rules that match an event, and the data that decides whether they
// may read it.
func (q *directoryQuery) add(m *matched) {
	for _, match := range m.matches {
		for _, r := range match.Recipients {
			switch {
			case r.UserID != uuid.Nil && !q.users[r.UserID]:
				q.users[r.UserID] = true
				q.params.UserIds = append(q.params.UserIds, r.UserID)
			case r.CareTeam:
				q.team(m.event, true)
			}
		}
	}
	for _, key := range m.roleKeys() {
		if !q.roleKeys[key] {
			q.roleKeys[key] = true
			clinic, role, _ := strings.Cut(string(key), "/")
			q.params.ClinicIds = append(q.params.ClinicIds, uuid.MustParse(clinic))
			q.params.Roles = append(q.params.Roles, role)
		}
	}
	e := m.event
	if e.ClinicID != nil && !q.clinics[*e.ClinicID] {
		q.clinics[*e.ClinicID] = true
		q.params.EventClinicIds = append(q.params.EventClinicIds, *e.ClinicID)
	}
	d, ok := event.Lookup(e.Type)
	if !ok {
		return
	}
	if d.ReadAction() == care.RecordRead {
		q.team(e, d.Critical())
		if m.matches[0].Held() {
			q.record(e)
		}
	}
	if id, ok := rule.ConversationIn(e); ok && !q.conversations[id] {
		q.conversations[id] = true
		q.params.ConversationIds = append(q.params.ConversationIds, id)
	}
}

// record adds the event's record, to find out whether it is still held.
func (q *directoryQuery) record(e *event.Event) {
	if id, ok := event.SubjectID(e.Subject); ok && !slices.Contains(q.records, id) {
		q.records = append(q.records, id)
	}
}

// team adds the care team of the event's person. members also loads its members that are not
// selected otherwise.
func (q *directoryQuery) team(e *event.Event, members bool) {
	if e.ClinicID == nil || e.PersonID == nil {
		return
	}
	team := [2]uuid.UUID{*e.ClinicID, *e.PersonID}
	at, asked := q.teams[team]
	if !asked {
		at = len(q.params.TeamTold)
		q.teams[team] = at
		q.params.TeamClinicIds = append(q.params.TeamClinicIds, *e.ClinicID)
		q.params.TeamPatientIds = append(q.params.TeamPatientIds, *e.PersonID)
		q.params.TeamTold = append(q.params.TeamTold, false)
	}
	q.params.TeamTold[at] = q.params.TeamTold[at] || members
}

// held adds the times until which records are held from their patients, by the subjects of the
// events.
func held(ctx context.Context, queries *db.Queries, all []matched, records []uuid.UUID, until map[string]time.Time) error {
	if len(records) == 0 {
		return nil
	}
	rows, err := queries.RecordHolds(ctx, records)
	if err != nil {
		return fmt.Errorf("look up held records: %w", err)
	}
	byID := make(map[string]time.Time, len(rows))
	for _, row := range rows {
		if row.HeldUntil.After(never) {
			byID[row.ID.String()] = row.HeldUntil
		}
	}
	for _, m := range all {
		if _, id, _ := strings.Cut(m.event.Subject, "/"); !byID[id].IsZero() {
			until[m.event.Subject] = byID[id]
		}
	}
	return nil
}

// suppressed returns why addresses of the person get no messages, or nil.
func suppressed(row db.PlanningDirectoryRow) (all map[care.AddressKind]string) {
	for kind, state := range map[care.AddressKind]string{care.AddressEmail: row.Email, care.AddressPhone: row.Phone, care.AddressWhatsApp: row.Whatsapp} {
		if reason, ok := strings.CutPrefix(state, notify.SuppressedPrefix); ok {
			if all == nil {
				all = map[care.AddressKind]string{}
			}
			all[kind] = reason
		}
	}
	return all
}
