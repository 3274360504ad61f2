// Package ruletest returns the plan of a rule set for one event: who is notified on which channel
// by which rule, who is not, and why. It needs no database. It runs the planner's functions,
// rule.Parse, Set.Match and rule.Resolve, with the people that the test describes in place of the
// directory.
//
//	plan := ruletest.Plan(t, rules, e, ruletest.People(
//		ruletest.Person{Name: "ada", ID: patient},
//		ruletest.Person{Name: "doc", ID: doctor, Roles: []care.Role{care.Doctor}, NoDevice: true},
//	))
//	plan.Require(t,
//		"ada push normal: rule record-created",
//		"doc push not: no_address",
//	)
package ruletest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
)

// Person is a possible recipient. People who are not described are unknown. By default a person can
// be reached on every channel and has switched nothing off.
type Person struct {
	// Name identifies the person in the plan.
	Name string
	ID   uuid.UUID
	// Roles are held at the event's clinic.
	Roles []care.Role
	// OnCareTeam reports that the person is on the care team of the person that the event is about,
	// TakesPart that they take part in its conversation, which is about that person.
	OnCareTeam, TakesPart bool
	// Off are the category/channel pairs that the person switched off, such as "clinical/email".
	Off []string

	Disabled        bool
	Deceased        bool
	NoDevice        bool
	NoPhone         bool
	EmailUnverified bool
	PhoneUnverified bool
}

// Option describes the circumstances of the event.
type Option func(*world)

type world struct {
	people     []Person
	channels   care.Channels
	configured care.Channels
	known      rule.Known
	heldUntil  time.Time
	late       time.Duration
}

// People adds possible recipients.
func People(people ...Person) Option {
	return func(w *world) { w.people = append(w.people, people...) }
}

// Channels sets the channels that the installation has a provider for; the default is every known
// one but inapp.
func Channels(configured ...string) Option {
	return func(w *world) { w.configured = w.channels.Named(configured...) }
}

// KnownChannels adds channels that the application registers. They are configured.
func KnownChannels(more ...care.Channel) Option {
	return func(w *world) {
		w.channels, w.configured = w.channels.With(more...), w.configured.With(more...)
		w.known.Channels = w.channels.Names()
	}
}

// Held sets the time until which the event's record is held from its patient, as no clinician has
// seen its critical finding.
func Held(until time.Time) Option { return func(w *world) { w.heldUntil = until } }

// Late plans the event so long after its time; the default is at once.
func Late(by time.Duration) Option { return func(w *world) { w.late = by } }

// Templates sets the templates that the rules are checked against, such as Templates.Has of
// template.Default; by default every template exists.
func Templates(has func(name, channel string) bool) Option {
	return func(w *world) { w.known.Template = has }
}

// Planned is the resulting plan.
type Planned struct {
	rule.Plan

	names map[uuid.UUID]string
}

// Plan checks the rule set, as `carewire rules check` does, and returns its plan for the event. A
// set with mistakes fails the test with all of them.
func Plan(tb testing.TB, rules []byte, e event.Event, options ...Option) *Planned {
	tb.Helper()
	all := care.BuiltinChannels
	w := world{channels: all, configured: all.Named("email", "push", "sms", "whatsapp"), known: rule.Known{Channels: all.Names()}}
	for _, option := range options {
		option(&w)
	}
	set, err := rule.Parse(rules, w.known)
	if err != nil {
		tb.Fatalf("invalid rule set:\n%v", err)
	}
	if d, ok := event.Lookup(e.Type); !ok || !d.RuleVisible {
		tb.Fatalf("rules never see %s: it is not in the catalog, or not for rules", e.Type)
	}
	p := &Planned{names: map[uuid.UUID]string{}}
	for _, person := range w.people {
		if person.ID == uuid.Nil || person.Name == "" || p.names[person.ID] != "" {
			tb.Fatalf("person %q: give each a name and an id of their own", person.Name)
		}
		p.names[person.ID] = person.Name
	}
	p.Plan = rule.Resolve(&e, set.Match(e), w.directory(&e), w.configured)
	return p
}

// directory returns the data that the planner would have loaded. Holders of a role and members of a
// care team are in the order of their ids, as there.
func (w *world) directory(e *event.Event) *rule.People {
	found := &rule.People{
		ByID: map[uuid.UUID]*rule.Person{}, Holders: map[rule.RoleKey][]uuid.UUID{}, Members: map[rule.Team][]uuid.UUID{}, Held: map[string]time.Time{},
	}
	found.Now = e.Time.Add(w.late)
	if !w.heldUntil.IsZero() {
		found.Held[e.Subject] = w.heldUntil
	}
	ordered := slices.SortedFunc(slices.Values(w.people), func(a, b Person) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	for _, p := range ordered {
		found.ByID[p.ID] = p.inDirectory(e)
		if e.ClinicID == nil {
			continue
		}
		for _, role := range p.Roles {
			key := rule.RoleKeyOf(*e.ClinicID, role)
			found.Holders[key] = append(found.Holders[key], p.ID)
		}
		if p.OnCareTeam && e.PersonID != nil {
			team := rule.TeamOf(*e.ClinicID, *e.PersonID)
			found.Members[team] = append(found.Members[team], p.ID)
		}
	}
	return found
}

func (p *Person) inDirectory(e *event.Event) *rule.Person {
	person := &rule.Person{
		Active: !p.Disabled, Deceased: p.Deceased, EmailVerified: !p.EmailUnverified, HasPhone: !p.NoPhone, PhoneVerified: !p.PhoneUnverified,
		HasWhatsApp: !p.NoPhone, WhatsAppVerified: !p.PhoneUnverified,
		HasDevice: !p.NoDevice, Settings: care.PersonSettings{}, DigestHour: care.DefaultDigestHour,
	}
	for _, pair := range p.Off {
		category, channel, _ := strings.Cut(pair, "/")
		person.Settings.Set(uuid.Nil, care.SettingKey{Category: category, Channel: channel}, care.SettingOff)
	}
	own := e.PersonID != nil && *e.PersonID == p.ID
	if conversation, ok := rule.ConversationIn(e); ok && (p.TakesPart || own) {
		person.Conversations = []string{rule.ConversationOf(conversation, own)}
	}
	if e.ClinicID == nil {
		return person
	}
	for _, role := range p.Roles {
		person.RoleKeys = append(person.RoleKeys, string(rule.RoleKeyOf(*e.ClinicID, role)))
	}
	if p.OnCareTeam && e.PersonID != nil {
		person.Teams = []string{string(rule.TeamOf(*e.ClinicID, *e.PersonID))}
	}
	return person
}

// Lines returns the plan with one line for each decision: a message ("name channel priority:
// reason"), a held message ("name channel later: reason"), a suppressed message ("name channel not:
// reason"), and a decision of a rule not to send ("name channel not by rule: reason", with - if it
// concerns everybody or every channel). The reasons are those that the planner stores.
func (p *Planned) Lines() []string {
	lines := []string{}
	for _, t := range p.Notifications {
		for _, m := range t.Messages {
			how := string(m.Match.Rule.Priority)
			switch {
			case m.Suppressed:
				how = "not"
			case !t.HeldUntil.IsZero():
				how = "later"
			}
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", p.name(t.Recipient), m.Channel, how, m.Reason))
		}
	}
	for _, r := range p.Decisions {
		channel := r.Channel
		if channel == "" {
			channel = "-"
		}
		lines = append(lines, fmt.Sprintf("%s %s not by %s: %s", p.name(r.Recipient), channel, r.Rule, r.Reason))
	}
	return lines
}

func (p *Planned) name(id uuid.UUID) string {
	if id == uuid.Nil {
		return "-"
	}
	if name := p.names[id]; name != "" {
		return name
	}
	return id.String()
}

// Require fails the test unless the plan is these Lines, in their order.
func (p *Planned) Require(tb testing.TB, lines ...string) {
	tb.Helper()
	if diff := cmp.Diff(append([]string{}, lines...), p.Lines()); diff != "" {
		tb.Fatalf("unexpected plan (-want +got):\n%s", diff)
	}
}

// Template returns the name of the template of the message to the person on the channel, or "" if
// none is sent.
func (p *Planned) Template(id uuid.UUID, channel string) string {
	for _, t := range p.Notifications {
		for _, m := range t.Messages {
			if t.Recipient == id && m.Channel == channel && !m.Suppressed {
				return m.Match.Template
			}
		}
	}
	return ""
}
