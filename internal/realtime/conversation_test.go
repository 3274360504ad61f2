package realtime_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/realtime"
)

// follow subscribes to the conversation's room.
func (c *client) follow(conversation uuid.UUID) {
	c.t.Helper()
	c.says(ask{Type: "subscribe", ID: "c", Room: "conversation:" + conversation.String()})
	require.Equal(c.t, frame{Type: "subscribed", ID: "c", Room: "conversation:" + conversation.String()}, c.control())
}

func TestConversation_ShowsEachEventOnceAndOnlyInItsRoom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conversation, other := b.converse(t), b.converse(t)
	inside := map[uuid.UUID]*client{b.patient: b.dial(t, b.patient), b.doctor: b.dial(t, b.doctor)}
	for _, c := range inside {
		c.follow(conversation)
	}
	// The nurse takes part and has not joined the room; the doctor is in the patient's room as
	// well.
	outside := map[uuid.UUID]*client{b.nurse: b.dial(t, b.nurse), b.receptionist: b.dial(t, b.receptionist), b.stranger: b.dial(t, b.stranger)}
	inside[b.doctor].says(ask{Type: "subscribe", ID: "p", Room: "patient:" + b.patient.String()})
	require.Equal(t, "subscribed", inside[b.doctor].control().Type)

	written, elsewhere := b.message(conversation), b.message(other)
	joined, marks := b.moved("joined", conversation, b.nurse), map[uuid.UUID]event.Event{}
	all := []event.Event{written, elsewhere, joined}
	for _, id := range []uuid.UUID{b.patient, b.doctor, b.nurse, b.receptionist, b.stranger} {
		marks[id] = b.device(id)
		all = append(all, marks[id])
	}
	b.append(t, all...)
	for id, c := range inside {
		c.gets(written, joined, marks[id])
	}
	for id, c := range outside {
		if id == b.nurse {
			c.gets(joined) // It is about her.
		}
		c.gets(marks[id])
	}
}

func TestConversation_EndsAtThePositionOfLeaving(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"from the ring": 100, "paging": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(c *realtime.Config) { c.Limits.RingEvents = size })
			conversation := b.converse(t)
			c, stays := b.dial(t, b.doctor), b.dial(t, b.patient)
			c.follow(conversation)
			stays.follow(conversation)
			first, left, second, mark := b.message(conversation), b.moved("left", conversation, b.doctor), b.message(conversation), b.device(b.doctor)
			// One batch: the position counts, not the time at which the hub reads it.
			b.append(t, first, left, second, mark, b.message(conversation))
			c.gets(first, left)
			lost := frame{Type: "unsubscribed", ID: "c", Room: "conversation:" + conversation.String(), Reason: "no longer in the conversation"}
			for len(c.pending) == 0 { // A page ends where rights change.
				f := c.next()
				if c.pending = f.Events; f.Type == "unsubscribed" {
					require.Equal(t, lost, f)
					lost = frame{}
				}
			}
			c.gets(mark)
			if lost.Type != "" {
				require.Equal(t, lost, c.control())
			}
			stays.gets(first, left, second)
		})
	}
}

func TestConversation_EndsWithTheRoleOfTheParticipant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.member(t, b.doctor, b.other, care.Nurse)
	conversation := b.converse(t)
	c := b.dial(t, b.doctor)
	c.follow(conversation)
	first, revoked := b.message(conversation), b.membership("membership.revoked", b.doctor, b.here, care.Doctor)
	granted, mark := b.membership("membership.granted", b.doctor, b.here, care.Nurse), b.device(b.doctor)
	b.append(t, first, revoked, b.message(conversation), granted, b.message(conversation), mark)
	c.gets(first, revoked, granted, mark)
	require.Equal(t, frame{Type: "unsubscribed", ID: "c", Room: "conversation:" + conversation.String(), Reason: "no longer on the care team"}, c.control())
}

func TestConversation_EndsWhenTheMemberLeavesThePatientsCareTeam(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conversation, other := b.converse(t), b.converse(t)
	b.exec(t, "UPDATE conversations SET patient_id = $2 WHERE id = $1", other, b.nurse)
	c := b.dial(t, b.doctor)
	c.follow(conversation)
	c.follow(other)
	first, elsewhere, ofOther := b.message(conversation), b.careTeam("care_team.left", b.patient, b.other, b.doctor), b.message(other)
	left, mark := b.careTeam("care_team.left", b.patient, b.here, b.doctor), b.device(b.doctor)
	told := b.moved("left", conversation, b.doctor) // The event of leaving the conversation follows later.
	b.append(t, first, elsewhere, left, b.message(conversation), ofOther, told, mark)
	c.gets(first, left, ofOther, told, mark)
	require.Equal(t, frame{Type: "unsubscribed", ID: "c", Room: "conversation:" + conversation.String(), Reason: "no longer on the care team"}, c.control())
}

func TestConversation_IsLeftOnRequestAndJoinedAtTheHandshakeForMissedEvents(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *realtime.Config) { c.Limits.RoomsPerSession = 1 })
	conversation, other := b.converse(t), b.converse(t)
	room := "conversation:" + conversation.String()
	c := b.dial(t, b.patient)
	c.follow(conversation)
	c.says(ask{Type: "subscribe", ID: "2", Room: "conversation:" + other.String()})
	require.Equal(t, "rate_limited", c.control().Code)
	c.says(ask{Type: "unsubscribe", ID: "3", Room: room})
	require.Equal(t, frame{Type: "unsubscribed", ID: "3", Room: room}, c.control())
	missed, mark := b.message(conversation), b.device(b.patient)
	cursor := c.cursor
	b.append(t, missed, mark)
	c.gets(mark)

	again := b.dial(t, b.patient, resume(cursor), rooms(room))
	require.Equal(t, frame{Type: "subscribed", Room: room}, again.next())
	again.gets(missed, mark)
}

func TestConversation_HidesEarlierMessagesFromANewParticipant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conversation := b.converse(t)
	room := "conversation:" + conversation.String()
	c := b.dial(t, b.nurse)
	cursor := c.cursor
	before, after := b.message(conversation).AtVersion(1), b.message(conversation).AtVersion(2)
	mark := b.device(b.nurse)
	b.append(t, before, after, mark)
	c.gets(mark)
	b.exec(t, "UPDATE conversation_participants SET sees_after = 1 WHERE conversation_id = $1 AND user_id = $2", conversation, b.nurse)
	again := b.dial(t, b.nurse, resume(cursor), rooms(room))
	require.Equal(t, frame{Type: "subscribed", Room: room}, again.next())
	again.gets(after, mark)
	whole := b.dial(t, b.doctor, resume(cursor), rooms(room))
	require.Equal(t, frame{Type: "subscribed", Room: room}, whole.next())
	whole.gets(before, after)
}
