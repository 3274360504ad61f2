package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// TicketLife is how long a socket ticket is good.
const TicketLife = 30 * time.Second

// secret makes 32 random bytes as text (base64url, 43 characters) and the digest that is stored of it.
func secret() (text string, digest []byte) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // It never fails: crypto/rand ends the program instead.
	text = base64.RawURLEncoding.EncodeToString(raw[:])
	return text, digestOf(text)
}

func digestOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

// CreateSession begins a browser session that ends after ttl, and gives the secret that the browser keeps.
func (s *Service) CreateSession(ctx context.Context, userID uuid.UUID, ttl time.Duration) (string, time.Time, error) {
	text, digest := secret()
	expiresAt := time.Now().Add(ttl).UTC().Truncate(time.Microsecond)
	err := s.writer.InTx(ctx, care.Command{Actor: care.SystemActor("sign-in")}, func(tx pgx.Tx) error {
		return db.New(tx).SessionInsert(ctx, db.SessionInsertParams{Digest: digest, UserID: userID, ExpiresAt: expiresAt})
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("open session: %w", err)
	}
	return text, expiresAt, nil
}

// Session is a browser's session, or whatever else proves who somebody is until it ends.
type Session struct {
	// ID is uuid.Nil for a bearer token.
	ID        uuid.UUID
	Actor     care.Actor
	ExpiresAt time.Time
}

// The reasons of session.closed.
const (
	signedOut       = "signed_out"
	sessionExpired  = "expired"
	accountDisabled = "disabled"
	accountClosed   = "closed"
	signInUnlinked  = "sign_in_unlinked"
)

// GetSessionActor returns the session of the secret. An unknown or ended one is care.Unauthenticated.
func (s *Service) GetSessionActor(ctx context.Context, secret string) (Session, error) {
	row, err := s.reads.SessionActor(ctx, digestOf(secret))
	if notFound(err) {
		return Session{}, care.Errorf(care.Unauthenticated, "the session has ended: sign in again")
	}
	if err != nil {
		return Session{}, reading("session", err)
	}
	a, err := actorOfView(row.ID, row.Status, row.Memberships)
	return Session{ID: row.SessionID, Actor: a, ExpiresAt: row.ExpiresAt}, err
}

// HasSession reports whether the session is open: it has neither expired nor been closed.
func (s *Service) HasSession(ctx context.Context, id uuid.UUID) (bool, error) {
	open, err := s.reads.SessionOpen(ctx, id)
	if err != nil {
		return false, reading("session", err)
	}
	return open, nil
}

// DeleteSession ends the session of the secret, its tickets and, by the event session.closed, its sockets on every instance. It
// returns the session's id; uuid.Nil for one that is unknown, which has ended already. The event's trace is the command's, its
// actor the person who was signed in.
func (s *Service) DeleteSession(ctx context.Context, cmd care.Command, secret string) (id uuid.UUID, err error) {
	err = s.writer.InTx(ctx, care.Command{Actor: care.SystemActor("sign-out")}, func(tx pgx.Tx) error {
		row, err := db.New(tx).SessionDelete(ctx, digestOf(secret))
		if notFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("delete session: %w", err)
		}
		held, err := memberships(row.Memberships)
		if err != nil {
			return err
		}
		id = row.ID
		cmd.Actor = care.Actor{ID: row.UserID.String(), UserID: row.UserID, Memberships: held}
		return outbox.Append(ctx, tx, sessionClosed(cmd, row.ID, row.UserID, signedOut))
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("close session: %w", err)
	}
	return id, nil
}

// endSessions ends every session and ticket of a person. It returns the sessions' events, for the caller to append behind its
// own in the same transaction: sockets close by them.
func endSessions(ctx context.Context, q *db.Queries, cmd care.Command, userID uuid.UUID, reason string) ([]event.Event, error) {
	ids, err := q.SessionDeleteOfUser(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("end sessions: %w", err)
	}
	// Tickets that were issued for a bearer token belong to no session.
	if err := q.TicketDeleteOfUser(ctx, userID); err != nil {
		return nil, fmt.Errorf("end tickets: %w", err)
	}
	events := make([]event.Event, len(ids))
	for i, id := range ids {
		events[i] = sessionClosed(cmd, id, userID, reason)
	}
	return events, nil
}

func sessionClosed(cmd care.Command, id, userID uuid.UUID, reason string) event.Event {
	return event.New(cmd, "session.closed", care.Ref{Kind: "session", ID: id}, event.Session{
		SessionID: id, UserID: userID, Reason: reason,
	}).About(cmd, userID, nil)
}

// CreateTicket makes a socket ticket for who is signed in by the session. It is good once, on any instance, for TicketLife and
// not beyond the session's end. A session that has ended meanwhile is care.Unauthenticated.
func (s *Service) CreateTicket(ctx context.Context, session Session) (string, time.Time, error) {
	text, digest := secret()
	in := db.TicketInsertParams{
		Digest: digest, UserID: session.Actor.UserID, TtlSeconds: TicketLife.Seconds(), SessionExpiresAt: session.ExpiresAt,
	}
	if session.ID != uuid.Nil {
		in.SessionID = &session.ID
	}
	expiresAt, err := s.reads.TicketInsert(ctx, in)
	if err != nil {
		return "", time.Time{}, reading("ticket", err)
	}
	return text, expiresAt, nil
}

// RedeemTicket uses the ticket up and returns the session that it was issued for. One that is unknown, used or expired, or whose
// session has ended, is care.Unauthenticated.
func (s *Service) RedeemTicket(ctx context.Context, ticket string) (Session, error) {
	row, err := s.reads.TicketTake(ctx, digestOf(ticket))
	if notFound(err) || (err == nil && !row.Good) {
		return Session{}, care.Errorf(care.Unauthenticated, "the ticket is not good any more: a ticket works once and for %d seconds, while its session is open; ask for another", int(TicketLife.Seconds()))
	}
	if err != nil {
		return Session{}, reading("ticket", err)
	}
	a, err := actorOfView(row.ID, row.Status, row.Memberships)
	session := Session{Actor: a, ExpiresAt: row.SessionExpiresAt}
	if row.SessionID != nil {
		session.ID = *row.SessionID
	}
	return session, err
}

// sweepSessions is how many sessions one sweep deletes at most: each is an event in the same transaction.
const sweepSessions = 1000

// Sweep deletes what has expired, and is refused before that as well: sessions, tickets, idempotency keys, codes that prove
// an address, and tokens of invitations that are long over. It tells how many there were. Each session is a session.closed; of
// more than 1,000 the rest is left to the next sweep.
func (s *Service) Sweep(ctx context.Context) (n int64, err error) {
	for _, deletion := range []func(context.Context, care.Command, pgx.Tx) (int64, error){
		deletes((*db.Queries).TicketDeleteExpired), deletes((*db.Queries).IdempotencyKeyDeleteExpired),
		deletes((*db.Queries).VerificationDeleteOld), deletes((*db.Queries).InvitationTokenDeleteOld), deleteExpiredSessions,
	} {
		cmd := care.Command{Actor: care.SystemActor("sweep")}
		var deleted int64
		failed := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) (err error) {
			deleted, err = deletion(ctx, cmd, tx)
			return err
		})
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("delete what has expired: %w", failed))
			continue
		}
		n += deleted
	}
	return n, err
}

// deletes makes a deletion of one that no event tells of.
func deletes(query func(*db.Queries, context.Context) (int64, error)) func(context.Context, care.Command, pgx.Tx) (int64, error) {
	return func(ctx context.Context, _ care.Command, tx pgx.Tx) (int64, error) { return query(db.New(tx), ctx) }
}

func deleteExpiredSessions(ctx context.Context, cmd care.Command, tx pgx.Tx) (int64, error) {
	sessions, err := db.New(tx).SessionDeleteExpired(ctx, sweepSessions)
	if err != nil {
		return 0, err
	}
	events := make([]event.Event, len(sessions))
	for i, row := range sessions {
		events[i] = sessionClosed(cmd, row.ID, row.UserID, sessionExpired)
	}
	return int64(len(sessions)), outbox.Append(ctx, tx, events...)
}
