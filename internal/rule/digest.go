package rule

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Digest collects the messages of a rule and sends them as one.
type Digest struct {
	// Window is the time from the first message to the digest.
	Window time.Duration
	// Key are the parts of the key in addition to the recipient, the clinic and the channel: messages
	// with the same values are collected together.
	Key []DigestPart
	// Max is the number of messages at which the digest is sent before the end of its window.
	Max int
	// Channels are the channels that it collects; empty means every channel with an address.
	Channels []string
}

// DigestPart is a part of the key of a digest.
type DigestPart string

// The parts of a key. Recipient is in each key.
const (
	PartRecipient DigestPart = "recipient"
	PartCategory  DigestPart = "category"
	PartRule      DigestPart = "rule"
	PartType      DigestPart = "type"
	PartSubject   DigestPart = "subject"
)

var digestParts = []DigestPart{PartRecipient, PartCategory, PartRule, PartType, PartSubject}

const (
	minWindow = time.Minute
	maxWindow = 7 * 24 * time.Hour
	// defaultDigestMax is the number of items that fit into an email that people still read.
	defaultDigestMax = 50
	maxDigestMax     = 500
)

// DigestRef is the digest that a message goes into.
type DigestRef struct {
	// Key identifies the open digest, together with the recipient, the clinic and the channel.
	Key string
	// DueAt is when the digest is sent, if this message opens it.
	DueAt time.Time
	Max   int
}

// digestOf returns the digest of a rule for a message, or nil.
func (r *resolver) digestOf(m *Match, channel string) *DigestRef {
	d := m.Rule.Digest
	if d == nil || (len(d.Channels) > 0 && !slices.Contains(d.Channels, channel)) {
		return nil
	}
	parts := make([]string, 0, len(d.Key))
	for _, part := range d.Key {
		switch part {
		case PartRecipient: // In a column of its own.
		case PartCategory:
			parts = append(parts, "category:"+string(m.Category))
		case PartRule:
			parts = append(parts, "rule:"+m.Rule.Name)
		case PartType:
			parts = append(parts, "type:"+r.event.Type)
		case PartSubject:
			parts = append(parts, "subject:"+r.event.Subject)
		}
	}
	return &DigestRef{Key: strings.Join(parts, " "), DueAt: r.people.Due.Add(d.Window), Max: d.Max}
}

// dailyDigest returns the person's daily digest of a category, which is sent at their hour.
func (r *resolver) dailyDigest(m *Match, person *Person) *DigestRef {
	zone := r.people.zoneOf(person, r.event.ClinicID)
	now := r.people.Due.In(zone)
	wall := time.Date(now.Year(), now.Month(), now.Day(), person.DigestHour, 0, 0, 0, time.UTC)
	at := care.WallTime(wall, zone)
	if !at.After(now) {
		at = care.WallTime(wall.AddDate(0, 0, 1), zone)
	}
	return &DigestRef{Key: "daily:" + string(m.Category), DueAt: at, Max: maxDigestMax}
}

// DigestItem is an item of a digest that is due.
type DigestItem struct {
	Event *event.Event
	Match *Match
}

// Closing is what becomes of a digest that is due.
type Closing struct {
	// LeftOut has the reason for leaving an item out, for each item; empty for those that are sent.
	LeftOut []string
	// Suppressed is the reason for sending nothing although there are items, or empty.
	Suppressed string
	// NotBefore is the end of the person's quiet hours, until which the digest waits with all of its
	// items; zero if it does not.
	NotBefore time.Time
}

// CloseDigest decides again about the items of a digest, in the order in which they were added. An
// item is left out if the person may not be notified of its event any more, or has switched its
// category off. Without a usable address nothing is sent.
func CloseDigest(recipient uuid.UUID, channel string, items []DigestItem, people *People, configured care.Channels) Closing {
	person := people.ByID[recipient]
	c := Closing{LeftOut: make([]string, len(items))}
	unreached := make([]string, len(items))
	var last *resolver
	reached := false
	for i, item := range items {
		r := &resolver{event: item.Event, matches: []Match{*item.Match}, people: people, configured: configured, reconsidered: true}
		reason := r.barred(recipient, person)
		if reason == "" {
			reason = r.obstacle(person, item.Match, channel)
			if unreachable(reason) {
				reason, unreached[i] = "", reason
			}
		}
		c.LeftOut[i] = reason
		if reason == "" {
			last = r
			reached = reached || unreached[i] == ""
			c.Suppressed = unreached[i]
		}
	}
	if !reached {
		return c
	}
	c.Suppressed = ""
	for i, reason := range unreached { // Only some rules may use an unverified address.
		c.LeftOut[i] = cmp.Or(c.LeftOut[i], reason)
	}
	if until, ok := last.quiet(person); ok {
		c.NotBefore = until
	}
	return c
}

// unreachable reports whether the reason is that the person cannot be reached on the channel,
// whatever the message is about.
func unreachable(reason string) bool {
	switch reason {
	case ReasonNoAddress, ReasonAddressUnverified, ReasonChannelNotConfigured:
		return true
	}
	return strings.HasPrefix(reason, ReasonSuppressed)
}

// addressed reports whether a channel reaches a person outside of the app: one that has a digest,
// a throttle and quiet hours.
func addressed(configured care.Channels, channel string) bool {
	c, ok := configured.Lookup(channel)
	return ok && c.Address != care.AddressNone
}
