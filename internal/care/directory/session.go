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

// SessionOpen begins a browser session that ends after ttl, and gives the secret that the browser keeps.
func (s *Service) SessionOpen(ctx context.Context, userID uuid.UUID, ttl time.Duration) (string, time.Time, error) {
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

// SessionActor tells whose session the secret is and when it ends. An unknown or ended one is care.Unauthenticated.
func (s *Service) SessionActor(ctx context.Context, secret string) (care.Actor, time.Time, error) {
	row, err := s.reads.SessionActor(ctx, digestOf(secret))
	if notFound(err) {
		return care.Actor{}, time.Time{}, care.Errorf(care.Unauthenticated, "the session has ended: sign in again")
	}
	if err != nil {
		return care.Actor{}, time.Time{}, reading("session", err)
	}
	a, err := actorOfView(row.ID, row.Status, row.Memberships)
	return a, row.ExpiresAt, err
}

// SessionClose ends the session; one that is unknown has ended already.
func (s *Service) SessionClose(ctx context.Context, secret string) error {
	if err := s.reads.SessionDelete(ctx, digestOf(secret)); err != nil {
		return reading("session to close", err)
	}
	return nil
}

// TicketIssue makes a socket ticket for a person whose session ends at sessionExpiresAt. It is good once, on any
// instance, for TicketLife.
func (s *Service) TicketIssue(ctx context.Context, userID uuid.UUID, sessionExpiresAt time.Time) (string, time.Time, error) {
	text, digest := secret()
	expiresAt, err := s.reads.TicketInsert(ctx, db.TicketInsertParams{
		Digest: digest, UserID: userID, TtlSeconds: TicketLife.Seconds(), SessionExpiresAt: sessionExpiresAt,
	})
	if err != nil {
		return "", time.Time{}, reading("ticket", err)
	}
	return text, expiresAt, nil
}

// TicketTake uses the ticket up and tells whose it is and when that person's session ends. One that is unknown, used or
// expired is care.Unauthenticated.
func (s *Service) TicketTake(ctx context.Context, ticket string) (care.Actor, time.Time, error) {
	row, err := s.reads.TicketTake(ctx, digestOf(ticket))
	if notFound(err) || (err == nil && !row.Good) {
		return care.Actor{}, time.Time{}, care.Errorf(care.Unauthenticated, "the ticket is not good any more: a ticket works once and for %d seconds; ask for another", int(TicketLife.Seconds()))
	}
	if err != nil {
		return care.Actor{}, time.Time{}, reading("ticket", err)
	}
	a, err := actorOfView(row.ID, row.Status, row.Memberships)
	return a, row.SessionExpiresAt, err
}

// Sweep deletes what has expired, and is refused before that as well: sessions, tickets, idempotency keys, codes that prove
// an address, and tokens of invitations that are long over. It tells how many there were.
func (s *Service) Sweep(ctx context.Context) (n int64, err error) {
	for _, deletion := range []func(*db.Queries, context.Context) (int64, error){
		(*db.Queries).SessionDeleteExpired, (*db.Queries).TicketDeleteExpired, (*db.Queries).IdempotencyKeyDeleteExpired,
		(*db.Queries).VerificationDeleteOld, (*db.Queries).InvitationTokenDeleteOld,
	} {
		var deleted int64
		failed := s.writer.InTx(ctx, care.Command{Actor: care.SystemActor("sweep")}, func(tx pgx.Tx) (err error) {
			deleted, err = deletion(db.New(tx), ctx)
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
