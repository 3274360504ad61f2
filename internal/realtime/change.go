package realtime

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// change is the effect of an event on a person's rights or sockets. The person is usually the one
// that the event is about; for a care team, the member.
type change struct {
	kind changeKind
	// user is the person with the changed rights. It is zero only for an unreadable change that
	// may concern anyone.
	user uuid.UUID
	// membership is the granted or revoked membership.
	membership care.Membership
	// patient and clinic identify the care team that was joined or left.
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
	// unreadable is a change that cannot be read from its event. No session keeps a right that it
	// may have revoked: the person's sockets close and reconnect with the current rights. If the
	// person is unknown, the rights of every session are read again.
	unreadable
)

// changing maps event types to their effect on rights or sockets.
var changing = map[string]changeKind{
	"user.disabled": disabled, "user.deceased": disabled, "user.sign_in_unlinked": disabled, "membership.granted": granted, "membership.revoked": revoked, "care_team.joined": joined, "care_team.left": left,
	"chat.participant_left": leftConversation, "session.closed": sessionClosed,
}

// changeOf returns the event's change of rights, or nil if there is none. If there is an error, the
// change is unreadable.
func changeOf(n *entry, e *event.Event) (*change, error) {
	kind, ok := changing[e.Type]
	if !ok {
		return nil, nil //nolint:nilnil // Most events change nothing.
	}
	c := &change{kind: kind, user: n.person, conversation: n.conversation}
	err := c.read(n, e)
	if err == nil && c.user == uuid.Nil {
		err = errors.New("the event has no person with changed rights")
	}
	if err != nil {
		return &change{kind: unreadable, user: c.user}, fmt.Errorf("read %s: %w", e.Type, err)
	}
	return c, nil
}

// read reads the change from the event's data. Incomplete data is an error too: a right that cannot
// be identified would remain.
func (c *change) read(n *entry, e *event.Event) error {
	switch c.kind {
	case joined, left:
		c.user = uuid.Nil // The person is the patient.
	case leftConversation:
		if c.conversation == uuid.Nil {
			return errors.New("the subject is not a conversation")
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
	complete := false
	switch data := data.(type) {
	case event.CareTeam:
		c.user, c.patient, c.clinic = data.MemberID, data.UserID, data.ClinicID
		complete = c.patient != uuid.Nil && c.clinic != uuid.Nil
	case event.Membership:
		c.membership = care.Membership{ClinicID: data.ClinicID, Role: care.Role(data.Role)}
		complete = data.Role != "" && data.UserID == n.person && care.EqualPtr(data.ClinicID, e.ClinicID)
	case event.Session:
		c.session = data.SessionID
		complete = c.session != uuid.Nil && data.UserID == n.person
	}
	if !complete {
		return errors.New("the data is incomplete")
	}
	return nil
}

// ofEveryone reports whether the change may be to anyone's rights.
func (c *change) ofEveryone() bool { return c != nil && c.kind == unreadable && c.user == uuid.Nil }

// ending is the close code and reason of a session.
type ending struct {
	code   int
	reason string
}

var (
	endDisabled   = &ending{closeForbidden, "the account is disabled or closed, or its sign-in was unlinked"}
	endSession    = &ending{closeExpired, "the session has ended: sign in again"}
	endUnreadable = &ending{closeRestart, "your rights have changed: reconnect"}
)

// ends returns the session's ending by the change, or nil if the session continues.
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
