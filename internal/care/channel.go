package care

import (
	"fmt"
	"regexp"
	"slices"
)

// AddressKind is the kind of address that a channel sends to. It decides which column or table of
// the schema holds the address; the SQL function user_address knows the same values.
type AddressKind string

// The kinds of address.
const (
	AddressEmail    AddressKind = "email"    // users.email
	AddressPhone    AddressKind = "phone"    // users.phone, in E.164 form
	AddressWhatsApp AddressKind = "whatsapp" // users.whatsapp, in E.164 form
	AddressDevices  AddressKind = "devices"  // The person's registered devices.
	AddressNone     AddressKind = "none"     // No address: everybody can be reached.
)

// MessageFormat is the form of the messages on a channel. It decides which section of a template
// they are rendered from.
type MessageFormat string

// The formats.
const (
	FormatEmail MessageFormat = "email" // The section email: subject, HTML and plain text.
	FormatPush  MessageFormat = "push"  // The section push: title and body.
	// FormatText is one text: the section sms, or else the body of the section push, and the link.
	FormatText MessageFormat = "text"
	// FormatSMS is FormatText with a limited number of segments.
	FormatSMS MessageFormat = "sms"
	// FormatWhatsApp is the section whatsapp: the provider's approved template and its variables.
	FormatWhatsApp MessageFormat = "whatsapp"
)

// Channel describes a way to send messages to people.
type Channel struct {
	// Name identifies the channel in rules, preferences, deliveries, queues and metrics.
	Name string
	// Address is the kind of address that a recipient must have.
	Address AddressKind
	// Format is the form of the messages.
	Format MessageFormat
	// RepeatSafe reports that receiving a message twice is harmless, because the second copy
	// replaces the first. A message that may have been sent is then sent again at once; on the
	// other channels only a critical one is.
	RepeatSafe bool
}

// TakesDigest reports whether a digest can be sent on the channel. Where no address is needed, the
// person looks when they like.
func (c Channel) TakesDigest() bool { return c.Address != AddressNone }

// Channels is a list of channels with distinct names. It must not be changed.
type Channels []Channel

// The names of the built-in channels.
const (
	ChannelEmail    = "email"
	ChannelPush     = "push"
	ChannelSMS      = "sms"
	ChannelWhatsApp = "whatsapp"
	ChannelInApp    = "inapp"
)

// BuiltinChannels lists the channels that rules and preferences can name in every installation. A
// channel without a provider is planned: a rule that names it is valid, and its messages are
// suppressed as channel_not_configured. An application adds its own channels with With.
var BuiltinChannels = Channels{
	{Name: ChannelEmail, Address: AddressEmail, Format: FormatEmail},
	{Name: ChannelPush, Address: AddressDevices, Format: FormatPush, RepeatSafe: true}, // Providers collapse by key.
	{Name: ChannelSMS, Address: AddressPhone, Format: FormatSMS},
	{Name: ChannelWhatsApp, Address: AddressWhatsApp, Format: FormatWhatsApp},
	{Name: ChannelInApp, Address: AddressNone, Format: FormatPush, RepeatSafe: true},
}

// channelName bounds names to what a queue, a metric label and a YAML list take without quoting.
// The constraint deliveries_channel_form has the same pattern.
var channelName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)

// Lookup returns the channel of that name and whether there is one.
func (all Channels) Lookup(name string) (Channel, bool) {
	for _, c := range all {
		if c.Name == name {
			return c, true
		}
	}
	return Channel{}, false
}

// Names returns the names, in the order of the list.
func (all Channels) Names() []string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Name
	}
	return names
}

// Named returns the channels of these names, in the order of the list. It ignores unknown names.
func (all Channels) Named(names ...string) Channels {
	var found Channels
	for _, c := range all {
		if slices.Contains(names, c.Name) {
			found = append(found, c)
		}
	}
	return found
}

// With returns the list with the channels added. One that has the name of a channel in the list
// replaces it.
func (all Channels) With(more ...Channel) Channels {
	merged := slices.Clone(all)
	for _, c := range more {
		if i := slices.IndexFunc(merged, func(known Channel) bool { return known.Name == c.Name }); i >= 0 {
			merged[i] = c
		} else {
			merged = append(merged, c)
		}
	}
	return merged
}

// Validate reports the first channel that has an invalid or duplicate name, or an unknown address
// kind or format.
func (all Channels) Validate() error {
	names := map[string]bool{}
	for _, c := range all {
		switch {
		case !channelName.MatchString(c.Name):
			return fmt.Errorf("invalid channel name %q; want %s", c.Name, channelName)
		case names[c.Name]:
			return fmt.Errorf("duplicate channel %q", c.Name)
		case !slices.Contains([]AddressKind{AddressEmail, AddressPhone, AddressWhatsApp, AddressDevices, AddressNone}, c.Address):
			return fmt.Errorf("channel %q: unknown address kind %q; want one of email, phone, whatsapp, devices, none", c.Name, c.Address)
		case !slices.Contains([]MessageFormat{FormatEmail, FormatPush, FormatText, FormatSMS, FormatWhatsApp}, c.Format):
			return fmt.Errorf("channel %q: unknown format %q; want one of email, push, text, sms, whatsapp", c.Name, c.Format)
		}
		names[c.Name] = true
	}
	return nil
}
