package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/e2e/simulation"
	"carewire/internal/sandbox"
)

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
