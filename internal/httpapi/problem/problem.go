package problem

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
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi/etag"
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

// StatusOf returns the HTTP status of a code of the domain: 0 for an unknown one.
func StatusOf(code care.Code) int { return statuses[code] }

// The codes of refusals that are specific to HTTP; those of the domain are in package care.
const (
	CodeInternal         = "internal"
	CodeMethodNotAllowed = "method_not_allowed"
	CodeUnsupportedMedia = "unsupported_media_type"
	CodeRequestTimeout   = "request_timeout"
	CodeCrossOrigin      = "cross_origin"
	CodeRoleMissing      = "role_missing"
	CodeWrongHost        = "wrong_host"
)

// MediaType is the media type of a problem.
const MediaType = "application/problem+json"

// RetryAfter is the Retry-After of a part of the service that is unavailable, in seconds.
const RetryAfter = "2"

// InternalDetail is the detail of internal errors, which reveals nothing.
const InternalDetail = "internal error; if it persists, report the request id to the operator"

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

// FieldName returns a path in a form that can be shown: without control characters, at most 200
// characters long. The names in it can be a client's own.
func FieldName(path string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, path)
	if runes := []rune(clean); len(runes) > 200 {
		clean = string(runes[:200]) + "…"
	}
	if clean == "" {
		return "body"
	}
	return clean
}

// New returns a problem with a status and a code.
func New(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, headers: http.Header{}}
}

// Error implements error.
func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return MediaType }

// WithHeaders replaces the headers of the problem.
func (p *Problem) WithHeaders(h http.Header) *Problem {
	p.headers = h
	return p
}

// With adds a header to the problem.
func (p *Problem) With(name, value string) *Problem {
	p.headers.Set(name, value)
	return p
}

// CrossOrigin returns the refusal of a request that another site's page may have sent.
func CrossOrigin(detail string) error {
	return New(http.StatusForbidden, CodeCrossOrigin, detail)
}

// RoleMissing returns the refusal of a request that only instances of another role serve. It sets
// no Retry-After, as a retry at this instance does not help.
func RoleMissing(service, role string) error {
	return New(http.StatusServiceUnavailable, CodeRoleMissing, "this instance does not serve "+service+"; use an instance with the role "+role)
}

// WrongHost returns the refusal of a request to the demo with another Host.
func WrongHost() error {
	return New(http.StatusMisdirectedRequest, CodeWrongHost, "in demo mode, Host must be localhost, an IP address, or the host of CAREWIRE_BASE_URL")
}

// Of returns the problem of an error of a request. An internal error is logged here, once; its problem
// has no details.
func Of(ctx context.Context, logger *slog.Logger, requestID string, err error) *Problem {
	p := classify(ctx, logger, requestID, err)
	p.RequestID = requestID
	return p
}

func classify(ctx context.Context, logger *slog.Logger, requestID string, err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if refusal, ok := errors.AsType[*care.Error](err); ok {
		if _, known := statuses[refusal.Code]; known {
			return OfRefusal(refusal)
		}
	}
	var coder echo.HTTPStatusCoder
	if errors.As(err, &coder) {
		if p := problemOfStatus(coder.StatusCode()); p != nil {
			return p
		}
	}
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return OfRefusal(TooLarge(large.Limit))
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return OfRefusal(care.Errorf(care.Unavailable, "the request took too long; try again"))
	}
	logger.ErrorContext(ctx, "request failed", "request_id", requestID, "error", postgres.SafeError(err))
	return New(http.StatusInternalServerError, CodeInternal, InternalDetail)
}

// OfRefusal returns the problem of a domain error, with the headers of its status.
func OfRefusal(refusal *care.Error) *Problem {
	p := New(statuses[refusal.Code], cmp.Or(refusal.Reason, string(refusal.Code)), refusal.Message)
	p.NextFree, p.PossibleDuplicates = refusal.NextFree, refusal.Duplicates
	for _, f := range refusal.Fields {
		p.Errors = append(p.Errors, FieldProblem{Field: f.Field, Message: f.Message, Line: f.Line})
	}
	switch refusal.Code {
	case care.Unauthenticated:
		if refusal.Reason != "" { // RFC 6750, section 3.1.
			return p.With("WWW-Authenticate", fmt.Sprintf(`Bearer realm="carewire", error="invalid_token", error_description=%q`, refusal.Message))
		}
		return p.With("WWW-Authenticate", `Bearer realm="carewire"`)
	case care.PreconditionFailed:
		if refusal.Version > 0 {
			return p.With("ETag", etag.Of(refusal.Version))
		}
	case care.RateLimited:
		// Whole seconds, rounded up (RFC 9110, section 10.2.3).
		return p.With("Retry-After", strconv.FormatInt(max(int64((refusal.RetryAfter+time.Second-1)/time.Second), 1), 10))
	case care.Unavailable:
		return p.With("Retry-After", RetryAfter)
	default:
	}
	return p
}

// problemOfStatus returns the problem of a refusal by the router, or nil for another status.
func problemOfStatus(status int) *Problem {
	switch status {
	case http.StatusNotFound:
		return New(status, string(care.NotFound), "unknown route; see /docs/api")
	case http.StatusMethodNotAllowed:
		return New(status, CodeMethodNotAllowed, "method not allowed; the Allow header lists the methods of this route")
	case http.StatusRequestEntityTooLarge:
		return OfRefusal(care.Errorf(care.TooLarge, "the body is too large"))
	default:
		return nil
	}
}

// Write answers with the problem, for handlers outside of huma.
func Write(w http.ResponseWriter, r *http.Request, p *Problem) {
	maps.Copy(w.Header(), p.headers)
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // A Problem has only strings and numbers, so it always marshals.
	}
	w.Header().Set("Content-Type", MediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // An error means that the client is gone.
	}
}

// TooLarge returns the refusal of a body of more than limit bytes.
func TooLarge(limit int64) *care.Error {
	return care.Errorf(care.TooLarge, "the body is larger than %d bytes", limit)
}
