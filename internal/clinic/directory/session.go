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

// TicketLife is the validity of a socket ticket.
const TicketLife = 30 * time.Second

// secret returns 32 random bytes as text (base64url, 43 characters), and the digest that is stored
// of it.
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

// CreateSession creates a browser session of the command's actor that ends after ttl, and returns
// the secret for the browser. It is audited as user.signed_in.
func (s *Service) CreateSession(ctx context.Context, cmd care.Command, ttl time.Duration) (string, time.Time, error) {
	text, digest := secret()
	userID, expiresAt := cmd.Actor.UserID, time.Now().Add(ttl).UTC().Truncate(time.Microsecond)
	err := s.writer.InTx(ctx, care.Command{Actor: care.SystemActor("sign-in")}, func(tx pgx.Tx) error {
		id, err := db.New(tx).SessionInsert(ctx, db.SessionInsertParams{Digest: digest, UserID: userID, ExpiresAt: expiresAt})
		if err != nil {
			return fmt.Errorf("insert session: %w", err)
		}
		return outbox.Append(ctx, tx, signedIn(cmd, event.SignedIn{UserID: userID, Method: "browser", SessionID: &id}))
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("open session: %w", err)
	}
	return text, expiresAt, nil
}

// Session is a browser session, or another proof of identity until ExpiresAt.
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

// GetSessionActor returns the session of the secret. The error is care.Unauthenticated for an
// unknown or ended session.
func (s *Service) GetSessionActor(ctx context.Context, secret string) (Session, error) {
	row, err := s.reads.SessionActor(ctx, digestOf(secret))
	if notFound(err) {
		return Session{}, s.endedSession(ctx, secret)
	}
	if err != nil {
		return Session{}, reading("session", err)
	}
	a, err := actorOfView(row.ID, row.Status, row.Memberships)
	return Session{ID: row.SessionID, Actor: a, ExpiresAt: row.ExpiresAt}, err
}

// endedSession returns the error for the secret of a session that is not open: a RefusedSignInError while
// the expired session still exists.
func (s *Service) endedSession(ctx context.Context, secret string) error {
	answer := care.Errorf(care.Unauthenticated, "the session has ended: sign in again")
	userID, err := s.reads.SessionUser(ctx, digestOf(secret))
	if notFound(err) {
		return answer
	}
	if err != nil {
		return reading("session", err)
	}
	return &RefusedSignInError{UserID: userID, Reason: "session_ended", answer: answer}
}

// HasSession reports whether the session is open: it has neither expired nor been closed.
func (s *Service) HasSession(ctx context.Context, id uuid.UUID) (bool, error) {
	open, err := s.reads.SessionOpen(ctx, id)
	if err != nil {
		return false, reading("session", err)
	}
	return open, nil
}

// DeleteSession ends the session of the secret and its tickets. The event session.closed ends its
// sockets on every instance. id is the id of the session, or uuid.Nil if the session is unknown,
// because it has already ended. The event has the trace of the command, and the signed-in person as
// actor.
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

// endSessions ends all sessions and tickets of a person. It returns the events of the sessions,
// which the caller appends after its own in the same transaction. They close the sockets.
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

// CreateTicket creates a socket ticket for the session. It is valid once, on any instance, for
// TicketLife and not beyond the end of the session. The error is care.Unauthenticated if the
// session has ended.
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

// RedeemTicket consumes the ticket and returns its session. The error is care.Unauthenticated if
// the ticket is unknown, used or expired, or its session has ended.
func (s *Service) RedeemTicket(ctx context.Context, ticket string) (Session, error) {
	row, err := s.reads.TicketTake(ctx, digestOf(ticket))
	if notFound(err) || (err == nil && !row.Good) {
		answer := care.Errorf(care.Unauthenticated, "the ticket is no longer valid: a ticket can be used once within %d seconds, while its session is open; request a new one", int(TicketLife.Seconds()))
		if err != nil {
			return Session{}, answer
		}
		return Session{}, &RefusedSignInError{UserID: row.ID, Reason: "ticket_invalid", answer: answer}
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

// sweepSessions is the maximum number of sessions that one sweep deletes. Each is an event in the
// same transaction.
const sweepSessions = 1000

// Sweep deletes expired sessions, tickets, idempotency keys and verification codes, and tokens of
// old invitations. All of these are already invalid before. n is the number of deleted rows. Each
// session appends a session.closed; sessions beyond 1,000 are deleted by the next sweep.
func (s *Service) Sweep(ctx context.Context) (n int64, err error) {
	for _, deletion := range []func(context.Context, care.Command, pgx.Tx) (int64, error){
		deletion((*db.Queries).TicketDeleteExpired), deletion((*db.Queries).IdempotencyKeyDeleteExpired),
		deletion((*db.Queries).VerificationDeleteOld), deletion((*db.Queries).VerificationLimitDeleteOld), deletion((*db.Queries).InvitationTokenDeleteOld), deleteExpiredSessions,
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

// deletion returns a deletion that appends no event.
func deletion(query func(*db.Queries, context.Context) (int64, error)) func(context.Context, care.Command, pgx.Tx) (int64, error) {
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
