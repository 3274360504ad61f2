package e2e_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/e2e/simulation"
	"carewire/internal/sandbox"
)

// The size of the simulation. `make simulate` runs a month of 300 people.
var (
	simulatedPeople = flag.Int("simulate.people", 18, "people of the simulation")
	simulatedDays   = flag.Int("simulate.days", 2, "days in which they act")
	simulatedSeed   = flag.Uint64("simulate.seed", 1, "seed of what they do")
)

// simulatedRules are in force in the simulation; modelRules are the same for the model.
const simulatedRules = `rules:
  - name: appointment
    on: appointment.*
    when: event.type in ["appointment.booked", "appointment.rescheduled", "appointment.cancelled"]
    recipients: [{user: data.userId}]
    channels: [push, email]
    throttle: {max: 2, per: 23h47m}
  - name: reminder
    on: appointment.*
    when: event.type in ["appointment.booked", "appointment.rescheduled"]
    recipients: [{user: data.userId}]
    channels: [push, email]
    template: appointment_reminder
    schedule:
      - {at: data.startsAt, before: 24h}
      - {at: data.startsAt, before: 1h}
      - {at: data.startsAt, before: 48h, zone: person, between: "08:00-20:00"}
  - name: invoice
    on: billing.invoice_issued
    recipients: [{user: data.userId}]
    channels: [push, email]
  - name: invoice-reminder
    on: billing.invoice_issued
    recipients: [{user: data.userId}]
    channels: [email]
    template: invoice_reminder
    schedule:
      - {at: data.dueOn, before: 3d}
      - {at: data.dueOn, after: 1d}
      - {at: data.dueOn, after: 7d}
  - name: report
    on: ehr.lab_report.created
    when: data.released && !data.critical
    recipients: [{user: data.userId}]
    channels: [push, email]
    digest: {window: 2h13m, key: [recipient, category], channels: [email]}
  - name: critical
    on: ehr.*.critical
    recipients: [{user: data.doctorId}]
    channels: [push, email]
    priority: critical
    template: critical_result
    escalate:
      - {after: 5m, unless: acknowledged, to: {role: [doctor]}, channels: [push]}
      - {after: 10m, unless: acknowledged, to: {role: [doctor]}, channels: [email]}
`

func modelRules() []simulation.Rule {
	both := []string{"push", "email"}
	return []simulation.Rule{
		{
			Name: "appointment", Category: "appointment", Channels: both, Max: 2, Per: 23*time.Hour + 47*time.Minute,
			Types: []string{"appointment.booked", "appointment.rescheduled", "appointment.cancelled"},
		},
		{Name: "reminder", Category: "appointment", Channels: both, Types: []string{"appointment.booked", "appointment.rescheduled"}, Times: []simulation.Time{
			{Label: "24h-before-startsAt", Before: 24 * time.Hour},
			{Label: "1h-before-startsAt", Before: time.Hour},
			{Label: "48h-before-startsAt", Before: 48 * time.Hour, Earliest: 8 * 60, Latest: 20 * 60},
		}},
		{Name: "invoice", Category: "billing", Channels: both, Types: []string{"billing.invoice_issued"}},
		{Name: "invoice-reminder", Category: "billing", Channels: []string{"email"}, Types: []string{"billing.invoice_issued"}, Times: []simulation.Time{
			{Label: "3d-before-dueOn", Days: -3}, {Label: "1d-after-dueOn", Days: 1}, {Label: "7d-after-dueOn", Days: 7},
		}},
		{
			Name: "report", Category: "clinical", Channels: both, Types: []string{"ehr.lab_report.created"},
			Window: 2*time.Hour + 13*time.Minute, DigestChannels: []string{"email"},
		},
		{Name: "critical", Critical: true, Channels: both, Types: []string{"ehr.lab_report.critical"}, Steps: []simulation.Step{
			{After: 5 * time.Minute, Channels: []string{"push"}}, {After: 10 * time.Minute, Channels: []string{"email"}},
		}},
	}
}

// simulatedZones are the time zones of people; two of them change their clocks in each direction during the month.
var simulatedZones = []string{"Europe/Berlin", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "America/Sao_Paulo", "America/St_Johns"}

// month is a running simulation.
type month struct {
	*clinic
	providers []*provider
	received  []*sandbox.Sandbox
	random    *rand.Rand
	world     simulation.World
	clinics   []*simulatedClinic
	patients  []*simulatedPatient
	// moves are the moves of the clock, in their order: from a real time on, it is ahead by so much.
	moves []move
	stops map[time.Time][]func()
	// out counts the outages of now, by channel.
	out map[string]int

	mu sync.Mutex // protects what actions record
}

type move struct {
	at    time.Time
	ahead time.Duration
}

type simulatedClinic struct {
	id, receptionist, admin string
	zone                    *time.Location
	// doctors are email addresses, by id.
	doctors map[string]string
	booked  map[string]bool
}

// simulatedPatient is a person with what is open about them.
type simulatedPatient struct {
	id, email    string
	clinic       *simulatedClinic
	appointments []*resource
	invoices     []*resource
	reports      []*resource
}

// resource is something that was created and can be changed.
type resource struct {
	path, etag, doctor string
	startsAt           time.Time
	amount             int
}

func TestSimulation_EverybodyIsToldWhatTheyShouldBeAndNothingElse(t *testing.T) {
	t.Parallel()
	m := newMonth(t)
	begin := m.begin()
	m.seed(begin)
	m.advanceTo(begin)
	m.schedule(begin)
	for _, at := range slices.SortedFunc(maps.Keys(m.stops), time.Time.Compare) {
		m.stop(at)
	}
	until := m.advanceToTheEnd()
	m.finish()
	m.requireLedgerIsSound()

	told := m.told()
	require.Equal(t, 0, m.query(`SELECT count(*) FROM notifications WHERE due_at IS NOT NULL`), "nothing waits any more")
	differences := simulation.Check(&m.world, told, until)
	t.Logf("%d events, %d deliveries and %d digests of %d people between %s and %s; what should have become of each message:\n%s", len(m.world.Events),
		len(told.Deliveries), len(told.Digests), len(m.patients), begin.Format(time.RFC3339), until.Format(time.RFC3339), simulation.Summary(&m.world, until))
	for _, d := range differences[:min(40, len(differences))] {
		t.Log(d)
	}
	require.Empty(t, differences, "repeat with -simulate.seed %d", *simulatedSeed)
}

// newMonth starts three instances with providers that outlive them.
func newMonth(t *testing.T) *month {
	t.Helper()
	pushes := sandbox.New()
	server := httptest.NewServer(pushes.Providers())
	t.Cleanup(server.Close)
	account, err := pushes.ServiceAccount("clinic", server.URL)
	require.NoError(t, err)
	dir := t.TempDir()
	key, file := filepath.Join(dir, "account.json"), filepath.Join(dir, "providers.yaml")
	require.NoError(t, os.WriteFile(key, account, 0o600))
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "push:\n  - {name: fcm, kind: fcm, project: clinic, credentials: {file: %s}, endpoint: %q}\n", key, server.URL), 0o600))
	c, providers, emails := openProduction(t, "CAREWIRE_PROVIDERS="+file)
	m := &month{
		clinic: c, providers: providers, received: []*sandbox.Sandbox{pushes, emails}, random: rand.New(rand.NewPCG(*simulatedSeed, 13)),
		stops: map[time.Time][]func(){}, out: map[string]int{},
		world: simulation.World{Clinics: map[string]*simulation.Clinic{}, People: map[string]*simulation.Person{}, Rules: modelRules(), Acknowledged: map[string]time.Time{}},
	}
	m.publishRules(simulatedRules)
	return m
}

// begin returns when the simulation begins: before the next change of the clocks to daylight-saving time in Europe, which is a week
// before the end of that of the southern hemisphere.
func (m *month) begin() time.Time {
	now := time.Now().UTC()
	for year := now.Year(); ; year++ {
		sunday := time.Date(year, time.March, 31, 0, 0, 0, 0, time.UTC)
		for sunday.Weekday() != time.Sunday {
			sunday = sunday.AddDate(0, 0, -1)
		}
		if begin := sunday.AddDate(0, 0, -min(20, *simulatedDays*2/3)); begin.After(now.AddDate(0, 0, 2)) {
			return begin
		}
	}
}

// pick returns one of the values.
func pick[T any](random *rand.Rand, all []T) T { return all[random.IntN(len(all))] }

// seed adds the clinics' people, with addresses and devices, and the defaults of one clinic.
func (m *month) seed(begin time.Time) {
	for i, domain := range []string{"demo.example", "other.example"} {
		_, id := m.me("admin@" + domain)
		zone, err := time.LoadLocation([]string{"Europe/Berlin", "America/New_York"}[i])
		require.NoError(m.t, err)
		c := &simulatedClinic{id: id, receptionist: "receptionist@" + domain, admin: "admin@" + domain, zone: zone, doctors: map[string]string{}, booked: map[string]bool{}}
		world := &simulation.Clinic{Zone: zone, Settings: map[simulation.Setting]string{}}
		for d := range 3 {
			email := fmt.Sprintf("simulated-doctor%d@%s", d, domain)
			doctor := m.person(email, "doctor", id)
			c.doctors[doctor] = email
		}
		// The demo's doctor is one of the clinic's, too.
		doctor, _ := m.me("doctor@" + domain)
		m.device(doctor)
		c.doctors[doctor] = "doctor@" + domain
		world.Doctors = slices.Sorted(maps.Keys(c.doctors))
		m.clinics, m.world.Clinics[id] = append(m.clinics, c), world
	}
	other := m.clinics[1]
	m.must(other.admin, http.MethodPut, "/api/clinics/"+other.id+"/notification-defaults", map[string]any{
		"items":      []any{map[string]any{"category": "billing", "channel": "email", "setting": "digest"}},
		"essential":  []string{"appointment"},
		"quietHours": []any{map[string]any{"from": "21:30", "to": "07:00"}},
	}, "If-Match", m.etag(other.admin, "/api/clinics/"+other.id+"/notification-defaults"))
	world := m.world.Clinics[other.id]
	world.Settings[simulation.Setting{Category: "billing", Channel: "email"}] = "digest"
	world.Essential = []string{"appointment"}
	world.Quiet = []simulation.Window{{From: 21*60 + 30, To: 7 * 60}}

	for i := range *simulatedPeople {
		p := &simulatedPatient{email: fmt.Sprintf("simulated%d@people.example", i), clinic: m.clinics[i%2]}
		p.id = m.person(p.email, "patient", p.clinic.id)
		m.patients = append(m.patients, p)
		m.world.People[p.id] = &simulation.Person{Clinic: p.clinic.id}
		m.choose(p, m.random)
		m.world.People[p.id].Changes[0].At = begin.AddDate(-1, 0, 0)
	}
}

// person adds a person of a clinic with a verified address and a device, and with doctors who care for them.
func (m *month) person(email, role, clinicID string) string {
	m.t.Helper()
	id := uuid.NewString()
	_, err := m.db.Owner.Exec(m.t.Context(), `INSERT INTO users (id, version, email, email_verified, given_name, family_name) VALUES ($1, 0, $2, true, 'A', 'B')`, id, email)
	require.NoError(m.t, err)
	_, err = m.db.Owner.Exec(m.t.Context(), `INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, $2, $3)`, id, clinicID, role)
	require.NoError(m.t, err)
	m.device(id)
	if role == "patient" {
		_, err = m.db.Owner.Exec(m.t.Context(), `INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT $1, $2, user_id FROM memberships WHERE clinic_id = $2 AND role = 'doctor' AND revoked_at IS NULL`, id, clinicID)
		require.NoError(m.t, err)
	}
	return id
}

// device registers a device of the person unless there is one.
func (m *month) device(person string) {
	m.t.Helper()
	_, err := m.db.Owner.Exec(m.t.Context(), `INSERT INTO devices (id, user_id, platform, token)
		SELECT gen_random_uuid(), $1, 'android', $2 WHERE NOT EXISTS (SELECT FROM devices WHERE user_id = $1)`, person, "simulated-"+person)
	require.NoError(m.t, err)
}

// must sends a request until an instance answers it, and requires success. A repeated POST has the same key, so that it is done once.
func (m *month) must(as, method, path string, body any, headers ...string) answer {
	m.t.Helper()
	headers = append(slices.Clone(headers), "Idempotency-Key", uuid.NewString())
	var a answer
	var err error
	m.within(2*patience, method+" "+path, func() bool { // Another instance answers, or the same once it runs again.
		a, err = m.try(m.api.url(), as, method, path, body, headers...)
		return err == nil && a.status < http.StatusInternalServerError
	})
	require.Less(m.t, a.status, 300, "%s %s as %s: %s", method, path, as, a.body)
	return a
}

func (m *month) etag(as, path string) string {
	m.t.Helper()
	return m.must(as, http.MethodGet, path, nil).header.Get("ETag")
}

// moved returns the moved clock at a real time.
func (m *month) moved(at time.Time) time.Time {
	ahead := time.Duration(0)
	for _, mv := range m.moves {
		if mv.at.After(at) {
			break
		}
		ahead = mv.ahead
	}
	return at.Add(ahead).UTC()
}

func (m *month) now() time.Time { return m.moved(time.Now()) }

// moveTo moves the clock of what is due, as the sandbox of a demo does.
func (m *month) moveTo(at time.Time) {
	m.t.Helper()
	by := at.Sub(m.now())
	if by <= 0 {
		return
	}
	var ahead float64
	require.NoError(m.t, m.db.Owner.QueryRow(m.t.Context(), `
		UPDATE due_clock SET ahead = ahead + make_interval(secs => $1) RETURNING extract(epoch FROM ahead)::double precision`, by.Seconds()).Scan(&ahead))
	m.moves = append(m.moves, move{time.Now(), time.Duration(ahead * float64(time.Second))})
	_, err := m.db.Owner.Exec(m.t.Context(), `SELECT pg_notify('carewire_ledger', '')`)
	require.NoError(m.t, err)
}

// advanceTo moves the clock to a time, and stops on the way whenever something is due.
func (m *month) advanceTo(at time.Time) {
	m.t.Helper()
	for {
		next, ok := m.nextDue()
		if !ok || next.Add(time.Second).After(at) {
			break
		}
		m.moveTo(next.Add(time.Second))
		m.settle()
	}
	m.moveTo(at)
	m.settle()
}

// advanceToTheEnd moves the clock until nothing is due any more.
func (m *month) advanceToTheEnd() time.Time {
	m.t.Helper()
	for {
		next, ok := m.nextDue()
		if !ok {
			return m.now()
		}
		m.moveTo(next.Add(time.Second))
		m.settle()
	}
}

// nextDue returns the next time at which something is due.
func (m *month) nextDue() (time.Time, bool) {
	m.t.Helper()
	var next *time.Time
	require.NoError(m.t, m.db.Owner.QueryRow(m.t.Context(), `SELECT min(due_at) FROM (
		SELECT min(due_at) AS due_at FROM notifications WHERE due_at IS NOT NULL
		UNION ALL SELECT min(due_at) FROM digests WHERE closed_at IS NULL
		UNION ALL SELECT min(due_at) FROM escalations WHERE done_at IS NULL AND due_at < 'infinity') AS d`).Scan(&next))
	if next == nil {
		return time.Time{}, false
	}
	return next.UTC(), true
}

// settle waits until the service has done all that can be done now.
func (m *month) settle() {
	m.t.Helper()
	out := slices.AppendSeq([]string{}, maps.Keys(m.out))
	m.within(6*patience, "settled at "+m.now().Format(time.RFC3339), func() bool {
		return m.query(`SELECT (SELECT count(*) FROM outbox)
			+ (SELECT count(*) FROM followers WHERE name = 'dispatch' AND position < (SELECT max(position) FROM events))
			+ (SELECT count(*) FROM notifications WHERE due_at <= due_now())
			+ (SELECT count(*) FROM digests WHERE closed_at IS NULL AND due_at <= due_now())
			+ (SELECT count(*) FROM escalations WHERE done_at IS NULL AND due_at <= due_now())
			+ (SELECT count(*) FROM deliveries WHERE state = 'queued' AND channel <> ALL($1))`, out) == 0
	})
}

// stop moves the clock to a time and does what people do then, several at once.
func (m *month) stop(at time.Time) {
	m.t.Helper()
	m.advanceTo(at)
	actions := m.stops[at]
	var running sync.WaitGroup
	slots := make(chan struct{}, 4)
	for _, action := range actions {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			action()
		})
	}
	running.Wait()
	m.settle()
}

// at adds something to do at a time.
func (m *month) at(at time.Time, do func()) { m.stops[at] = append(m.stops[at], do) }
