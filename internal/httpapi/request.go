package httpapi

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/postgres/db"
)

// info is what is known of a request. The guard completes it before the handler runs; afterwards only an actor who was kept
// from an earlier request may be looked up anew.
type info struct {
	id          string
	traceparent string
	// peer is the client's address; see proxies.
	peer netip.Addr
	// begun is when the request came, body what reads its body.
	begun time.Time
	body  bodyReader
	// key is the client's Idempotency-Key, requestHash what tells this request from another with it.
	key         string
	requestHash []byte
	actor       care.Actor
	// identity is by what a person who was kept can be looked up.
	identity directory.Identity
	// expiresAt is when the proof of who asks ends.
	expiresAt time.Time
	// session is the browser's session by which they ask; zero for a bearer token.
	session uuid.UUID
	// hijacked says that the connection is a socket now: nothing can be answered any more.
	hijacked bool
}

type infoKey struct{}

func withInfo(ctx context.Context, i *info) context.Context {
	return context.WithValue(ctx, infoKey{}, i)
}

// infoOf gives what is known of the request; never nil.
func infoOf(ctx context.Context) *info {
	if i, ok := ctx.Value(infoKey{}).(*info); ok {
		return i
	}
	return &info{}
}

// read runs fn in a transaction that sees what the request's actor may.
func (s *Server) read(ctx context.Context, fn func(q *db.Queries) error) error {
	return s.cfg.Writer.Read(ctx, infoOf(ctx).actor, func(tx pgx.Tx) error { return fn(db.New(tx)) })
}

// commandOf makes the command of a request: its actor and its trace.
func commandOf(ctx context.Context) care.Command {
	i := infoOf(ctx)
	return care.Command{Actor: i.actor, CorrelationID: i.id, Traceparent: i.traceparent, Key: i.key, RequestHash: i.requestHash}
}
