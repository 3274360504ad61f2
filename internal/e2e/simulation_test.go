package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
			+ (SELECT count(*) FROM followers WHERE position < (SELECT max(position) FROM events))
			+ (SELECT count(*) FROM notifications WHERE due_at <= due_now())
			+ (SELECT count(*) FROM digests WHERE closed_at IS NULL AND due_at <= due_now())
			+ (SELECT count(*) FROM escalations WHERE done_at IS NULL AND due_at <= due_now())
			+ (SELECT count(*) FROM deliveries WHERE state = 'queued' AND channel <> ALL($1)
				AND (attempt_started_at IS NULL OR attempt_started_at > now() - interval '30 seconds'))`, out) == 0
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

// schedule decides what everybody does, and when. Everything happens between 3 and 13 minutes after a full hour, so that it never
// coincides with the end of quiet hours or with the time of a reminder.
func (m *month) schedule(begin time.Time) {
	hours := *simulatedDays * 24
	slot := func(minute int) time.Time {
		return begin.Add(time.Duration(m.random.IntN(hours))*time.Hour + time.Duration(minute)*time.Minute)
	}
	busy := map[time.Time]map[*simulatedPatient]bool{}
	for range max(*simulatedPeople**simulatedDays/4, 80) {
		at, p := slot(5), pick(m.random, m.patients)
		if busy[at] == nil {
			busy[at] = map[*simulatedPatient]bool{}
		}
		if busy[at][p] {
			continue // One thing at a time, so that its order is known.
		}
		busy[at][p] = true
		dice := rand.New(rand.NewPCG(m.random.Uint64(), 0))
		m.at(at, func() { m.act(p, at, dice) })
	}
	for range max(1, *simulatedDays/4) {
		from := slot(20)
		m.outage(pick(m.random, []string{"push", "email"}), from, from.Add(time.Duration(1+m.random.IntN(4))*time.Hour))
	}
	for i := range max(1, *simulatedDays/5) {
		at := slot(4)
		m.at(at, func() { m.kill(at, i%len(m.instances)) })
		for _, p := range m.patients[:min(6, len(m.patients))] {
			m.at(at, func() { m.report(p) })
		}
	}
	for i := range max(4, *simulatedDays) {
		m.critical(pick(m.random, m.patients), slot(12), i%3)
	}
}

// act does something for a patient.
func (m *month) act(p *simulatedPatient, at time.Time, dice *rand.Rand) {
	switch n := dice.IntN(100); {
	case n < 30:
		m.book(p, at, dice)
	case n < 42:
		m.move(p, at, dice)
	case n < 52:
		m.cancel(p, at)
	case n < 60:
		m.invoice(p, at, dice)
	case n < 66:
		m.pay(p)
	case n < 84:
		m.report(p)
	case n < 88:
		m.retract(p)
	default:
		m.choose(p, dice)
	}
}

// free returns a half hour that is free for the patient and one of the doctors, in the working time of one of the next days.
func (m *month) free(p *simulatedPatient, at time.Time, doctors []string, dice *rand.Rand) (time.Time, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := p.clinic
	for {
		day := at.In(c.zone).AddDate(0, 0, 1+dice.IntN(5))
		starts := time.Date(day.Year(), day.Month(), day.Day(), 9+dice.IntN(7), 30*dice.IntN(2), 0, 0, c.zone).UTC()
		if weekday := starts.In(c.zone).Weekday(); weekday == time.Saturday || weekday == time.Sunday {
			continue
		}
		doctor := pick(dice, doctors)
		if own, theirs := p.id+starts.String(), doctor+starts.String(); !c.booked[own] && !c.booked[theirs] {
			c.booked[own], c.booked[theirs] = true, true
			return starts, doctor
		}
	}
}

func times(starts time.Time) map[string]any {
	return map[string]any{"startsAt": starts.Format(time.RFC3339), "endsAt": starts.Add(30 * time.Minute).Format(time.RFC3339)}
}

func (m *month) book(p *simulatedPatient, at time.Time, dice *rand.Rand) {
	m.t.Helper()
	starts, doctor := m.free(p, at, slices.Sorted(maps.Keys(p.clinic.doctors)), dice)
	in := times(starts)
	in["patientId"], in["clinicId"], in["doctorId"] = p.id, p.clinic.id, doctor
	a := m.must(p.clinic.receptionist, http.MethodPost, "/api/appointments", in)
	p.appointments = append(p.appointments, &resource{path: a.header.Get("Location"), etag: a.header.Get("ETag"), startsAt: starts, doctor: doctor})
}

// upcoming returns an appointment of the patient that has not begun, or nil, and forgets the others.
func (p *simulatedPatient) upcoming(at time.Time) *resource {
	p.appointments = slices.DeleteFunc(p.appointments, func(r *resource) bool { return r.startsAt.Before(at.Add(time.Hour)) })
	if len(p.appointments) == 0 {
		return nil
	}
	return p.appointments[0]
}

func (m *month) move(p *simulatedPatient, at time.Time, dice *rand.Rand) {
	m.t.Helper()
	r := p.upcoming(at)
	if r == nil {
		return
	}
	starts, _ := m.free(p, at, []string{r.doctor}, dice)
	a := m.must(p.clinic.receptionist, http.MethodPost, r.path+"/reschedule", times(starts), "If-Match", r.etag)
	r.etag, r.startsAt = a.header.Get("ETag"), starts
}

func (m *month) cancel(p *simulatedPatient, at time.Time) {
	m.t.Helper()
	r := p.upcoming(at)
	if r == nil {
		return
	}
	m.must(p.email, http.MethodPost, r.path+"/cancel", map[string]string{"reason": "other"}, "If-Match", r.etag)
	p.appointments = p.appointments[1:]
}

func (m *month) invoice(p *simulatedPatient, at time.Time, dice *rand.Rand) {
	m.t.Helper()
	amount := 100 + dice.IntN(90000)
	a := m.must(p.clinic.receptionist, http.MethodPost, "/api/billing/invoices", map[string]any{
		"patientId": p.id, "clinicId": p.clinic.id, "currency": "EUR", "dueOn": at.AddDate(0, 0, 1+dice.IntN(12)).Format(time.DateOnly),
		"lines": []any{map[string]any{"description": "Visit", "quantity": 1, "unitMinor": amount}},
	})
	p.invoices = append(p.invoices, &resource{path: a.header.Get("Location"), amount: amount})
}

func (m *month) pay(p *simulatedPatient) {
	m.t.Helper()
	if len(p.invoices) == 0 {
		return
	}
	m.must(p.clinic.receptionist, http.MethodPost, p.invoices[0].path+"/payments", map[string]any{"amountMinor": p.invoices[0].amount, "provider": "stripe", "reference": uuid.NewString()})
	p.invoices = p.invoices[1:]
}

// doctor returns the clinic's first doctor.
func (c *simulatedClinic) doctor() string {
	return c.doctors[slices.Min(slices.Collect(maps.Keys(c.doctors)))]
}

func (m *month) report(p *simulatedPatient) {
	m.t.Helper()
	a := m.must(p.clinic.doctor(), http.MethodPost, "/api/ehr/lab-reports", labReport(p.id, p.clinic.id, "N"))
	p.reports = append(p.reports, &resource{path: a.header.Get("Location"), etag: a.header.Get("ETag")})
}

func (m *month) retract(p *simulatedPatient) {
	m.t.Helper()
	if len(p.reports) == 0 {
		return
	}
	last := p.reports[len(p.reports)-1]
	m.must(p.clinic.doctor(), http.MethodPost, last.path+"/retract", map[string]string{"reason": "Another patient's sample."}, "If-Match", last.etag)
	p.reports = p.reports[:len(p.reports)-1]
}

// critical reports a critical finding. Its doctor acknowledges it at once, or another doctor whom the first step told, or nobody.
func (m *month) critical(p *simulatedPatient, at time.Time, acknowledged int) {
	var subject string
	m.at(at, func() {
		m.mu.Lock()
		outage := len(m.out) > 0
		m.mu.Unlock()
		if outage {
			return // Steps count from the acceptance of messages, which are late.
		}
		a := m.must(p.clinic.doctor(), http.MethodPost, "/api/ehr/lab-reports", labReport(p.id, p.clinic.id, "HH"))
		subject = "lab_report/" + a.decode(m.t)["id"].(string)
	})
	acknowledge := func(who string) {
		if subject == "" {
			return
		}
		for _, n := range m.must(who, http.MethodGet, "/api/notifications?unacknowledged=true&limit=100", nil).decode(m.t)["items"].([]any) {
			n := n.(map[string]any)
			if n["subject"] != subject {
				continue
			}
			m.must(who, http.MethodPost, "/api/notifications/"+n["id"].(string)+"/acknowledge", nil)
			m.mu.Lock()
			m.world.Acknowledged[n["eventId"].(string)] = m.now()
			m.mu.Unlock()
			return
		}
		m.t.Errorf("%s has nothing to acknowledge about %s", who, subject)
	}
	switch acknowledged {
	case 0:
		m.at(at.Add(time.Minute), func() { acknowledge(p.clinic.doctor()) })
	case 1:
		m.at(at.Add(7*time.Minute), func() {
			for id, email := range p.clinic.doctors {
				if email != p.clinic.doctor() && id != "" {
					acknowledge(email)
					return
				}
			}
		})
	}
}

// choose sets all preferences of a patient.
func (m *month) choose(p *simulatedPatient, dice *rand.Rand) {
	m.t.Helper()
	zone, err := time.LoadLocation(pick(dice, simulatedZones))
	require.NoError(m.t, err)
	prefs := simulation.Preferences{Zone: zone, DigestHour: dice.IntN(24), Settings: map[simulation.Setting]string{}}
	var items []any
	for _, category := range []string{"appointment", "billing", "clinical"} {
		for _, channel := range []string{"push", "email"} {
			for _, clinicID := range []string{"", p.clinic.id} {
				chosen := pick(dice, []string{"", "", "", "", "on", "off", "digest"})
				if chosen == "off" && slices.Contains(m.world.Clinics[p.clinic.id].Essential, category) {
					chosen = "digest" // off is refused.
				}
				item := map[string]any{"category": category, "channel": channel, "setting": nil}
				if clinicID != "" {
					item["clinicId"] = clinicID
				}
				if chosen != "" {
					item["setting"] = chosen
					prefs.Settings[simulation.Setting{Clinic: clinicID, Category: category, Channel: channel}] = chosen
				}
				items = append(items, item)
			}
		}
	}
	in := map[string]any{"items": items, "timeZone": zone.String(), "digestHour": prefs.DigestHour, "quietHours": nil}
	if windows, hours := quietHours(dice); windows != nil {
		prefs.Quiet, in["quietHours"] = windows, hours
	}
	prefs.At = m.now() // The messages that wait are decided again from the commit on, which may be before the answer.
	m.must(p.email, http.MethodPut, "/api/me/preferences", in)
	m.mu.Lock()
	defer m.mu.Unlock()
	person := m.world.People[p.id]
	person.Changes = append(person.Changes, prefs)
}

// quietHours returns windows for the model and for the request: none of one's own, an empty list, a night, or more.
func quietHours(dice *rand.Rand) ([]simulation.Window, []any) {
	clock := func(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
	var windows []simulation.Window
	switch dice.IntN(6) {
	case 0:
		return nil, nil
	case 1:
		return []simulation.Window{}, []any{}
	case 2: // Ends in an hour that a change of the clock repeats or skips.
		windows = []simulation.Window{{From: 20 * 60, To: 2*60 + 30}}
	case 3:
		windows = []simulation.Window{{From: 22 * 60, To: 7 * 60}, {From: 12*60 + 30, To: 14 * 60, Days: []time.Weekday{time.Saturday, time.Sunday}}}
	case 4: // In and around such an hour.
		windows = []simulation.Window{{From: 2 * 60, To: 3 * 60}, {From: 18 * 60, To: 23*60 + 30}}
	default:
		windows = []simulation.Window{{From: 60 * (19 + dice.IntN(4)), To: 30 * (8 + dice.IntN(10))}}
	}
	var hours []any
	for _, w := range windows {
		in := map[string]any{"from": clock(w.From), "to": clock(w.To)}
		var days []string
		for _, d := range w.Days {
			days = append(days, strings.ToLower(d.String()[:3]))
		}
		if days != nil {
			in["days"] = days
		}
		hours = append(hours, in)
	}
	return windows, hours
}

// outage lets the providers of a channel accept nothing for a time.
func (m *month) outage(channel string, from, to time.Time) {
	set := func(out bool) func() {
		return func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if out {
				m.out[channel]++
				m.world.Outages = append(m.world.Outages, simulation.Outage{Channel: channel, From: from, To: to})
			} else if m.out[channel]--; m.out[channel] == 0 {
				delete(m.out, channel)
			}
			for _, s := range m.received {
				s.ClearFaults()
				for _, still := range slices.Sorted(maps.Keys(m.out)) {
					_, err := s.AddFault(sandbox.Fault{Channel: still, Status: http.StatusServiceUnavailable})
					require.NoError(m.t, err)
				}
			}
		}
	}
	m.at(from, set(true))
	m.at(to, set(false))
}

// kill ends an instance as if its machine failed, if possible between a provider's acceptance of an email and its answer, and starts
// it again. What it was sending is late, and an hour passes for it at once.
func (m *month) kill(at time.Time, victim int) {
	m.t.Helper()
	i, done := m.instances[victim], make(chan struct{})
	kill := func() {
		_ = i.cmd.Process.Kill()
		close(done)
	}
	m.providers[victim].kill.Store(&kill)
	select {
	case <-done:
	case <-time.After(500 * time.Millisecond):
		if m.providers[victim].kill.Swap(nil) != nil {
			kill()
		}
		<-done
	}
	_ = i.cmd.Wait()
	i.start()
	i.ready()
	m.anHourPasses()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, channel := range []string{"push", "email"} {
		m.world.Outages = append(m.world.Outages, simulation.Outage{Channel: channel, From: at, To: m.now()})
	}
}

// told reads what the service did from the views of the audit trail and from the providers, and completes the world with the
// events.
func (m *month) told() *simulation.Told {
	m.t.Helper()
	told := &simulation.Told{Digests: map[string]simulation.DigestRow{}, Received: map[string][]time.Time{}}
	var events []struct {
		ID, Type, Subject, Clinic string
		Version                   int
		At                        time.Time
		Data                      struct {
			UserID, DoctorID   string
			StartsAt           time.Time
			DueOn              string
			Released, Critical bool
		}
	}
	m.rows(&events, `SELECT event_id AS id, type, subject, coalesce(subject_version, 0) AS version, coalesce(clinic_id::text, '') AS clinic, time AS at, data
		FROM audit.events WHERE type LIKE 'appointment.%' OR type LIKE 'billing.%' OR type LIKE 'ehr.lab_report.%' ORDER BY position`)
	for _, e := range events {
		made := simulation.Event{
			ID: e.ID, Type: e.Type, Subject: e.Subject, Version: e.Version, Clinic: e.Clinic, At: m.moved(e.At),
			Person: e.Data.UserID, Doctor: e.Data.DoctorID, StartsAt: e.Data.StartsAt, Held: e.Type == "ehr.lab_report.created" && (!e.Data.Released || e.Data.Critical),
		}
		if e.Data.DueOn != "" {
			day, err := time.Parse(time.DateOnly, e.Data.DueOn)
			require.NoError(m.t, err)
			made.DueOn = day
		}
		m.world.Events = append(m.world.Events, made)
	}
	var deliveries []struct {
		ID, Notification, Event, Plan, Person, Channel, State, Reason string
		Unsure                                                        bool
		SentAt                                                        *time.Time
	}
	m.rows(&deliveries, `SELECT id, notification_id AS notification, event_id AS event, plan_key AS plan, recipient_id AS person, channel, state,
		reason, possible_duplicate OR error_code = 'no_receipt' IS TRUE OR state = 'unknown' AS unsure, sent_at AS "sentAt" FROM audit.deliveries WHERE rule = ANY($1)`, simulatedNames())
	for _, d := range deliveries {
		row := simulation.Delivery{ID: d.ID, Notification: d.Notification, Key: simulation.Key{Event: d.Event, Plan: d.Plan, Person: d.Person, Channel: d.Channel}, State: d.State, Reason: d.Reason, Unsure: d.Unsure}
		if d.SentAt != nil {
			row.SentAt = m.moved(*d.SentAt)
		}
		told.Deliveries = append(told.Deliveries, row)
	}
	var digests []simulation.DigestRow
	m.rows(&digests, `SELECT id, recipient_id AS person, clinic_id AS clinic, channel, key, coalesce(notification_id::text, '') AS notification,
		opened_at AS "openedAt", due_at AS "dueAt", coalesce(closed_at, 'epoch') AS "closedAt" FROM audit.digests`)
	for _, d := range digests {
		told.Digests[d.ID] = d
	}
	var items []struct {
		Digest, Event, Plan, Person, Channel, LeftOut string
		AddedAt                                       time.Time
	}
	m.rows(&items, `SELECT i.digest_id AS digest, n.event_id AS event, n.plan_key AS plan, i.recipient_id AS person, i.channel, coalesce(i.left_out, '') AS "leftOut", i.added_at AS "addedAt"
		FROM audit.digest_items AS i JOIN audit.notifications AS n ON n.id = i.notification_id`)
	for _, it := range items {
		told.Items = append(told.Items, simulation.Item{Digest: it.Digest, Key: simulation.Key{Event: it.Event, Plan: it.Plan, Person: it.Person, Channel: it.Channel}, LeftOut: it.LeftOut, AddedAt: it.AddedAt})
	}
	for _, s := range m.received {
		for _, msg := range s.Messages("") {
			told.Received[msg.DeliveryID] = append(told.Received[msg.DeliveryID], m.moved(msg.ReceivedAt))
		}
	}
	return told
}

// simulatedNames returns the names of the rules.
func simulatedNames() (names []string) {
	for _, r := range modelRules() {
		names = append(names, r.Name)
	}
	return names
}

// rows reads the rows of a query into a slice, by the names of the columns.
func (m *month) rows(into any, sql string, args ...any) {
	m.t.Helper()
	var all []byte
	require.NoError(m.t, m.db.Owner.QueryRow(m.t.Context(), `SELECT coalesce(json_agg(r), '[]') FROM (`+sql+`) AS r`, args...).Scan(&all))
	require.NoError(m.t, json.Unmarshal(all, into))
}
