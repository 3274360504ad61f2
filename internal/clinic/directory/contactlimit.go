package directory

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// codeLimit is a limit of the codes requested in an hour.
type codeLimit struct {
	kind string
	max  int32
	// refusal describes the limit.
	refusal string
}

// The limits of codes on all channels together, in the order in which their rows are locked. A
// message to a number costs money and can bother its owner. The limit of a caller is higher, because
// the patients in a waiting room share the clinic's address.
var (
	limitPerson  = codeLimit{"person", 10, "at most ten codes an hour can be requested"}
	limitAddress = codeLimit{"address", 5, "at most five codes an hour are sent to one address or number"}
	limitCaller  = codeLimit{"caller", 30, "at most 30 codes an hour can be requested from one network"}
)

// askCode replaces the person's open request for a code and counts it. The error is
// care.RateLimited above a limit. The counts are exact: each row is locked until the transaction
// ends, and a refused request counts nowhere.
func (s *Service) askCode(ctx context.Context, q *db.Queries, person uuid.UUID, channel, address, caller string) (uuid.UUID, error) {
	id, err := q.VerificationAsk(ctx, db.VerificationAskParams{ID: uuid.Must(uuid.NewV7()), UserID: person, Channel: channel, Address: address})
	if notFound(err) {
		wait, err := q.VerificationAskWait(ctx, db.VerificationAskWaitParams{UserID: person, Channel: channel})
		if err != nil {
			return uuid.Nil, reading("own request for a code", err)
		}
		return uuid.Nil, rateLimited("at most one code a minute and five an hour can be requested", wait)
	}
	if err != nil {
		return uuid.Nil, fmt.Errorf("ask for a code: %w", err)
	}
	for _, counted := range []struct {
		codeLimit
		of string
	}{{limitPerson, person.String()}, {limitAddress, address}, {limitCaller, caller}} {
		if counted.of == "" {
			continue // The network is unknown.
		}
		if err := s.countCode(ctx, q, counted.codeLimit, counted.of); err != nil {
			return uuid.Nil, err
		}
	}
	return id, nil
}

// countCode counts a request against the limit.
func (s *Service) countCode(ctx context.Context, q *db.Queries, limit codeLimit, of string) error {
	mac := hmac.New(sha256.New, s.limitKey)
	mac.Write([]byte(limit.kind + " " + of))
	key := mac.Sum(nil)
	_, err := q.VerificationLimitCount(ctx, db.VerificationLimitCountParams{Kind: limit.kind, Key: key, MaxAsked: limit.max})
	if notFound(err) {
		wait, err := q.VerificationLimitWait(ctx, db.VerificationLimitWaitParams{Kind: limit.kind, Key: key})
		if err != nil {
			return reading("limit of codes", err)
		}
		return rateLimited(limit.refusal, wait)
	}
	if err != nil {
		return fmt.Errorf("count request for a code: %w", err)
	}
	return nil
}

// rateLimited returns the error of a limit, with the wait in seconds.
func rateLimited(limit string, seconds int32) error {
	wait := time.Duration(seconds) * time.Second
	err := care.Errorf(care.RateLimited, "%s: retry in %s", limit, wait)
	err.RetryAfter = wait
	return err
}
