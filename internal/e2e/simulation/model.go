package simulation

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"time"
)

// Key identifies a message of the ledger: on one channel, to one person, about one event. Plan is "" for what is sent at once.
type Key struct{ Event, Plan, Person, Channel string }

// Outcome is what should become of a message.
type Outcome struct {
	// Kind is sent, digest or none.
	Kind string
	// At is when it was decided; messages that are sent, are sent then.
	At time.Time
	// Why is the class of the reason for none, and the key of the digest.
	Why string
}

// The kinds of outcomes.
const (
	Sent   = "sent"
	Digest = "digest"
	None   = "none"
)

// The classes of reasons for sending nothing.
const (
	cutOff  = "cut_off"
	off     = "off"
	tooLate = "too_late"
)

// message is one that is still to be decided.
type message struct {
	key   Key
	event Event
	rule  *Rule
	// time is its time of a schedule, or nil.
	time *Time
	// waits reports that it waits for the end of quiet hours.
	waits bool
	due   time.Time
	// position is the event's place in the ledger.
	position int
	// index is its place in the queue.
	index int
}

// queue orders messages by their due time, and those that are due at the same time by their event.
type queue []*message

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(q[i].due.Compare(q[j].due), cmp.Compare(q[i].position, q[j].position), cmp.Compare(q[i].key.Plan, q[j].key.Plan), cmp.Compare(q[i].key.Channel, q[j].key.Channel)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i]; q[i].index, q[j].index = i, j }
func (q *queue) Push(x any) {
	m := x.(*message)
	m.index = len(*q)
	*q = append(*q, m)
}

func (q *queue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

// throttleKey counts the messages to a person by a rule on a channel.
type throttleKey struct{ person, rule, channel string }

// model decides the messages of a world, as the documentation says.
type model struct {
	world    *World
	outcomes map[Key]Outcome
	queue    queue
	sent     map[throttleKey][]time.Time
}

// Expect returns what should have become of every message up to a time.
func Expect(w *World, until time.Time) map[Key]Outcome {
	m := &model{world: w, outcomes: map[Key]Outcome{}, sent: map[throttleKey][]time.Time{}}
	for position, e := range w.Events {
		m.plan(e, position)
	}
	changes := w.changes()
	for len(m.queue) > 0 {
		next := m.queue[0].due
		if len(changes) > 0 && !changes[0].at.After(next) {
			m.again(changes[0].person, changes[0].at)
			changes = changes[1:]
			continue
		}
		msg := heap.Pop(&m.queue).(*message)
		if !next.After(until) {
			m.decide(msg)
		} else if cut := w.cutAt(msg.event); !cut.IsZero() && !cut.After(until) {
			m.outcomes[msg.key] = Outcome{None, cut, cutOff}
		}
	}
	return m.outcomes
}

// change is a change of a person's preferences.
type change struct {
	person string
	at     time.Time
}

func (w *World) changes() (all []change) {
	for id, p := range w.People {
		for _, c := range p.Changes[1:] {
			all = append(all, change{id, c.At})
		}
	}
	slices.SortFunc(all, func(a, b change) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.person, b.person)) })
	return all
}

// plan adds the messages of an event.
func (m *model) plan(e Event, position int) {
	for i := range m.world.Rules {
		r := &m.world.Rules[i]
		if !slices.Contains(r.Types, e.Type) || (e.Held && !r.Critical) {
			continue
		}
		if r.Critical {
			m.escalate(e, r)
			continue
		}
		if m.world.People[e.Person] == nil {
			continue
		}
		for _, channel := range r.Channels {
			if len(r.Times) == 0 {
				m.add(&message{key: Key{e.ID, "", e.Person, channel}, event: e, position: position, rule: r, due: e.At})
			}
			for j := range r.Times {
				t := &r.Times[j]
				msg := &message{key: Key{e.ID, r.Name + "/" + t.Label, e.Person, channel}, event: e, position: position, rule: r, time: t}
				if msg.due = m.due(msg, e.At); !msg.due.After(e.At) {
					m.outcomes[msg.key] = Outcome{None, e.At, tooLate}
					continue
				}
				m.add(msg)
			}
		}
	}
}

func (m *model) add(msg *message) { heap.Push(&m.queue, msg) }

// due returns when a scheduled message is due, by the person's zone at a time.
func (m *model) due(msg *message, at time.Time) time.Time {
	t, e := msg.time, msg.event
	if !e.DueOn.IsZero() {
		y, mon, d := e.DueOn.Date()
		return time.Date(y, mon, d+t.Days, 9, 0, 0, 0, m.world.Clinics[e.Clinic].Zone)
	}
	due := e.StartsAt.Add(-t.Before)
	if t.Latest == 0 {
		return due
	}
	local := due.In(m.world.People[e.Person].at(at).Zone)
	switch minute := local.Hour()*60 + local.Minute(); {
	case minute < t.Earliest:
		return time.Date(local.Year(), local.Month(), local.Day()-1, 0, t.Latest, 0, 0, local.Location())
	case minute > t.Latest:
		return time.Date(local.Year(), local.Month(), local.Day(), 0, t.Latest, 0, 0, local.Location())
	}
	return due
}

// again decides the waiting messages of a person again, who has changed their preferences. Times in their zone move.
func (m *model) again(person string, at time.Time) {
	var moved []*message
	for _, msg := range m.queue {
		if msg.key.Person == person && !msg.due.Before(at) && (msg.waits || (msg.time != nil && msg.time.Latest > 0)) {
			moved = append(moved, msg)
		}
	}
	for _, msg := range moved {
		if msg.waits {
			msg.due = at
		} else if msg.due = m.due(msg, at); msg.due.Before(at) {
			msg.due = at
		}
		heap.Fix(&m.queue, msg.index)
	}
}

// decide decides a message that is due.
func (m *model) decide(msg *message) {
	e, r, t := msg.event, msg.rule, msg.due
	p := m.world.People[msg.key.Person].at(t)
	end := func(kind, why string) { m.outcomes[msg.key] = Outcome{kind, t, why} }
	if cut := m.world.cutAt(e); !cut.IsZero() && !cut.After(t) {
		end(None, cutOff)
		return
	}
	switch m.world.setting(p, e.Clinic, r.Category, msg.key.Channel) {
	case "off":
		end(None, off)
		return
	case "digest":
		end(Digest, "daily:"+r.Category)
		return
	}
	if slices.Contains(r.DigestChannels, msg.key.Channel) {
		end(Digest, "category:"+r.Category)
		return
	}
	if until, ok := m.world.quiet(p, e.Clinic, t); ok {
		if msg.time != nil && msg.time.Before > 0 && !until.Before(e.StartsAt) {
			end(None, tooLate) // A reminder of what has begun.
			return
		}
		msg.due, msg.waits = until, true
		m.add(msg)
		return
	}
	if r.Max > 0 {
		k := throttleKey{msg.key.Person, r.Name, msg.key.Channel}
		m.sent[k] = slices.DeleteFunc(m.sent[k], func(s time.Time) bool { return !s.After(t.Add(-r.Per)) })
		if len(m.sent[k]) >= r.Max {
			end(Digest, "throttled")
			return
		}
		m.sent[k] = append(m.sent[k], t)
	}
	end(Sent, "")
}

// quiet returns the end of the person's quiet hours at a time.
func (w *World) quiet(p Preferences, clinic string, t time.Time) (time.Time, bool) {
	windows := p.Quiet
	if windows == nil {
		windows = w.Clinics[clinic].Quiet
	}
	return quietUntil(windows, p.Zone, t)
}

// escalate decides the messages of a critical event: to its doctor at once, and to the other doctors of the clinic until somebody
// acknowledges it.
func (m *model) escalate(e Event, r *Rule) {
	for _, channel := range r.Channels {
		m.outcomes[Key{e.ID, "", e.Doctor, channel}] = Outcome{Sent, e.At, ""}
	}
	at := e.At
	ended, acknowledged := m.world.Acknowledged[e.ID]
	for i, step := range r.Steps {
		at = at.Add(step.After)
		if acknowledged && ended.Before(at) {
			return
		}
		for _, doctor := range m.world.Clinics[e.Clinic].Doctors {
			if doctor == e.Doctor {
				continue
			}
			for _, channel := range step.Channels {
				m.outcomes[Key{e.ID, fmt.Sprintf("escalation/%s/%d", r.Name, i), doctor, channel}] = Outcome{Sent, at, ""}
			}
		}
	}
}

// digestDue returns when a digest is sent that a message opens at a time.
func (w *World) digestDue(person, why string, t time.Time) time.Time {
	p := w.People[person].at(t)
	switch why {
	case "throttled":
		for _, r := range w.Rules {
			if r.Max > 0 {
				return t.Add(r.Per)
			}
		}
	case "category:clinical":
		for _, r := range w.Rules {
			if r.Window > 0 {
				return t.Add(r.Window)
			}
		}
	}
	local := t.In(p.Zone)
	day := date{local.Year(), local.Month(), local.Day()}
	at := begin(day, p.DigestHour*60, p.Zone)
	if !at.After(t) {
		at = begin(day.add(1), p.DigestHour*60, p.Zone)
	}
	return at
}
