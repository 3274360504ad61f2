// Package ruletest tells a test what a rule set comes to for one event: who is told on which channel by which rule, who
// is not, and why. It needs no database; what it runs is what the planner runs, rule.Parse, Set.Match and rule.Resolve,
// with the people that the test describes in place of the directory.
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
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/rule"
)

// Person is somebody whom the rules may name. Whoever is not described is unknown. The zero value but for Name and ID can
// be reached on every channel, and has switched nothing off.
type Person struct {
	// Name is what the plan calls the person.
	Name string
	ID   uuid.UUID
	// Roles are held at the event's clinic.
	Roles []care.Role
	// OnCareTeam says that the person is on the care team of whom the event is about, TakesPart that they take part in its
	// conversation, which is about that person.
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

// Option describes the world that an event happens in.
type Option func(*world)

type world struct {
	people     []Person
	channels   care.Channels
	configured care.Channels
	known      rule.Known
	heldUntil  time.Time
}

// People are those whom the rules may name.
func People(people ...Person) Option {
	return func(w *world) { w.people = append(w.people, people...) }
}

// Channels sets the channels that the installation has a provider for; the default is every known one but inapp.
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

// Held has the event's record withheld from its patient until then, as no clinician has seen its critical finding.
func Held(until time.Time) Option { return func(w *world) { w.heldUntil = until } }

// Templates has the rules checked against the templates there are, such as those of notify.DefaultTemplates; by default
// any template is taken to be there.
func Templates(has func(name, channel string) bool) Option {
	return func(w *world) { w.known.Template = has }
}

// Planned is what the rules come to.
type Planned struct {
	rule.Plan

	names map[uuid.UUID]string
}

// Plan checks the rule set, as `carewire rules check` does, and gives what it comes to for the event. A set with mistakes
// fails the test with all of them.
func Plan(tb testing.TB, rules []byte, e event.Event, options ...Option) *Planned {
	tb.Helper()
	all := care.BuiltinChannels
	w := world{channels: all, configured: all.Named("email", "push", "sms", "whatsapp"), known: rule.Known{Channels: all.Names()}}
	for _, option := range options {
		option(&w)
	}
	set, err := rule.Parse(rules, w.known)
	if err != nil {
		tb.Fatalf("the rule set is not right:\n%v", err)
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

// directory is what the planner would have been told. Holders of a role and members of a care team come in the order of their
// ids there.
func (w *world) directory(e *event.Event) *rule.People {
	found := &rule.People{
		ByID: map[uuid.UUID]*rule.Person{}, Holders: map[rule.RoleKey][]uuid.UUID{}, Members: map[rule.Team][]uuid.UUID{}, Held: map[string]time.Time{},
	}
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
			post := rule.PostOf(*e.ClinicID, role)
			found.Holders[post] = append(found.Holders[post], p.ID)
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
		HasDevice: !p.NoDevice, Off: p.Off,
	}
	own := e.PersonID != nil && *e.PersonID == p.ID
	if conversation, ok := rule.ConversationIn(e); ok && (p.TakesPart || own) {
		person.Conversations = []string{rule.ConversationOf(conversation, own)}
	}
	if e.ClinicID == nil {
		return person
	}
	for _, role := range p.Roles {
		person.Posts = append(person.Posts, string(rule.PostOf(*e.ClinicID, role)))
	}
	if p.OnCareTeam && e.PersonID != nil {
		person.Teams = []string{string(rule.TeamOf(*e.ClinicID, *e.PersonID))}
	}
	return person
}

// Lines gives the plan, a line a decision: who is told ("name channel priority: reason"), who is told later ("name channel later: reason"), whom a channel cannot reach
// ("name channel not: reason"), and what a rule did not do ("name channel not by rule: reason", with - for nobody and for
// every channel). The reasons are those that the planner stores.
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
		tb.Fatalf("the rules come to something else (-wanted +planned):\n%s", diff)
	}
}

// Template gives the name of the template of the message to the person on the channel, or nothing where none is sent.
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
