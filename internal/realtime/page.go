package realtime

import (
	"context"
	"errors"
	"fmt"

	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// errShrunk says that the row at the page's end, which always comes along, is not there. The tail will notice too.
var errShrunk = errors.New("the ledger ends before an event that was read already")

// clinicTypes are the types that somebody may see in a clinic's or a patient's room.
var clinicTypes = func() []string {
	var types []string
	for _, d := range event.Catalog {
		if len(d.Roles) > 0 {
			types = append(types, d.Type)
		}
	}
	return types
}()

// page reads the next page of a session that is behind the ring, and frames it. The session's lock is not held while the
// database is asked: what changed meanwhile makes the page void.
func (h *Hub) page(ctx context.Context, s *session) {
	s.mu.Lock()
	after, gen, params := s.scanned, s.rights.gen, s.pageParams(h.ring.newest().Position)
	closing := s.closing
	s.mu.Unlock()
	if closing {
		return
	}
	h.pagesRead.Add(1)
	entries, err := h.readPage(ctx, params)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.paging = false
	if err != nil {
		if ctx.Err() == nil {
			h.logger.Warn("socket page not read", "error", postgres.SafeError(err), "user_id", s.user)
		}
		return // The clock asks again.
	}
	if s.scanned == after && s.rights.gen == gen {
		s.takePage(entries)
	}
	s.pumpLocked()
}

func (s *session) pageParams(head int64) db.SocketPageParams {
	return db.SocketPageParams{
		After:      s.scanned,
		Upto:       min(s.scanned+pageSpan, head),
		UserID:     s.user,
		Types:      clinicTypes,
		ClinicIds:  s.rights.clinics(),
		PatientIds: s.rights.watched(),
		Subjects:   s.rights.subjects(),
		RowLimit:   int32(s.hub.limits.FrameEvents),
	}
}

// takePage frames a page. It stops where the rights change: what comes after was read for the old ones.
func (s *session) takePage(entries []*entry) {
	var f frame
	gen := s.rights.gen
	for _, e := range entries {
		if s.take(e, &f); s.closing {
			return
		}
		if s.full(&f) || s.rights.gen != gen {
			break
		}
	}
	if len(f.entries) == 0 && s.scanned-s.told >= pageSpan {
		// Nothing for this one in a long stretch: a client that resumes now should not look through it again.
		s.tell(&f, f.last.at(s.hub.codec))
	}
	s.emit(&f)
}

func (h *Hub) readPage(ctx context.Context, params db.SocketPageParams) ([]*entry, error) {
	events, err := ledger.Events(h.pool, func(q *db.Queries) ([]db.Event, error) { return q.SocketPage(ctx, params) })
	if err != nil {
		return nil, fmt.Errorf("read page of a socket: %w", err)
	}
	if len(events) == 0 {
		return nil, errShrunk
	}
	return h.entries(events), nil
}

// entries prepares events for sessions.
func (h *Hub) entries(events []event.Event) []*entry {
	list := make([]*entry, len(events))
	for i, e := range events {
		n, err := newEntry(e)
		if err != nil {
			h.logger.Error("event changes rights in a way that cannot be read", "position", e.Position, "event_id", e.ID)
		}
		list[i] = n
	}
	return list
}
