package modeltest

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// TestModel_AgreesWithTheServiceOnRandomActions runs for some seconds, or CAREWIRE_MODEL_CHECKS
// rapid.checks. A failure is shrunk and printed with the seed that reproduces it (-rapid.seed).
func TestModel_AgreesWithTheServiceOnRandomActions(t *testing.T) {
	require.NoError(t, flag.Set("rapid.checks", checks()))
	require.NoError(t, flag.Set("rapid.steps", "150"))
	require.NoError(t, flag.Set("rapid.nofailfile", "true"))
	s := start(t)
	rapid.Check(t, func(t *rapid.T) {
		w := s.newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"write a record": w.writeRecord, "replace a record": w.replaceRecord, "amend a record": w.amendRecord,
			"retract a record": w.retractRecord, "acknowledge a record": w.acknowledgeRecord, "read a record": w.readRecord, "read a history": w.readHistory,
			"make an appointment": w.makeAppointment, "move an appointment": w.moveAppointment, "reschedule an appointment": w.rescheduleAppointment,
			"read an appointment": w.readAppointment, "reassign an appointment": w.reassignAppointment,
			"issue an invoice": w.issueInvoice, "void an invoice": w.voidInvoice, "pay": w.pay, "refund": w.refund, "read an invoice": w.readInvoice,
			"credit": w.creditInvoice, "read a statement": w.readStatement,
			"register a person": w.registerPerson, "rename a person": w.renamePerson, "grant a role": w.grantRole, "revoke a role": w.revokeRole,
			"join a care team": w.joinTeam, "come back": w.comeBack, "register a device": w.registerDevice, "remove a device": w.removeDevice,
		})
		w.compareLedger(t)
	})
}

// person is a user with their roles at the clinic.
type person struct {
	name, email, token string
	id                 uuid.UUID
	at                 uuid.UUID
	version            int64
	roles              map[care.Role]string // To the membership's subject.
	patient            bool                 // Is or was a patient.
}

// GoString shortens the value where rapid prints draws; so do the GoString methods of other types.
func (p *person) GoString() string { return p.name }

func (p *person) holds(roles ...care.Role) bool {
	return slices.ContainsFunc(roles, func(r care.Role) bool { _, ok := p.roles[r]; return ok })
}

// told is an event that the model expects. A subject that ends with a slash has an ID that the
// service chooses.
type told struct {
	typ, subject string
	version      int64 // 0: it makes no version.
}

// world is the model of one run, with the service under test.
type world struct {
	*service
	clinic, elsewhere uuid.UUID
	people            []*person
	team              map[[2]uuid.UUID]bool // Patient and member.
	records           []*record
	appointments      []*visit
	invoices          []*invoice
	payments          []*payment
	devices           []*device
	// doubled are the addresses of people unknown to the clinic who were registered a second time.
	doubled map[string]bool

	monday time.Time // Start of the slots.
	made   int       // A counter for unique names.
	// history has the events of each subject in order.
	history map[string][]told
	// signedIn has the subjects of the people whose token was seen.
	signedIn map[string]bool
	// appended is the outbox's last row that was compared; begin is the ledger's last position before
	// the run.
	appended, begin int64
}

func (s *service) newWorld(t *rapid.T) *world {
	s.runs++
	w := &world{
		service: s, team: map[[2]uuid.UUID]bool{}, history: map[string][]told{}, signedIn: map[string]bool{}, doubled: map[string]bool{},
		monday: time.Now().UTC().Truncate(time.Hour).Add(48 * time.Hour),
	}
	w.clinic, w.elsewhere = s.newClinic(t), s.newClinic(t)
	w.seed(t, "doctor 1", w.clinic, care.Doctor)
	w.seed(t, "doctor 2", w.clinic, care.Doctor, care.Receptionist)
	w.seed(t, "nurse", w.clinic, care.Nurse, care.Receptionist) // A person who loses one role stays.
	w.seed(t, "receptionist", w.clinic, care.Receptionist)
	w.seed(t, "admin", w.clinic, care.Admin)
	w.seed(t, "patient 1", w.clinic, care.Patient)
	w.seed(t, "patient 2", w.clinic, care.Patient)
	w.seed(t, "stranger", w.elsewhere, care.Doctor, care.Receptionist, care.Admin)
	w.sequence(t)
	w.history = map[string][]told{} // The run starts here.
	return w
}

func (w *world) email(name string) string {
	return fmt.Sprintf("%s@run%d.example", strings.ReplaceAll(name, " ", ""), w.runs)
}

func (w *world) seed(t *rapid.T, name string, clinic uuid.UUID, roles ...care.Role) {
	t.Helper()
	ctx := context.Background()
	u, err := w.directory.CreateUser(ctx, seeder, directory.NewUser{Email: w.email(name), EmailVerified: true, GivenName: name, FamilyName: "Model", ClinicID: clinic, Roles: roles})
	require.NoError(t, err)
	p := &person{name: name, email: w.email(name), token: w.token(t, w.email(name)), id: u.ID, at: clinic, version: 1, roles: map[care.Role]string{}, patient: slices.Contains(roles, care.Patient)}
	for _, role := range roles {
		var id uuid.UUID
		require.NoError(t, w.db.Owner.QueryRow(ctx, `SELECT id FROM memberships WHERE user_id = $1 AND role = $2`, u.ID, string(role)).Scan(&id))
		p.roles[role] = "membership/" + id.String()
	}
	w.people = append(w.people, p)
}

// may looks up the access table for a resource of the clinic, to which the person has the
// relations.
func (w *world) may(p *person, action care.Action, relations ...care.Relation) bool {
	if p.at != w.clinic {
		return false
	}
	for role := range p.roles {
		if slices.ContainsFunc(relations, func(r care.Relation) bool { return care.Allowed(action, role, r) }) {
			return true
		}
	}
	return false
}

// draw returns a person, mostly one who is suitable. Rare choices are at the end of the range: the
// generator prefers small values, and shrinks to them.
func (w *world) draw(t *rapid.T, label string, fits func(p *person) bool) *person {
	fit := slices.DeleteFunc(slices.Clone(w.people), func(p *person) bool { return !fits(p) })
	if len(fit) == 0 || rarely(t, 4, "any person as "+label) {
		fit = w.people
	}
	return rapid.SampledFrom(fit).Draw(t, label)
}

// rarely returns true at most once in that many times.
func rarely(t *rapid.T, times int, label string) bool {
	return rapid.IntRange(1, times).Draw(t, label) == times
}

// somebody draws the actor, mostly one with one of the roles.
func (w *world) somebody(t *rapid.T, roles ...care.Role) *person {
	return w.draw(t, "actor", func(p *person) bool { return p.at == w.clinic && p.holds(roles...) })
}

// named draws the person that a request names, mostly one with the role.
func (w *world) named(t *rapid.T, role care.Role) *person {
	return w.draw(t, string(role), func(p *person) bool { return w.is(p, role) })
}

// is reports whether the person has the role at the clinic.
func (w *world) is(p *person, role care.Role) bool { return p.at == w.clinic && p.holds(role) }

// one draws an element, or skips the step if there is none.
func one[T any](t *rapid.T, all []T, label string) T {
	if len(all) == 0 {
		t.Skip("there is none yet")
	}
	return rapid.SampledFrom(all).Draw(t, label)
}

// ifMatch draws the version of a request, mostly the current one.
func ifMatch(t *rapid.T, version int64) int64 {
	switch rapid.IntRange(1, 10).Draw(t, "version: future at 9, old at 10") {
	case 9:
		return version + 1
	case 10:
		return max(1, version-1)
	default:
		return version
	}
}

// expect compares a response's status and the events appended since. It returns their subjects.
func (w *world) expect(t *rapid.T, a answer, status int, events ...told) []string {
	t.Helper()
	require.Equal(t, status, a.status, "%s", a.raw)
	return w.expectEvents(t, events...)
}

// expectVersion also compares the version of a response, if it has one.
func (w *world) expectVersion(t *rapid.T, a answer, status int, version int64, events ...told) {
	t.Helper()
	require.Equal(t, version, a.version, "the ETag: %s", a.raw)
	w.expect(t, a, status, events...)
}

// refused compares an error response. Only a denied access appends an event.
func (w *world) refused(t *rapid.T, a answer, status int, subject string) {
	t.Helper()
	switch status {
	case 403, 404:
		w.expect(t, a, status, told{typ: "access.denied", subject: subject})
	default:
		w.expect(t, a, status)
	}
	require.NotEmpty(t, a.text("detail"))
}

// expectEvents compares the outbox's new rows with the model, and adds them to its history.
func (w *world) expectEvents(t *rapid.T, events ...told) []string {
	t.Helper()
	got, last := w.newRows(t)
	w.appended = last
	require.Len(t, got, len(events), "%v was appended", got)
	for _, all := range [][]told{got, events} {
		// Removals from care teams come last, in any order.
		if left := slices.IndexFunc(all, func(e told) bool { return e.typ == "care_team.left" }); left >= 0 {
			slices.SortFunc(all[left:], func(a, b told) int { return strings.Compare(a.subject, b.subject) })
		}
	}
	subjects := make([]string, len(events))
	for i, want := range events {
		if strings.HasSuffix(want.subject, "/") {
			require.True(t, strings.HasPrefix(got[i].subject, want.subject), "%v, not %v", got[i], want)
			want.subject = got[i].subject
		}
		require.Equal(t, want, got[i])
		subjects[i] = want.subject
		w.history[want.subject] = append(w.history[want.subject], want)
	}
	return subjects
}

// newRows reads the outbox after the last row that was compared. No sequencer runs at the time. The
// sign-in of a person, which comes before the other events of their first request, goes to the
// history at once.
func (w *world) newRows(t *rapid.T) (rows []told, last int64) {
	t.Helper()
	last = w.appended
	found, err := w.db.Owner.Query(context.Background(), `SELECT id, type, subject, coalesce(subject_version, 0) FROM outbox WHERE id > $1 ORDER BY id`, w.appended)
	require.NoError(t, err)
	defer found.Close()
	for found.Next() {
		var row told
		require.NoError(t, found.Scan(&last, &row.typ, &row.subject, &row.version))
		if row.typ == "user.signed_in" {
			require.False(t, w.signedIn[row.subject], "%s signs in a second time", row.subject)
			require.Empty(t, rows, "%s signs in after other events of the request", row.subject)
			w.signedIn[row.subject] = true
			w.history[row.subject] = append(w.history[row.subject], row)
			continue
		}
		rows = append(rows, row)
	}
	require.NoError(t, found.Err())
	return rows, last
}

// sequence moves all appended events into the ledger, and records the last position.
func (w *world) sequence(t *rapid.T) {
	t.Helper()
	for {
		moved, err := w.sequencer.Step(context.Background())
		require.NoError(t, err)
		if moved == 0 {
			break
		}
	}
	require.NoError(t, w.db.Owner.QueryRow(context.Background(), `SELECT coalesce(max(position), 0) FROM events`).Scan(&w.begin))
}

// compareLedger compares the ledger's events of each subject with the model: every event, in order,
// and no other.
func (w *world) compareLedger(t *rapid.T) {
	t.Helper()
	begin, events := w.begin, 0
	w.sequence(t)
	rows, err := w.db.Owner.Query(context.Background(), `SELECT position, type, subject, coalesce(subject_version, 0) FROM events WHERE position > $1 ORDER BY position`, begin)
	require.NoError(t, err)
	defer rows.Close()
	ledgers := map[string][]told{}
	for rows.Next() {
		var e told
		var position int64
		require.NoError(t, rows.Scan(&position, &e.typ, &e.subject, &e.version))
		events++
		require.Equal(t, begin+int64(events), position, "positions are contiguous")
		ledgers[e.subject] = append(ledgers[e.subject], e)
	}
	require.NoError(t, rows.Err())
	require.ElementsMatch(t, slices.Collect(maps.Keys(w.history)), slices.Collect(maps.Keys(ledgers)))
	for subject, want := range w.history {
		require.Equal(t, want, ledgers[subject])
	}
	w.compareVersions(t, ledgers)
}

// compareVersions compares the versions: without a gap from 1, or from the version at the start of
// the run.
func (w *world) compareVersions(t *rapid.T, ledgers map[string][]told) {
	t.Helper()
	for subject, events := range ledgers {
		next := int64(1)
		if strings.HasPrefix(subject, "user/") || strings.HasPrefix(subject, "membership/") {
			next = 0 // Some versions existed before the run.
		}
		for _, e := range events {
			if e.version == 0 {
				continue
			}
			if next != 0 {
				require.Equal(t, next, e.version, "%s: %v", subject, events)
			}
			next = e.version + 1
		}
	}
}

// checks returns the number of runs of a test.
func checks() string {
	if n := os.Getenv("CAREWIRE_MODEL_CHECKS"); n != "" {
		return n
	}
	return "12"
}
