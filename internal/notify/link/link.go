// Package link signs and verifies the links in messages: short deep links, and the one-click
// unsubscribe links of RFC 8058. A token contains ids and an expiry, and nothing about content.
// Everything of a token is signed: a token with one changed character is invalid.
//
// A token is not encrypted and is not a credential: what a deep link leads to requires signing in,
// and an unsubscribe link can only turn messages off.
package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// Path is the prefix of deep links, before the token.
	Path = "/l/"
	// UnsubscribePath is that of links with which people unsubscribe.
	UnsubscribePath = "/unsubscribe/"

	// openLife and unsubscribeLife are how long links work, in days.
	openLife        = 30
	unsubscribeLife = 365

	// A deep link is 30 bytes, which base64 encodes as 40 characters without padding: with a domain
	// of 20 characters it takes half a text message. 11 bytes of MAC are 88 bits, which cannot be
	// guessed over HTTP.
	openMAC = 11
	// An unsubscribe link is in a header, where length does not matter.
	unsubscribeMAC = 17

	minKey = 32
)

// The errors of tokens.
var (
	// ErrInvalid reports a token that was not signed with the key, or was changed.
	ErrInvalid = errors.New("invalid link")
	// ErrExpired reports a token that was valid and is too old.
	ErrExpired = errors.New("expired link")
)

// categories are the categories that an unsubscribe link can name, by their number in a token. New
// ones are only added at the end.
var categories = []string{"clinical", "appointment", "billing", "account", "chat", "system"}

// encoding has exactly one text for each token: Strict rejects unused bits.
var encoding = base64.RawURLEncoding.Strict()

// Signer signs and verifies links. It is safe for concurrent use.
type Signer struct {
	key  []byte
	base string
	now  func() time.Time
}

// New returns a Signer for links below the base URL, which has no slash at the end. The key has at
// least 32 bytes, and is the same on all instances.
func New(key []byte, base string) (*Signer, error) {
	if len(key) < minKey {
		return nil, errors.New("link: the key must have at least 32 bytes")
	}
	return &Signer{key: slices.Clone(key), base: strings.TrimSuffix(base, "/"), now: time.Now}, nil
}

// At returns a Signer with another clock, for tests.
func (s *Signer) At(now func() time.Time) *Signer {
	return &Signer{key: s.key, base: s.base, now: now}
}

// Opening is the content of a deep link.
type Opening struct {
	DeliveryID uuid.UUID
	// Action is the number of the button; 0 is the message itself.
	Action int
}

// Open returns the deep link of a message's button; action 0 is the message itself. It works for 30
// days.
func (s *Signer) Open(deliveryID uuid.UUID, action int) string {
	b := append(make([]byte, 0, 30), deliveryID[:]...)
	b = append(b, byte(action)) // A message has at most three buttons.
	b = binary.BigEndian.AppendUint16(b, s.expiry(openLife))
	return s.base + Path + s.token("open", b, openMAC)
}

// ParseOpen returns the content of a deep link's token. The errors are ErrInvalid and ErrExpired;
// with ErrExpired the content is returned too.
func (s *Signer) ParseOpen(token string) (Opening, error) {
	b, err := s.verify("open", token, 19, openMAC)
	if err != nil {
		return Opening{}, err
	}
	return Opening{DeliveryID: uuid.UUID(b[:16]), Action: int(b[16])}, s.expired(b[17:])
}

// Subscription is the content of an unsubscribe link.
type Subscription struct {
	UserID   uuid.UUID
	Category string
}

// Unsubscribe returns the link with which a person turns the emails of a category off, or "" for a
// category without preference. It works for a year.
func (s *Signer) Unsubscribe(userID uuid.UUID, category string) string {
	i := slices.Index(categories, category)
	if i < 0 {
		return ""
	}
	b := append(make([]byte, 0, 36), userID[:]...)
	b = append(b, byte(i)) // The index of a short list.
	b = binary.BigEndian.AppendUint16(b, s.expiry(unsubscribeLife))
	return s.base + UnsubscribePath + s.token("unsubscribe", b, unsubscribeMAC)
}

// ParseUnsubscribe returns the content of an unsubscribe link's token. The errors are ErrInvalid and
// ErrExpired; with ErrExpired the content is returned too.
func (s *Signer) ParseUnsubscribe(token string) (Subscription, error) {
	b, err := s.verify("unsubscribe", token, 19, unsubscribeMAC)
	if err != nil || int(b[16]) >= len(categories) {
		return Subscription{}, ErrInvalid
	}
	return Subscription{UserID: uuid.UUID(b[:16]), Category: categories[b[16]]}, s.expired(b[17:])
}

// expiry returns the day after which a link no longer works, counted from 1970.
func (s *Signer) expiry(days int64) uint16 {
	return uint16(s.now().Unix()/86400 + days) // Until the year 2149.
}

func (s *Signer) expired(day []byte) error {
	if s.now().Unix()/86400 > int64(binary.BigEndian.Uint16(day)) {
		return ErrExpired
	}
	return nil
}

// token returns the text of content and its MAC.
func (s *Signer) token(purpose string, content []byte, size int) string {
	return encoding.EncodeToString(append(content, s.mac(purpose, content)[:size]...))
}

// verify returns the content of a token of a purpose.
func (s *Signer) verify(purpose, token string, length, size int) ([]byte, error) {
	if len(token) != encoding.EncodedLen(length+size) {
		return nil, ErrInvalid
	}
	b, err := encoding.DecodeString(token)
	if err != nil || !hmac.Equal(b[length:], s.mac(purpose, b[:length])[:size]) {
		return nil, ErrInvalid
	}
	return b[:length], nil
}

// mac separates purposes, so that a token of one is invalid for the other.
func (s *Signer) mac(purpose string, content []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write(content)
	return h.Sum(nil)
}
