package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/postgres"
)

const (
	// refusalWindow is the time after a refused sign-in in which further ones of the same person for
	// the same reason are only counted, so that a program that does not stop cannot fill the ledger.
	refusalWindow = time.Minute
	// maxRefusalWindows bounds the people and reasons that are counted at once. One takes about 500
	// bytes. Further refusals are not recorded until a window ends.
	maxRefusalWindows = 10_000
	// knownTokens bounds the tokens that are known to have been used. One takes about 100 bytes.
	knownTokens = 50_000
	// recordTimeout bounds the recording of counted refusals.
	recordTimeout = 5 * time.Second
)

// signIns audits sign-ins and refused ones. It is safe for concurrent use.
type signIns struct {
	directory *directory.Service
	logger    *slog.Logger
	now       func() time.Time
	// tokens are the digests of tokens that were used before.
	tokens *lru.Cache[[sha256.Size]byte, struct{}]

	mu   sync.Mutex
	open map[refusalKey]*refusal
}

// refusalKey is the person, or the identity of a token, and the reason.
type refusalKey struct{ who, reason string }

// refusal is a window: the refusals since the one that opened it, and the last one's command.
type refusal struct {
	ends   time.Time
	count  int64
	userID uuid.UUID
	cmd    care.Command
}

func newSignIns(dir *directory.Service, logger *slog.Logger) (*signIns, error) {
	tokens, err := lru.New[[sha256.Size]byte, struct{}](knownTokens)
	return &signIns{directory: dir, logger: logger, now: time.Now, tokens: tokens, open: map[refusalKey]*refusal{}}, err
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
		failed = s.count(ctx, cmd, refusalKey{known.UserID.String(), known.Reason}, func() (uuid.UUID, bool, error) { return known.UserID, true, nil })
	} else if token, ok := errors.AsType[*auth.RefusedTokenError](err); ok {
		key := refusalKey{token.Identity.Issuer + " " + token.Identity.Subject, token.Reason()}
		failed = s.count(ctx, cmd, key, func() (uuid.UUID, bool, error) { return s.directory.FindUser(ctx, token.Identity) })
	}
	if failed != nil {
		s.logger.ErrorContext(ctx, "a refused sign-in was not audited", "request_id", cmd.CorrelationID, "error", postgres.SafeError(failed))
	}
}

// count records the first refusal of a window at once, and counts the others. person finds the
// person; it is called once in a window.
func (s *signIns) count(ctx context.Context, cmd care.Command, key refusalKey, person func() (uuid.UUID, bool, error)) error {
	s.mu.Lock()
	window, running := s.open[key]
	if running && s.now().Before(window.ends) {
		window.count++
		window.cmd = cmd
		s.mu.Unlock()
		return nil
	}
	if !running && len(s.open) >= maxRefusalWindows {
		s.mu.Unlock()
		return errors.New("too many people are refused at once")
	}
	var ended refusal
	if running {
		ended = *window
	}
	window = &refusal{ends: s.now().Add(refusalWindow), cmd: cmd}
	s.open[key] = window
	s.mu.Unlock()

	failed := s.record(ctx, key.reason, ended)
	id, ok, err := person()
	if err != nil || !ok {
		return errors.Join(failed, err)
	}
	s.mu.Lock()
	window.userID = id
	s.mu.Unlock()
	return errors.Join(failed, s.directory.RecordRefusedSignIn(ctx, cmd, id, key.reason, 1))
}

// record records the refusals that an ended window has counted.
func (s *signIns) record(ctx context.Context, reason string, ended refusal) error {
	if ended.count == 0 || ended.userID == uuid.Nil {
		return nil
	}
	return s.directory.RecordRefusedSignIn(ctx, ended.cmd, ended.userID, reason, ended.count)
}

// run records the counts of windows soon after they end, and those of all at the end of ctx.
func (s *signIns) run(ctx context.Context) error {
	tick := time.NewTicker(refusalWindow / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx, s.now())
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
			defer cancel()
			s.flush(last, s.now().Add(refusalWindow))
			return nil
		}
	}
}

// flush closes the windows that end by the time, and records their counts.
func (s *signIns) flush(ctx context.Context, by time.Time) {
	ended := map[refusalKey]refusal{}
	s.mu.Lock()
	for key, window := range s.open {
		if !window.ends.After(by) {
			ended[key] = *window
			delete(s.open, key)
		}
	}
	s.mu.Unlock()
	for key, window := range ended {
		if err := s.record(ctx, key.reason, window); err != nil {
			s.logger.ErrorContext(ctx, "refused sign-ins were not audited", "reason", key.reason, "count", window.count, "error", postgres.SafeError(err))
		}
	}
}

// RunAudit records counted refusals of sign-ins until ctx ends, and then those that are left. Run it
// once.
func (s *Server) RunAudit(ctx context.Context) error { return s.signIns.run(ctx) }
