package realtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

// page gets from PostgreSQL what a session waits for: events behind the ring, or its rights. The session's lock is not held
// meanwhile.
func (h *Hub) page(ctx context.Context, s *session) {
	s.mu.Lock()
	position, doubted, closing := s.scanned, s.doubted, s.closing
	s.mu.Unlock()
	var err error
	switch {
	case closing:
		return
	case doubted:
		err = h.recheck(ctx, s)
	default:
		err = h.windows.fetch(ctx, position)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paging = false
	switch {
	case err == nil:
		s.pumpLocked()
	case ctx.Err() != nil:
	case errors.Is(err, errShrunk):
		s.closeLocked(closeRestart, restored)
	default: // The clock asks again.
		h.logger.Warn("what a socket waits for was not read", "error", postgres.SafeError(err), "user_id", s.user)
	}
}

// readWindow reads a stretch of the ledger behind the ring.
func (h *Hub) readWindow(ctx context.Context, after int64, limit int32) ([]*entry, error) {
	h.pagesRead.Add(1)
	events, err := ledger.Read(ctx, h.pool, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read a window of the ledger: %w", err)
	}
	return h.entries(events), nil
}

// entries prepares events for sessions.
func (h *Hub) entries(events []event.Event) []*entry {
	list := make([]*entry, len(events))
	for i, e := range events {
		n, err := newEntry(e)
		if err != nil {
			h.logger.Error("event changes rights in a way that cannot be read; whose sockets it may concern begin again",
				"position", e.Position, "event_id", e.ID, "user_id", n.change.user)
		}
		list[i] = n
	}
	return list
}

// recheck reads again all that a session may see, after an event that took some right away without saying which. Until then
// the session gets nothing behind that event. The order is that of prepare: first the position, then the rights.
func (h *Hub) recheck(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	head := h.ring.newest().Position
	s.mu.Lock()
	gen, scanned := s.rights.gen, s.scanned
	patients, conversations := maps.Clone(s.rights.patients), maps.Clone(s.rights.conversations)
	s.mu.Unlock()

	actor, err := h.actor(ctx, s.user, s.id)
	switch code := care.CodeOf(err); {
	case code == care.Forbidden:
		s.close(closeForbidden, "the account is disabled, or holds no role any more")
		return nil
	case code == care.Unauthenticated:
		s.close(endSession.code, endSession.reason)
		return nil
	case err != nil:
		return err
	}
	lost, err := h.recheckRooms(ctx, s.user, patients, conversations)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rights.gen != gen {
		return nil // A room was asked for meanwhile: it is still doubted, and asked again.
	}
	s.rights.gen++
	s.rights.held, s.rights.patients, s.rights.conversations = slices.Clone(actor.Memberships), patients, conversations
	s.since.Store(max(s.since.Load(), head, scanned))
	s.doubted = false
	s.rejoin()
	s.leave(lost)
	return nil
}

// recheckRooms brings the rooms in line with what the user may see now and returns those that are lost.
func (h *Hub) recheckRooms(ctx context.Context, user uuid.UUID, patients map[uuid.UUID]*patientRights, conversations map[uuid.UUID]conversationRights) (lost []lostRoom, err error) {
	for id, room := range patients {
		now := *room
		if now.clinics, err = h.rights.OnCareTeam(ctx, user, id); err != nil {
			return nil, fmt.Errorf("read care team: %w", err)
		}
		patients[id] = &now
		if len(now.clinics) == 0 && !room.self {
			delete(patients, id)
			lost = append(lost, lostRoom{roomName{patientRoom, id}, room.subscription, offTheTeam})
		}
	}
	for id, room := range conversations {
		held, in, err := h.rights.InConversation(ctx, user, id)
		if err != nil {
			return nil, fmt.Errorf("read conversation: %w", err)
		}
		conversations[id] = conversationOf(room.subscription, held)
		if !in {
			delete(conversations, id)
			lost = append(lost, lostRoom{roomName{conversationRoom, id}, room.subscription, offTheConversation})
		}
	}
	return lost, nil
}

// actor reads who a socket is served to: care.Forbidden for somebody disabled or without a role, care.Unauthenticated where the
// browser's session, if there is one, has ended.
func (h *Hub) actor(ctx context.Context, user, session uuid.UUID) (care.Actor, error) {
	actor, err := h.rights.GetActor(ctx, user)
	if err != nil {
		return care.Actor{}, fmt.Errorf("read rights: %w", err)
	}
	if len(actor.Memberships) == 0 {
		return care.Actor{}, care.Errorf(care.Forbidden, "you hold no role at any clinic: ask your clinic's administrator")
	}
	if session == uuid.Nil {
		return actor, nil
	}
	open, err := h.rights.HasSession(ctx, session)
	if err != nil {
		return care.Actor{}, fmt.Errorf("read session: %w", err)
	}
	if !open {
		return care.Actor{}, care.Errorf(care.Unauthenticated, "%s", endSession.reason)
	}
	return actor, nil
}
