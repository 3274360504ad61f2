package rule

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Plan is what the matching rules come to for one event.
type Plan struct {
	Notifications []Notification
	Decisions     []Decision
}

// Notification is what one person is told of the event.
type Notification struct {
	Recipient uuid.UUID
	// Match is the first of those that tell the person.
	Match    *Match
	Messages []Message
	// HeldUntil is until when the telling waits for a clinician to see a critical finding; zero where it does not wait.
	HeldUntil time.Time
}

// Message is the telling on one channel. It is to be sent unless Suppressed.
type Message struct {
	Channel    string
	Suppressed bool
	// Reason is the rule's name where it is to be sent, ReasonAwaitingReview where it waits, else why it cannot be sent.
	Reason string
	Match  *Match
	// Fallback are the channels that are left, should sending fail.
	Fallback []string
}

// Decision is something that a matching rule does not do, and why. Recipient and Channel are zero where it is about
// everybody or every channel.
type Decision struct {
	Rule      string
	Recipient uuid.UUID
	Channel   string
	Reason    string
}

// Resolve decides whom the matching rules tell of the event, on which of the configured channels, and why. The matches
// are those that Set.Match gave for the event; people holds everybody whom they name.
//
// Who may not read what the event is about is not told. What is held for a clinician to see first waits for its patient. Where
// a rule of the priority critical matches a critical event and no message is to be sent to a clinician, the patient's care team
// is told, and where that reaches nobody either, every doctor of the clinic: the last are told that there is a critical finding,
// and may read it once they are put on the care team.
func Resolve(e *event.Event, matches []Match, people *People, configured care.Channels) Plan {
	r := resolver{event: e, matches: matches, people: people, configured: configured}
	for _, c := range r.candidates() {
		person := people.ByID[c.id]
		reason := person.gone()
		if reason == "" {
			reason = r.mayNotRead(c.id, person)
		}
		if reason != "" {
			r.refuseAll(c, reason)
			continue
		}
		r.tell(c, person)
	}
	r.reachSomebody()
	return r.outcome
}

// resolver decides one event.
type resolver struct {
	event      *event.Event
	matches    []Match
	people     *People
	configured care.Channels
	outcome    Plan
	// subject is what deciding who may read needs of the event; nil until somebody asks.
	subject *subject
}

// candidate is a person with the rules that name them, in the order of the file: the last one is the last that did.
type candidate struct {
	id      uuid.UUID
	matches []*Match
	// why precedes the rule's name in the reason; empty means that the rule names the person.
	why string
}

func (r *resolver) refuse(m *Match, recipient uuid.UUID, channel, reason string) {
	r.outcome.Decisions = append(r.outcome.Decisions, Decision{Rule: m.Rule.Name, Recipient: recipient, Channel: channel, Reason: reason})
}

func (r *resolver) refuseAll(c *candidate, reason string) {
	for _, m := range c.matches {
		r.refuse(m, c.id, "", reason)
	}
}

// namedBy reports whether the rule names the person already.
func (c *candidate) namedBy(m *Match) bool {
	return c != nil && c.matches[len(c.matches)-1] == m
}

// candidates gives everybody whom a rule names, in the order in which they are named first.
func (r *resolver) candidates() []*candidate {
	all := candidates{byID: map[uuid.UUID]*candidate{}}
	for i := range r.matches {
		m := &r.matches[i]
		if m.Failed {
			r.refuse(m, uuid.Nil, "", ReasonConditionFailed)
			continue
		}
		r.named(m, &all)
	}
	return all.ordered
}

// candidates are those whom the rules named so far.
type candidates struct {
	ordered []*candidate
	byID    map[uuid.UUID]*candidate
}

// add says that the rule names the person.
func (all *candidates) add(id uuid.UUID, m *Match) {
	c := all.byID[id]
	if c == nil {
		c = &candidate{id: id}
		all.byID[id] = c
		all.ordered = append(all.ordered, c)
	}
	c.matches = append(c.matches, m)
}

// named adds whom one rule names, each once. Who is left out of one of its recipients may still be named by another.
func (r *resolver) named(m *Match, all *candidates) {
	var left []Decision
	var empty string
	var roles, team, held bool
	for _, recipient := range m.Recipients {
		found, reason := r.find(recipient)
		empty = cmp.Or(empty, reason)
		roles = roles || (recipient.Role != "" && !recipient.CareTeam)
		team = team || recipient.CareTeam
		held = held || (recipient.Role != "" && len(found) > 0)
		for _, id := range found {
			if all.byID[id].namedBy(m) {
				continue
			}
			out, err := m.Excludes(recipient, id)
			switch {
			case err != nil:
				left = append(left, Decision{Recipient: id, Reason: ReasonConditionFailed})
			case out:
				left = append(left, Decision{Recipient: id, Reason: ReasonUnless})
			default:
				all.add(id, m)
			}
		}
	}
	switch {
	case roles && !held:
		empty = cmp.Or(empty, ReasonNobodyInRole)
	case team && !held:
		empty = cmp.Or(empty, ReasonNobodyOnCareTeam)
	}
	if empty != "" {
		r.refuse(m, uuid.Nil, "", empty)
	}
	r.leaveOut(m, left, all)
}

// leaveOut writes down who was left out and is not named otherwise, each once.
func (r *resolver) leaveOut(m *Match, left []Decision, all *candidates) {
	if len(left) == 0 {
		return
	}
	told := make(map[uuid.UUID]bool, len(left))
	for _, d := range left {
		if !told[d.Recipient] && !all.byID[d.Recipient].namedBy(m) {
			told[d.Recipient] = true
			r.refuse(m, d.Recipient, "", d.Reason)
		}
	}
}

// find gives the persons behind a recipient, or why there can be none. That a role has no holders says nothing yet: the
// rule may name others besides.
func (r *resolver) find(recipient Recipient) ([]uuid.UUID, string) {
	switch {
	case recipient.Role == "" && recipient.UserID == uuid.Nil:
		return nil, ReasonNobodyNamed
	case recipient.Role == "":
		return []uuid.UUID{recipient.UserID}, ""
	case r.event.ClinicID == nil:
		return nil, ReasonNoClinic
	case recipient.CareTeam:
		return r.careTeam(recipient.Role), ""
	default:
		return r.people.Holders[PostOf(*r.event.ClinicID, recipient.Role)], ""
	}
}

// tell decides each channel of one person.
func (r *resolver) tell(c *candidate, person *Person) {
	slices.SortStableFunc(c.matches, func(a, b *Match) int {
		return cmp.Compare(a.Rule.Priority.Rank(), b.Rule.Priority.Rank())
	})
	t := Notification{Recipient: c.id, Match: c.matches[0], HeldUntil: r.heldFrom(c.id, person)}
	why := cmp.Or(c.why, "rule ")
	for _, m := range c.matches {
		for _, channel := range m.Rule.Channels {
			if taken := t.on(channel); taken != nil {
				r.refuse(m, c.id, channel, ReasonDuplicateOf+taken.Match.Rule.Name)
				continue
			}
			r.add(&t, person, m, channel, why+m.Rule.Name)
		}
	}
	for i := range len(t.Messages) {
		if t.Messages[i].Suppressed {
			r.fallBack(&t, person, t.Messages[i])
		}
	}
	for i := range t.Messages {
		t.Messages[i].Fallback = t.remaining(&t.Messages[i])
	}
	r.outcome.Notifications = append(r.outcome.Notifications, t)
}

// fallBack tries the rule's fallback channels, in their order, until the person is told on one of them.
func (r *resolver) fallBack(t *Notification, person *Person, failed Message) {
	for _, channel := range failed.Match.Rule.Fallback {
		d := t.on(channel)
		if d == nil {
			d = r.add(t, person, failed.Match, channel, "fallback for "+failed.Channel+", rule "+failed.Match.Rule.Name)
		}
		if !d.Suppressed {
			return
		}
	}
}

// add decides one channel, suppressed when it cannot be used.
func (r *resolver) add(t *Notification, person *Person, m *Match, channel, reason string) *Message {
	d := Message{Channel: channel, Reason: reason, Match: m}
	if obstacle := r.obstacle(person, m, channel); obstacle != "" {
		d.Suppressed, d.Reason = true, obstacle
	} else if !t.HeldUntil.IsZero() {
		d.Reason = ReasonAwaitingReview
	}
	t.Messages = append(t.Messages, d)
	return &t.Messages[len(t.Messages)-1]
}

// obstacle says why the person cannot or may not be told on the channel, or nothing.
func (r *resolver) obstacle(person *Person, m *Match, channel string) string {
	if m.Rule.Priority != Critical && slices.Contains(person.Off, string(m.Category)+"/"+channel) {
		return ReasonPreferenceOff
	}
	c, ok := r.configured.Lookup(channel)
	if !ok {
		return ReasonChannelNotConfigured
	}
	has, verified := person.address(c.Address)
	switch {
	case !has:
		return ReasonNoAddress
	case !verified && !m.Rule.Unverified:
		return ReasonAddressUnverified
	}
	return ""
}

// address reports whether the person has an address of the kind, and whether the address is verified to be theirs. A
// device was registered by the person, signed in.
func (p *Person) address(kind care.AddressKind) (has, verified bool) {
	switch kind {
	case care.AddressEmail:
		return !p.HasNoEmail, p.EmailVerified
	case care.AddressPhone:
		return p.HasPhone, p.PhoneVerified
	case care.AddressWhatsApp:
		return p.HasWhatsApp, p.WhatsAppVerified
	case care.AddressDevices:
		return p.HasDevice, true
	case care.AddressNone:
		return true, true
	}
	return false, false
}

// on gives the message on the channel, or nil.
func (t *Notification) on(channel string) *Message {
	for i := range t.Messages {
		if t.Messages[i].Channel == channel {
			return &t.Messages[i]
		}
	}
	return nil
}

// remaining lists the fallback channels that are left, should a message fail when it is sent.
func (t *Notification) remaining(d *Message) []string {
	if d.Suppressed {
		return nil
	}
	var left []string
	for _, channel := range d.Match.Rule.Fallback {
		if t.on(channel) == nil {
			left = append(left, channel)
		}
	}
	return left
}
