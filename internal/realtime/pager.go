package realtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
)

// page reads from PostgreSQL for a session that waits: events behind the ring, or its rights. It
// does not have the session's lock while it reads.
func (h *Hub) page(ctx context.Context, s *session) {
	s.mu.Lock()
	position, recheckDue, closing := s.scanned, s.recheckDue, s.closing
	s.mu.Unlock()
	var err error
	switch {
	case closing:
		return
	case recheckDue:
		err = h.recheck(ctx, s)
	default:
		err = h.windows.fetch(ctx, position)
	}
	s.paged(ctx, err)
	if err == nil && !recheckDue {
		h.readAhead(ctx, position)
	}
}

// paged continues a session after a read for it.
func (s *session) paged(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.paging = false
	switch {
	case err == nil:
		s.flushLocked()
	case ctx.Err() != nil:
	case errors.Is(err, errShrunk):
		s.closeLocked(closeRestart, restored)
	default: // The idle ticker retries.
		s.hub.logger.Warn("cannot read a page or the rights of a socket; retrying", "error", postgres.SafeError(err), "user_id", s.user)
	}
}

// readAhead reads the windows behind that of the position while a client receives the latter, at the
// same time: one read leaves a processor idle. An error is left to the session that needs the window.
func (h *Hub) readAhead(ctx context.Context, position int64) {
	var reads sync.WaitGroup
	defer reads.Wait()
	for i := range windowsAhead {
		next := lastOf(windowOf(position+1) + int64(i))
		if !h.windows.roomy() || next >= h.ring.newest().Position {
			return
		}
		reads.Go(func() { _ = h.windows.fetch(ctx, next) })
	}
}

// readWindow reads a stretch of the ledger behind the ring.
func (h *Hub) readWindow(ctx context.Context, after int64, limit int32) ([]*entry, error) {
	h.pagesRead.Add(1)
	entries, err := h.readEntries(ctx, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read a window of the ledger: %w", err)
	}
	return entries, nil
}

// readEntries returns the entries of at most limit events after the position.
func (h *Hub) readEntries(ctx context.Context, after int64, limit int32) ([]*entry, error) {
	entries := make([]*entry, 0, limit)
	err := ledger.Each(ctx, h.pool, after, limit, func(e *event.Event) { entries = append(entries, h.entry(e)) })
	return entries, err //nolint:wrapcheck // The caller says what it reads.
}

// entry returns the entry of an event.
func (h *Hub) entry(e *event.Event) *entry {
	n, err := newEntry(e)
	if err != nil {
		h.logger.Error("cannot read an event's change of rights; restarting the sockets it may concern",
			"position", e.Position, "event_id", e.ID, "user_id", n.change.user)
	}
	return n
}

// recheck reads all of the session's rights again, after an event that revoked an unknown right.
// Until then the session gets nothing behind that event. The order is that of newSession: first the
// position, then the rights.
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
		s.close(closeForbidden, "the account is disabled, or has no role left")
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
		return nil // A room was joined in the meantime: the session still needs a recheck and requests it again.
	}
	s.rights.gen++
	s.rights.memberships, s.rights.patients, s.rights.conversations = slices.Clone(actor.Memberships), patients, conversations
	s.since.Store(max(s.since.Load(), head, scanned))
	s.recheckDue = false
	s.rejoin()
	s.leave(lost)
	return nil
}

// recheckRooms updates the rooms to what the user may see now and returns the lost rooms.
func (h *Hub) recheckRooms(ctx context.Context, user uuid.UUID, patients map[uuid.UUID]*patientRights, conversations map[uuid.UUID]conversationRights) (lost []lostRoom, err error) {
	for id, room := range patients {
		now := *room
		if now.clinics, err = h.authorizer.OnCareTeam(ctx, user, id); err != nil {
			return nil, fmt.Errorf("read care team: %w", err)
		}
		patients[id] = &now
		if len(now.clinics) == 0 && !room.self {
			delete(patients, id)
			lost = append(lost, lostRoom{roomName{patientRoom, id}, room.subscription, reasonOffTeam})
		}
	}
	for id, room := range conversations {
		held, in, err := h.authorizer.InConversation(ctx, user, id)
		if err != nil {
			return nil, fmt.Errorf("read conversation: %w", err)
		}
		conversations[id] = conversationOf(room.subscription, held)
		if !in {
			delete(conversations, id)
			lost = append(lost, lostRoom{roomName{conversationRoom, id}, room.subscription, reasonOffConversation})
		}
	}
	return lost, nil
}

// actor returns the person of a socket. It returns care.Forbidden if they are disabled or have no
// role, and care.Unauthenticated if the browser's session has ended.
func (h *Hub) actor(ctx context.Context, user, session uuid.UUID) (care.Actor, error) {
	actor, err := h.authorizer.GetActor(ctx, user)
	if err != nil {
		return care.Actor{}, fmt.Errorf("read rights: %w", err)
	}
	if len(actor.Memberships) == 0 {
		return care.Actor{}, noRole()
	}
	if session == uuid.Nil {
		return actor, nil
	}
	open, err := h.authorizer.HasSession(ctx, session)
	if err != nil {
		return care.Actor{}, fmt.Errorf("read session: %w", err)
	}
	if !open {
		return care.Actor{}, care.Errorf(care.Unauthenticated, "%s", endSession.reason)
	}
	return actor, nil
}

func noRole() error {
	return care.Errorf(care.Forbidden, "you have no role at any clinic: ask your clinic's administrator")
}
