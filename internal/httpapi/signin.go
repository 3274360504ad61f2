package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi/refusal"
	"carewire/internal/postgres"
)

// knownTokens bounds the tokens that are known to have been used. One takes about 100 bytes.
const knownTokens = 50_000

// signIns audits sign-ins and refused ones. It is safe for concurrent use.
type signIns struct {
	directory *directory.Service
	logger    *slog.Logger
	// tokens are the digests of tokens that were used before.
	tokens *lru.Cache[[sha256.Size]byte, struct{}]
	// refusals are counted by person and reason; what is recorded of them is the person's id.
	refusals *refusal.Counter[refusalKey, uuid.UUID]
}

// refusalKey is the person, or the identity of a token, and the reason.
type refusalKey struct{ who, reason string }

func newSignIns(dir *directory.Service, logger *slog.Logger) (*signIns, error) {
	tokens, err := lru.New[[sha256.Size]byte, struct{}](knownTokens)
	record := func(ctx context.Context, cmd care.Command, key refusalKey, person uuid.UUID, n int64) error {
		return dir.RecordRefusedSignIn(ctx, cmd, person, key.reason, n)
	}
	failed := func(ctx context.Context, key refusalKey, n int64, err error) {
		logger.ErrorContext(ctx, "refused sign-ins were not audited", "reason", key.reason, "count", n, "error", postgres.SafeError(err))
	}
	return &signIns{directory: dir, logger: logger, tokens: tokens, refusals: refusal.NewCounter(record, failed)}, err
}

// token audits the first use of a person's token on this instance, before the request is answered.
func (s *signIns) token(ctx context.Context, token string, cmd care.Command) error {
	if cmd.Actor.UserID == uuid.Nil {
		return nil // A program is the actor of each of its events.
	}
	digest := sha256.Sum256([]byte(token))
	if known, _ := s.tokens.ContainsOrAdd(digest, struct{}{}); known {
		return nil
	}
	if err := s.directory.RecordTokenSignIn(ctx, cmd); err != nil {
		s.tokens.Remove(digest)
		return err
	}
	return nil
}

// refused audits the error of a sign-in if it is known whose it was. A failure to do so is only
// logged: the answer is a refusal anyway.
func (s *signIns) refused(r *http.Request, err error) {
	ctx, cmd := r.Context(), CommandOf(r.Context())
	var failed error
	if known, ok := errors.AsType[*directory.RefusedSignInError](err); ok {
		failed = s.refusals.Count(ctx, cmd, refusalKey{known.UserID.String(), known.Reason}, func() (uuid.UUID, bool, error) { return known.UserID, true, nil })
	} else if token, ok := errors.AsType[*auth.RefusedTokenError](err); ok {
		key := refusalKey{token.Identity.Issuer + " " + token.Identity.Subject, token.Reason()}
		failed = s.refusals.Count(ctx, cmd, key, func() (uuid.UUID, bool, error) { return s.directory.FindUser(ctx, token.Identity) })
	}
	if failed != nil {
		s.logger.ErrorContext(ctx, "a refused sign-in was not audited", "request_id", cmd.CorrelationID, "error", postgres.SafeError(failed))
	}
}

// RunAudit records counted refusals of sign-ins until ctx ends, and then those that are left. Run it
// once.
func (s *Server) RunAudit(ctx context.Context) error { return s.signIns.refusals.Run(ctx) }
