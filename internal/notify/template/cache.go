package template

import (
	"fmt"
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// maxRendered bounds the messages that a set keeps, and maxRenderedSize the size of one in bytes: at
	// most 4 MB for a set.
	maxRendered     = 256
	maxRenderedSize = 16 << 10
	// minToken is the length of the shortest end of a link that counts as a token.
	minToken = 16
)

// placeholders stand for the tokens of a message's links in a cached message: that of the message,
// and those of its buttons. They have only characters that a token has, so that no escaping changes
// them.
var placeholders = func() (all [1 + MaxActions]string) {
	for i := range all {
		all[i] = fmt.Sprintf("carewire-placeholder-of-link-%d-", i)
	}
	return all
}()

// cacheKey has everything that a cached message depends on besides the tokens of its links.
type cacheKey struct {
	name, channel, locale                       string
	eventType, thing, action, priority, appName string
	count                                       int
	brand                                       Brand
	// bases are the links without their tokens.
	bases [1 + MaxActions]string
}

// cached are the messages that a set has rendered, with placeholders. Most messages of a template
// differ only in their links, and rendering an email costs 100 times as much as filling them in.
type cached = lru.Cache[cacheKey, Content]

func newCache() *cached {
	c, err := lru.New[cacheKey, Content](maxRendered)
	if err != nil {
		panic(err) // The size is positive.
	}
	return c
}

// tokens are the ends of a message's links that are its own.
type tokens [1 + MaxActions]string

// cacheKey returns the key of a message and the tokens of its links. It is false for a message that
// is not cached: one with a secret, a time or items, or with a link of another form.
func (m *message) cacheKey(name, channel, locale string, data *Data) (k cacheKey, own tokens, ok bool) {
	if data.Code != "" || m.dated || len(data.Items) > 0 {
		return k, own, false
	}
	k = cacheKey{
		name: name, channel: channel, locale: locale, eventType: data.EventType, thing: data.Thing, action: data.Action,
		priority: data.Priority, appName: data.AppName, count: max(data.Count, 1), brand: data.Brand,
	}
	if k.bases[0], own[0], ok = cutToken(data.Link); !ok {
		return k, own, false
	}
	for i, a := range m.actions {
		if a.path == "" {
			continue // It has the message's link.
		}
		if k.bases[i+1], own[i+1], ok = cutToken(data.actionLink(i+1, a.path)); !ok {
			return k, own, false
		}
	}
	return k, own, true
}

// cutToken cuts a link before its last part, which must have the characters of base64url.
func cutToken(link string) (base, token string, ok bool) {
	at := strings.LastIndexByte(link, '/') + 1
	base, token = link[:at], link[at:]
	if len(token) < minToken {
		return "", "", false
	}
	for _, c := range []byte(token) {
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", "", false
		}
	}
	return base, token, true
}

// withPlaceholders returns the data with placeholders instead of the tokens.
func (k *cacheKey) withPlaceholders(data Data) Data {
	bases := k.bases
	data.Link = bases[0] + placeholders[0]
	data.ActionLink = func(button int, _ string) string { return bases[button] + placeholders[button] }
	return data
}

// fill returns the message with the tokens of its links.
func (c Content) fill(own *tokens) Content {
	in := func(s string) string {
		for i, token := range own {
			if token != "" {
				s = strings.ReplaceAll(s, placeholders[i], token)
			}
		}
		return s
	}
	c.Subject, c.Text, c.HTML, c.Title, c.Body = in(c.Subject), in(c.Text), in(c.HTML), in(c.Title), in(c.Body)
	c.Actions = slices.Clone(c.Actions)
	for i := range c.Actions {
		c.Actions[i].Link = in(c.Actions[i].Link)
	}
	if c.Approved != nil {
		a := *c.Approved
		a.Button, a.Variables = in(a.Button), slices.Clone(a.Variables)
		for i := range a.Variables {
			a.Variables[i] = in(a.Variables[i])
		}
		c.Approved = &a
	}
	return c
}

// size returns roughly how much memory the message takes, in bytes.
func (c Content) size() int {
	return len(c.Subject) + len(c.Text) + len(c.HTML) + len(c.Title) + len(c.Body)
}
