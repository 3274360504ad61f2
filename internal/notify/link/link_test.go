package link_test

import (
	"bytes"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify/link"
)

func signer(t *testing.T) *link.Signer {
	t.Helper()
	s, err := link.New(bytes.Repeat([]byte{7}, 32), "https://clinic.example/")
	require.NoError(t, err)
	return s
}

func TestOpen_ReturnsAShortLinkThatParsesAgain(t *testing.T) {
	t.Parallel()
	s, id := signer(t), uuid.New()
	url := s.Open(id, 2)
	require.True(t, strings.HasPrefix(url, "https://clinic.example/l/"))
	token := path.Base(url)
	require.LessOrEqual(t, len(token), 40)
	got, err := s.ParseOpen(token)
	require.NoError(t, err)
	require.Equal(t, link.Opening{DeliveryID: id, Action: 2}, got)
}

func TestUnsubscribe_NamesThePersonAndTheCategory(t *testing.T) {
	t.Parallel()
	s, id := signer(t), uuid.New()
	got, err := s.ParseUnsubscribe(path.Base(s.Unsubscribe(id, "billing")))
	require.NoError(t, err)
	require.Equal(t, link.Subscription{UserID: id, Category: "billing"}, got)
	require.Empty(t, s.Unsubscribe(id, "unheard_of"))
}

func TestTokens_WithOneChangedCharacterAreInvalid(t *testing.T) {
	t.Parallel()
	s := signer(t)
	open, unsubscribe := path.Base(s.Open(uuid.New(), 0)), path.Base(s.Unsubscribe(uuid.New(), "chat"))
	for token, parse := range map[string]func(string) error{
		open:        func(token string) error { _, err := s.ParseOpen(token); return err },
		unsubscribe: func(token string) error { _, err := s.ParseUnsubscribe(token); return err },
	} {
		require.NoError(t, parse(token))
		for i := range token {
			for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n" {
				if changed := token[:i] + string(c) + token[i+1:]; changed != token {
					require.ErrorIs(t, parse(changed), link.ErrInvalid, changed)
				}
			}
		}
		for _, other := range []string{"", token[1:], token + "A", token + "=", token[:len(token)-1] + "\n" + token[len(token)-1:]} {
			require.ErrorIs(t, parse(other), link.ErrInvalid, other)
		}
	}
	_, err := s.ParseUnsubscribe(open)
	require.ErrorIs(t, err, link.ErrInvalid)
	other, err := link.New(bytes.Repeat([]byte{8}, 32), "")
	require.NoError(t, err)
	_, err = other.ParseOpen(open)
	require.ErrorIs(t, err, link.ErrInvalid, "another key")
}

func TestTokens_Expire(t *testing.T) {
	t.Parallel()
	s := signer(t)
	open, unsubscribe := path.Base(s.Open(uuid.New(), 0)), path.Base(s.Unsubscribe(uuid.New(), "chat"))
	in := func(days int) *link.Signer {
		return s.At(func() time.Time { return time.Now().AddDate(0, 0, days) })
	}
	_, err := in(29).ParseOpen(open)
	require.NoError(t, err)
	_, err = in(32).ParseOpen(open)
	require.ErrorIs(t, err, link.ErrExpired)
	_, err = in(364).ParseUnsubscribe(unsubscribe)
	require.NoError(t, err)
	_, err = in(367).ParseUnsubscribe(unsubscribe)
	require.ErrorIs(t, err, link.ErrExpired)
}

func TestNew_RefusesAShortKey(t *testing.T) {
	t.Parallel()
	_, err := link.New(make([]byte, 31), "")
	require.Error(t, err)
}
