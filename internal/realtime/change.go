package realtime

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// change is what an event does to somebody's rights or sockets: mostly the person's whom it is about, for a care team the
// member's.
type change struct {
	kind changeKind
	// user is whose rights change. It is zero only for an unreadable change that may be anybody's.
	user uuid.UUID
	// membership is what was granted or revoked.
	membership care.Membership
	// patient and clinic say which care team was joined or left.
	patient, clinic uuid.UUID
	// conversation is the one that was left.
	conversation uuid.UUID
	// session is the browser's session that was closed.
	session uuid.UUID
}

type changeKind int

const (
	granted changeKind = iota
	revoked
	disabled
	joined
	left
	leftConversation
	sessionClosed
	// unreadable is a change whose event does not say what it changes. Nobody keeps a right that it may have taken: the
	// person's sockets close and begin again with the rights of then; where it is not known whose they are, everybody's are
	// read again.
	unreadable
)

// changing are the types that change rights or end sockets.
var changing = map[string]changeKind{
	"user.disabled": disabled, "user.deceased": disabled, "user.sign_in_unlinked": disabled, "membership.granted": granted, "membership.revoked": revoked, "care_team.joined": joined, "care_team.left": left,
	"chat.participant_left": leftConversation, "session.closed": sessionClosed,
}

// changeOf returns what the event does to rights, nil for nothing. With an error the change is unreadable.
func changeOf(n *entry, e *event.Event) (*change, error) {
	kind, ok := changing[e.Type]
	if !ok {
		return nil, nil //nolint:nilnil // Most events change nothing.
	}
	c := &change{kind: kind, user: n.person, conversation: n.conversation}
	err := c.read(n, e)
	if err == nil && c.user == uuid.Nil {
		err = errors.New("it does not say whose rights it changes")
	}
	if err != nil {
		return &change{kind: unreadable, user: c.user}, fmt.Errorf("read %s: %w", e.Type, err)
	}
	return c, nil
}

// read takes from the event's data what it changes. Data that is JSON but does not say so is an error too: a right that
// cannot be found would stay.
func (c *change) read(n *entry, e *event.Event) error {
	switch c.kind {
	case joined, left:
		c.user = uuid.Nil // The person is the patient.
	case leftConversation:
		if c.conversation == uuid.Nil {
			return errors.New("its subject is no conversation")
		}
		return nil
	case disabled:
		return nil
	default:
	}
	data, err := e.Decode()
	if err != nil {
		return err
	}
	whole := false
	switch data := data.(type) {
	case event.CareTeam:
		c.user, c.patient, c.clinic = data.MemberID, data.UserID, data.ClinicID
		whole = c.patient != uuid.Nil && c.clinic != uuid.Nil
	case event.Membership:
		c.membership = care.Membership{ClinicID: data.ClinicID, Role: care.Role(data.Role)}
		whole = data.Role != "" && data.UserID == n.person && equal(data.ClinicID, e.ClinicID)
	case event.Session:
		c.session = data.SessionID
		whole = c.session != uuid.Nil && data.UserID == n.person
	}
	if !whole {
		return errors.New("its data does not say what it changes")
	}
	return nil
}

// ofEverybody reports whether the change may be to anybody's rights.
func (c *change) ofEverybody() bool { return c != nil && c.kind == unreadable && c.user == uuid.Nil }

// ending is why and how a session is closed.
type ending struct {
	code   int
	reason string
}

var (
	endDisabled   = &ending{closeForbidden, "the account is disabled or closed, or its sign-in was taken away"}
	endSession    = &ending{closeExpired, "the session has ended: sign in again"}
	endUnreadable = &ending{closeRestart, "your rights have changed: connect again"}
)

// ends returns how the change closes the session; nil where it does not.
func (c *change) ends(s *session) *ending {
	if c.user != s.user {
		return nil
	}
	switch c.kind {
	case disabled:
		return endDisabled
	case sessionClosed:
		if c.session == s.id {
			return endSession
		}
	case unreadable:
		return endUnreadable
	default:
	}
	return nil
}
