package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/postgres"
)

// statuses maps the codes of the domain to HTTP statuses. An error with another code is an internal
// one: 500.
var statuses = map[care.Code]int{
	care.Malformed:            http.StatusBadRequest,
	care.Unauthenticated:      http.StatusUnauthorized,
	care.Forbidden:            http.StatusForbidden,
	care.NotFound:             http.StatusNotFound,
	care.Conflict:             http.StatusConflict,
	care.PossibleDuplicate:    http.StatusConflict,
	care.PreconditionFailed:   http.StatusPreconditionFailed,
	care.TooLarge:             http.StatusRequestEntityTooLarge,
	care.Invalid:              http.StatusUnprocessableEntity,
	care.PreconditionRequired: http.StatusPreconditionRequired,
	care.RateLimited:          http.StatusTooManyRequests,
	care.Unavailable:          http.StatusServiceUnavailable,
}

// The codes of refusals that are specific to HTTP; those of the domain are in package care.
const (
	codeInternal         = "internal"
	codeMethodNotAllowed = "method_not_allowed"
	codeUnsupportedMedia = "unsupported_media_type"
	codeRequestTimeout   = "request_timeout"
	codeCrossOrigin      = "cross_origin"
	codeRoleMissing      = "role_missing"
	codeWrongHost        = "wrong_host"
)

// retryAfter is the Retry-After of a part of the service that is unavailable, in seconds.
const retryAfter = "2"

// internalDetail is the detail of internal errors, which reveals nothing.
const internalDetail = "internal error; if it persists, report the request id to the operator"

// Problem is a problem of RFC 9457, with a stable code for programs and the invalid fields.
type Problem struct { //nolint:errname // It is RFC 9457's name, and the schema's.
	Type     string         `json:"type" doc:"Always about:blank; see code." example:"about:blank"`
	Title    string         `json:"title" doc:"The name of the status." example:"Unprocessable Entity"`
	Status   int            `json:"status" example:"422"`
	Detail   string         `json:"detail" doc:"The error and the remedy, for people." example:"the request has an invalid value"`
	Code     string         `json:"code" doc:"The error, for programs. Codes never change; new ones can be added." example:"invalid"`
	Errors   []FieldProblem `json:"errors,omitempty" doc:"The invalid inputs."`
	NextFree []care.Span    `json:"nextFree,omitempty" doc:"If the time of an appointment is not free: the next free times."`
	// PossibleDuplicates goes with the code possible_duplicate.
	PossibleDuplicates []uuid.UUID `json:"possibleDuplicates,omitempty" format:"uuid" doc:"If a patient may already be registered: the ids of the possible duplicates, at most 10."`
	RequestID          string      `json:"requestId,omitempty" doc:"The id of the request in logs and events."`

	headers http.Header
}

// FieldProblem is the error of one input. It never repeats the value.
type FieldProblem struct {
	Field   string `json:"field" doc:"A path into the body, or the name of a parameter or header." example:"results[0].value"`
	Message string `json:"message" example:"is required"`
	Line    int    `json:"line,omitempty" doc:"The line, counted from 1, in an input of many lines, such as a rule set."`
}

// newProblem returns a problem with a status and a code.
func newProblem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, headers: http.Header{}}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// with adds a header to the problem.
func (p *Problem) with(name, value string) *Problem {
	p.headers.Set(name, value)
	return p
}

// CrossOrigin returns the refusal of a request that another site's page may have sent.
func CrossOrigin(detail string) error {
	return newProblem(http.StatusForbidden, codeCrossOrigin, detail)
}

// RoleMissing returns the refusal of a request that only instances of another role serve. It sets
// no Retry-After, as a retry at this instance does not help.
func RoleMissing(service, role string) error {
	return newProblem(http.StatusServiceUnavailable, codeRoleMissing, "this instance does not serve "+service+"; use an instance with the role "+role)
}

// WrongHost returns the refusal of a request to the demo with another Host.
func WrongHost() error {
	return newProblem(http.StatusMisdirectedRequest, codeWrongHost, "in demo mode, Host must be localhost, an IP address, or the host of CAREWIRE_BASE_URL")
}

// problemOf returns the problem of an error. An internal error is logged here, once; its problem
// has no details.
func problemOf(ctx context.Context, logger *slog.Logger, err error) *Problem {
	p := classify(ctx, logger, err)
	p.RequestID = infoOf(ctx).id
	return p
}

func classify(ctx context.Context, logger *slog.Logger, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if refusal, ok := errors.AsType[*care.Error](err); ok {
		if _, known := statuses[refusal.Code]; known {
			return problemOfRefusal(refusal)
		}
	}
	var coder echo.HTTPStatusCoder
	if errors.As(err, &coder) {
		if p := problemOfStatus(coder.StatusCode()); p != nil {
			return p
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problemOfRefusal(tooLarge(maxBody))
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return problemOfRefusal(care.Errorf(care.Unavailable, "the request took too long; try again"))
	}
	logger.ErrorContext(ctx, "request failed", "request_id", infoOf(ctx).id, "error", postgres.SafeError(err))
	return newProblem(http.StatusInternalServerError, codeInternal, internalDetail)
}

// problemOfRefusal returns the problem of a domain error, with the headers of its status.
func problemOfRefusal(refusal *care.Error) *Problem {
	p := newProblem(statuses[refusal.Code], cmp.Or(refusal.Reason, string(refusal.Code)), refusal.Message)
	p.NextFree, p.PossibleDuplicates = refusal.NextFree, refusal.Duplicates
	for _, f := range refusal.Fields {
		p.Errors = append(p.Errors, FieldProblem{Field: f.Field, Message: f.Message, Line: f.Line})
	}
	switch refusal.Code {
	case care.Unauthenticated:
		if refusal.Reason != "" { // RFC 6750, section 3.1.
			return p.with("WWW-Authenticate", fmt.Sprintf(`Bearer realm="carewire", error="invalid_token", error_description=%q`, refusal.Message))
		}
		return p.with("WWW-Authenticate", `Bearer realm="carewire"`)
	case care.PreconditionFailed:
		if refusal.Version > 0 {
			return p.with("ETag", ETag(refusal.Version))
		}
	case care.RateLimited:
		return p.with("Retry-After", "1")
	case care.Unavailable:
		return p.with("Retry-After", retryAfter)
	default:
	}
	return p
}

// problemOfStatus returns the problem of a refusal by the router, or nil for another status.
func problemOfStatus(status int) *Problem {
	switch status {
	case http.StatusNotFound:
		return newProblem(status, string(care.NotFound), "unknown route; see /docs/api")
	case http.StatusMethodNotAllowed:
		return newProblem(status, codeMethodNotAllowed, "method not allowed; the Allow header lists the methods of this route")
	case http.StatusRequestEntityTooLarge:
		return problemOfRefusal(tooLarge(maxBody))
	default:
		return nil
	}
}

// writeProblem answers with the problem, for handlers outside of huma.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	maps.Copy(w.Header(), p.headers)
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // A Problem has only strings and numbers, so it always marshals.
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // An error means that the client is gone.
	}
}

func tooLarge(limit int64) *care.Error {
	return care.Errorf(care.TooLarge, "the body is larger than %d bytes", limit)
}
