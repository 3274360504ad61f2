package rule

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Plan is the result of the matching rules for one event.
type Plan struct {
	Notifications []Notification
	Decisions     []Decision
	// Failures are the conditions that could not be evaluated, each once.
	Failures []Failure
}

// Notification is the notification of one person about the event.
type Notification struct {
	Recipient uuid.UUID
	// Match is the first match that notifies the person.
	Match    *Match
	Messages []Message
	// HeldUntil is the time until which the notification waits for a clinician to see a critical
	// finding; zero if it does not.
	HeldUntil time.Time
	// PlanKey names a notification that a schedule plans for later, among those of the person about the
	// event; empty for the one at once.
	PlanKey string
	// DueAt is when a scheduled notification is decided and sent; zero if it is at once.
	DueAt time.Time
	// InAppOff reports that the person does not want the notification in their inbox: it goes to the
	// archive.
	InAppOff bool
}

// Message is the message on one channel. It is to be sent unless Suppressed.
type Message struct {
	Channel    string
	Suppressed bool
	// NotBefore is the end of the person's quiet hours, until which the message waits; zero if it does
	// not.
	NotBefore time.Time
	// Digest is the digest that the message goes into instead of being sent on its own, or nil.
	Digest *DigestRef
	// Overflow is the digest that the message goes into if the person has had too many messages by
	// the rule's throttle, or nil.
	Overflow *DigestRef
	// Reason contains the rule's name if it is to be sent, is ReasonAwaitingReview if it waits, and
	// else the reason for not sending it.
	Reason string
	Match  *Match
	// Fallback are the remaining channels if sending fails.
	Fallback []string
}

// Decision is the decision of a matching rule not to send something, with its reason. Recipient and
// Channel are zero if it concerns everybody or every channel.
type Decision struct {
	Rule      string
	Recipient uuid.UUID
	Channel   string
	Reason    string
}

// Resolve returns the plan for an event: who is notified on which of the configured channels, and
// why. The matches are the result of Set.Match for the event; people contains everybody that they
// refer to.
//
// People who may not read the event's subject are not notified. The patient's notification of a
// finding that a clinician has to see first is held. If a rule of the priority critical matches a
// critical event and no message is to be sent to a clinician, the patient's care team is notified,
// and if that reaches no one either, every doctor of the clinic: they learn that there is a
// critical finding, and may read it once they are put on the care team.
func Resolve(e *event.Event, matches []Match, people *People, configured care.Channels) Plan {
	r := resolver{event: e, matches: matches, people: people, configured: configured}
	for _, c := range r.candidates() {
		person := people.ByID[c.id]
		if reason := r.barred(c.id, person); reason != "" {
			r.skipAll(c, reason)
			continue
		}
		r.notify(c, person)
	}
	r.escalate()
	r.schedule()
	return r.plan
}

// Waiting is a notification whose time has come, or that waited for the end of quiet hours.
type Waiting struct {
	Recipient uuid.UUID
	PlanKey   string
	// Messages are the channels that wait, each with the match of its rule.
	Messages []Message
}

// Reconsider decides again about a notification that has waited: whether the person may still be
// notified, and how. A schedule's time that has moved, because a time zone was changed, is in the
// notification's DueAt. If the person may not be notified any more, no notification is returned but
// the reason.
func Reconsider(e *event.Event, w Waiting, people *People, configured care.Channels) (*Notification, string) {
	r := resolver{event: e, people: people, configured: configured, reconsidered: true}
	for i := range w.Messages {
		r.matches = append(r.matches, *w.Messages[i].Match)
	}
	person := people.ByID[w.Recipient]
	if reason := r.barred(w.Recipient, person); reason != "" {
		return nil, reason
	}
	n := &Notification{Recipient: w.Recipient, PlanKey: w.PlanKey, Match: &r.matches[0]}
	s := n.Match.Rule.scheduled(w.PlanKey)
	if s != nil {
		at, ok := s.due(n.Match, s.zoneOf(people, person, e.ClinicID))
		if ok && at.After(people.Due) {
			n.DueAt = at
			return n, ""
		}
	}
	n.InAppOff = r.inAppOff(person, n.Match)
	for _, m := range w.Messages {
		d := r.add(n, person, m.Match, m.Channel, m.Reason)
		if s != nil && !d.NotBefore.IsZero() && s.passes(d.NotBefore, n.Match, s.zoneOf(people, person, e.ClinicID)) {
			*d = Message{Channel: d.Channel, Match: d.Match, Suppressed: true, Reason: ReasonTooLate}
		}
	}
	r.complete(n, person)
	return n, ""
}

// resolver decides one event.
type resolver struct {
	event      *event.Event
	matches    []Match
	people     *People
	configured care.Channels
	plan       Plan
	// reconsidered reports that the event was planned before: its age does not matter any more.
	reconsidered bool
	// subject is the result of about; nil before its first call.
	subject *subject
}

// candidate is a possible recipient with the rules that select them, in the order of the file.
type candidate struct {
	id      uuid.UUID
	matches []*Match
	// why precedes the rule's name in the reason; empty means that the rule selects the person
	// itself.
	why string
}

func (r *resolver) skip(m *Match, recipient uuid.UUID, channel, reason string) {
	r.plan.Decisions = append(r.plan.Decisions, Decision{Rule: m.Rule.Name, Recipient: recipient, Channel: channel, Reason: reason})
}

func (r *resolver) skipAll(c *candidate, reason string) {
	for _, m := range c.matches {
		r.skip(m, c.id, "", reason)
	}
}

// namedBy reports whether the rule has selected the person already.
func (c *candidate) namedBy(m *Match) bool {
	return c != nil && c.matches[len(c.matches)-1] == m
}

// candidates returns everybody that a rule selects, in the order of their first selection.
func (r *resolver) candidates() []*candidate {
	all := candidates{byID: map[uuid.UUID]*candidate{}}
	for i := range r.matches {
		m := &r.matches[i]
		r.failed(m, When, m.Cause)
		if m.Failed {
			r.skip(m, uuid.Nil, "", ReasonConditionFailed)
			continue
		}
		if m.Cause != "" {
			r.ignored(m, When, uuid.Nil)
		}
		if len(m.Rule.schedule) == 0 {
			r.named(m, &all)
		}
	}
	return all.ordered
}

// schedule plans the notifications of the rules with schedules. They do not compete with those that
// are sent at once. Each is decided when its time has come; a time that has passed is too late,
// unless the schedule sends it all the same.
func (r *resolver) schedule() {
	for i := range r.matches {
		m := &r.matches[i]
		if len(m.Rule.schedule) == 0 || m.Failed {
			continue
		}
		all := candidates{byID: map[uuid.UUID]*candidate{}}
		r.named(m, &all)
		for _, c := range all.ordered {
			person := r.people.ByID[c.id]
			if reason := r.barred(c.id, person); reason != "" {
				r.skipAll(c, reason)
				continue
			}
			for j := range m.Rule.schedule {
				r.scheduleOne(m, &m.Rule.schedule[j], c.id, person)
			}
		}
	}
}

// barred returns the reason why the person may not be notified of the event at all, or "".
func (r *resolver) barred(id uuid.UUID, person *Person) string {
	if reason := person.unavailable(); reason != "" {
		return reason
	}
	return r.mayNotRead(id, person)
}

// inAppOff reports whether the person does not want the match's category in their inbox.
func (r *resolver) inAppOff(person *Person, m *Match) bool {
	setting, _ := r.preference(person, m, care.ChannelInApp)
	return setting == care.SettingOff
}

func (r *resolver) scheduleOne(m *Match, s *Schedule, id uuid.UUID, person *Person) {
	at, ok := s.due(m, s.zoneOf(r.people, person, r.event.ClinicID))
	reason := ""
	switch {
	case !ok:
		reason = ReasonNoTime
	case !at.After(r.people.Due) && !s.late, r.tooLate(m):
		reason = ReasonTooLate
	}
	if reason != "" {
		r.plan.Decisions = append(r.plan.Decisions, Decision{Rule: s.planKey(m.Rule), Recipient: id, Reason: reason})
		return
	}
	n := Notification{Recipient: id, Match: m, PlanKey: s.planKey(m.Rule), DueAt: at}
	for _, channel := range m.Rule.Channels {
		n.Messages = append(n.Messages, Message{Channel: channel, Match: m, Reason: "rule " + n.PlanKey})
	}
	r.plan.Notifications = append(r.plan.Notifications, n)
}

// failed records that a condition could not be evaluated.
func (r *resolver) failed(m *Match, c Condition, cause Cause) {
	f := Failure{Rule: m.Rule.Name, Condition: c, Cause: cause}
	if cause != "" && !slices.Contains(r.plan.Failures, f) {
		r.plan.Failures = append(r.plan.Failures, f)
	}
}

// ignored adds the decision that the rule notifies although a condition could not be evaluated. Its
// name is the rule's and the condition's, such as "critical-result/when", beside the rule's own
// decisions.
func (r *resolver) ignored(m *Match, c Condition, recipient uuid.UUID) {
	r.plan.Decisions = append(r.plan.Decisions, Decision{
		Rule: m.Rule.Name + "/" + string(c), Recipient: recipient, Reason: ReasonConditionIgnored,
	})
}

// candidates are the people selected so far.
type candidates struct {
	ordered []*candidate
	byID    map[uuid.UUID]*candidate
}

// add records that the rule selects the person.
func (all *candidates) add(id uuid.UUID, m *Match) {
	c := all.byID[id]
	if c == nil {
		c = &candidate{id: id}
		all.byID[id] = c
		all.ordered = append(all.ordered, c)
	}
	c.matches = append(c.matches, m)
}

// named adds the people that one rule selects, each once. A person excluded from one of its
// recipients may be selected by another.
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
			out, cause := m.Excludes(recipient, id)
			if out {
				left = append(left, Decision{Recipient: id, Reason: ReasonUnless})
				continue
			}
			if cause != "" {
				r.failed(m, Unless, cause)
				r.ignored(m, Unless, id)
			}
			all.add(id, m)
		}
	}
	switch {
	case roles && !held:
		empty = cmp.Or(empty, ReasonNobodyInRole)
	case team && !held:
		empty = cmp.Or(empty, ReasonNobodyOnCareTeam)
	}
	if empty != "" {
		r.skip(m, uuid.Nil, "", empty)
	}
	r.skipExcluded(m, left, all)
}

// skipExcluded records the people who were excluded and not selected otherwise, each once.
func (r *resolver) skipExcluded(m *Match, left []Decision, all *candidates) {
	if len(left) == 0 {
		return
	}
	seen := make(map[uuid.UUID]bool, len(left))
	for _, d := range left {
		if !seen[d.Recipient] && !all.byID[d.Recipient].namedBy(m) {
			seen[d.Recipient] = true
			r.skip(m, d.Recipient, "", d.Reason)
		}
	}
}

// find returns the people of a recipient, or the reason why there can be none. A role without
// holders is no reason yet: the rule may select others.
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
		return r.people.Holders[RoleKeyOf(*r.event.ClinicID, recipient.Role)], ""
	}
}

// notify decides each channel of one person.
func (r *resolver) notify(c *candidate, person *Person) {
	slices.SortStableFunc(c.matches, func(a, b *Match) int {
		return cmp.Compare(a.Rule.Priority.Rank(), b.Rule.Priority.Rank())
	})
	t := Notification{
		Recipient: c.id, Match: c.matches[0], HeldUntil: r.heldUntil(c.id, person),
		InAppOff: r.inAppOff(person, c.matches[0]),
	}
	why := cmp.Or(c.why, "rule ")
	for _, m := range c.matches {
		for _, channel := range m.Rule.Channels {
			if taken := t.on(channel); taken != nil {
				r.skip(m, c.id, channel, ReasonDuplicateOf+taken.Match.Rule.Name)
				continue
			}
			r.add(&t, person, m, channel, why+m.Rule.Name)
		}
	}
	r.complete(&t, person)
	r.plan.Notifications = append(r.plan.Notifications, t)
}

// complete adds the fallback channels of a notification whose channels are decided.
func (r *resolver) complete(t *Notification, person *Person) {
	if inApp := t.on(care.ChannelInApp); inApp != nil && !inApp.Suppressed {
		t.InAppOff = false // Another rule's category.
	}
	for i := range len(t.Messages) {
		if m := t.Messages[i]; m.Suppressed && m.Reason != ReasonTooLate {
			r.fallBack(t, person, t.Messages[i])
		}
	}
	for i := range t.Messages {
		t.Messages[i].Fallback = t.remaining(&t.Messages[i])
	}
}

// fallBack tries the rule's fallback channels, in their order, until a message is to be sent on one
// of them.
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

// add decides one channel. The message is suppressed if the channel cannot be used. Otherwise it
// goes into a digest, or waits for the end of the person's quiet hours, or is to be sent at once.
func (r *resolver) add(t *Notification, person *Person, m *Match, channel, reason string) *Message {
	d := Message{Channel: channel, Reason: reason, Match: m}
	if obstacle := r.obstacle(person, m, channel); obstacle != "" {
		d.Suppressed, d.Reason = true, obstacle
	} else if !t.HeldUntil.IsZero() {
		d.Reason = ReasonAwaitingReview
	} else if m.Rule.Priority != Critical && addressed(r.configured, channel) {
		r.postpone(&d, person)
	}
	t.Messages = append(t.Messages, d)
	return &t.Messages[len(t.Messages)-1]
}

// postpone decides whether a message that is to be sent is sent on its own, and when.
func (r *resolver) postpone(d *Message, person *Person) {
	m := d.Match
	if setting, _ := r.preference(person, m, d.Channel); setting == care.SettingDigest {
		d.Digest, d.Reason = r.dailyDigest(m, person), ReasonDailyDigest
		return
	}
	if d.Digest = r.digestOf(m, d.Channel); d.Digest != nil {
		d.Reason = ReasonDigest + m.Rule.Name
		return
	}
	if t := m.Rule.Throttle; t != nil {
		d.Overflow = &DigestRef{Key: "throttled/" + t.Key(m, d.Channel), DueAt: r.people.Due.Add(t.Per), Max: maxDigestMax}
	}
	if until, ok := r.quiet(person); ok {
		d.NotBefore, d.Reason = until, ReasonQuietHours
	}
}

// obstacle returns the reason why the person cannot be notified on the channel, or "".
func (r *resolver) obstacle(person *Person, m *Match, channel string) string {
	if off := switchedOff(r.preference(person, m, channel)); off != "" {
		return off
	}
	c, ok := r.configured.Lookup(channel)
	if !ok {
		return ReasonChannelNotConfigured
	}
	if channel != care.ChannelInApp && r.tooLate(m) {
		return ReasonTooLate
	}
	has, verified := person.address(c.Address)
	switch {
	case !has:
		return ReasonNoAddress
	case person.Suppressed[c.Address] != "" && m.Template != verificationTemplate:
		return ReasonSuppressed + person.Suppressed[c.Address]
	case !verified && !m.Rule.Unverified:
		return ReasonAddressUnverified
	}
	return ""
}

// tooLate reports whether the event is older than the rule's ttl.
func (r *resolver) tooLate(m *Match) bool {
	return !r.reconsidered && m.Rule.TTL > 0 && r.people.Now.Sub(r.event.Time) > m.Rule.TTL
}

// verificationTemplate is the template of codes that verify an address. They also go to a suppressed
// address, so that its owner can lift the suppression.
const verificationTemplate = "verification"

// address reports whether the person has an address of the kind, and whether the address is
// verified to be theirs. A device was registered by the person, signed in.
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

// on returns the message on the channel, or nil.
func (t *Notification) on(channel string) *Message {
	for i := range t.Messages {
		if t.Messages[i].Channel == channel {
			return &t.Messages[i]
		}
	}
	return nil
}

// remaining returns the fallback channels that are left if sending a message fails.
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
