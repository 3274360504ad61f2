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

// statuses is the one place where a code of the domain becomes an HTTP status. What is not in it is a fault of ours: 500.
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

// The codes of refusals that only HTTP knows; those of the domain stand in care.
const (
	codeInternal         = "internal"
	codeMethodNotAllowed = "method_not_allowed"
	codeUnsupportedMedia = "unsupported_media_type"
	codeRequestTimeout   = "request_timeout"
	codeCrossOrigin      = "cross_origin"
	codeRoleMissing      = "role_missing"
	codeWrongHost        = "wrong_host"
)

// retryAfter is what a client that finds a part of the service unavailable is told to wait, in seconds.
const retryAfter = "2"

// Problem is a refusal as RFC 9457 has it, with a stable code for programs and the fields at fault.
type Problem struct { //nolint:errname // It is RFC 9457's name, and the schema's.
	Type     string         `json:"type" doc:"Always about:blank: the code says what it is." example:"about:blank"`
	Title    string         `json:"title" doc:"The status in words." example:"Unprocessable Entity"`
	Status   int            `json:"status" example:"422"`
	Detail   string         `json:"detail" doc:"What was wrong and what to do, for a person." example:"the request has an invalid value"`
	Code     string         `json:"code" doc:"What was wrong, for a program. Codes are only added." example:"invalid"`
	Errors   []FieldProblem `json:"errors,omitempty" doc:"Each input at fault."`
	NextFree []care.Span    `json:"nextFree,omitempty" doc:"Where a time for an appointment was taken: the next ones that were free just now."`
	// PossibleDuplicates goes with the code possible_duplicate.
	PossibleDuplicates []uuid.UUID `json:"possibleDuplicates,omitempty" format:"uuid" doc:"Where a patient may be registered already: the ids of those who may be the same person, at most 10."`
	RequestID          string      `json:"requestId,omitempty" doc:"Names the request in logs and events."`

	headers http.Header
}

// FieldProblem is what is wrong with one input. The value itself is never repeated.
type FieldProblem struct {
	Field   string `json:"field" doc:"A path into the body, or the name of a parameter or header." example:"results[0].value"`
	Message string `json:"message" example:"is required"`
	Line    int    `json:"line,omitempty" doc:"Where it stands, counted from 1, in an input that is a text of many lines, such as a rule set."`
}

// newProblem makes a problem of a status and a code.
func newProblem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, headers: http.Header{}}
}

// Error gives the detail.
func (p *Problem) Error() string { return p.Detail }

// GetStatus gives the HTTP status; huma asks for it.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders gives the headers that go with the problem; huma asks for them.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType makes application/problem+json of application/json; huma asks for it.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// with adds a header to the problem.
func (p *Problem) with(name, value string) *Problem {
	p.headers.Set(name, value)
	return p
}

// CrossOrigin refuses a request that another site's page may have sent.
func CrossOrigin(detail string) error {
	return newProblem(http.StatusForbidden, codeCrossOrigin, detail)
}

// RoleMissing refuses what only instances of another role serve. It sets no Retry-After, as asking this instance again
// does not help.
func RoleMissing(what, role string) error {
	return newProblem(http.StatusServiceUnavailable, codeRoleMissing, "this instance does not serve "+what+"; ask one that was started with the role "+role)
}

// WrongHost refuses a request of the demo that names another host.
func WrongHost() error {
	return newProblem(http.StatusMisdirectedRequest, codeWrongHost, "the demo answers to localhost, an address, or the host of CAREWIRE_BASE_URL")
}

// problemOf makes the answer to an error. One that is no refusal is logged here, once, and told of in general words.
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
	return newProblem(http.StatusInternalServerError, codeInternal, "something went wrong on our side; if it stays so, give the request id to the operator")
}

// problemOfRefusal makes the problem of a domain's refusal, with the headers that its status asks for.
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

// problemOfStatus makes the problem of a refusal by the router; nil for a status that is none of its.
func problemOfStatus(status int) *Problem {
	switch status {
	case http.StatusNotFound:
		return newProblem(status, string(care.NotFound), "there is no such route; /docs/api lists those there are")
	case http.StatusMethodNotAllowed:
		return newProblem(status, codeMethodNotAllowed, "this route does not know that method; the Allow header lists those it knows")
	case http.StatusRequestEntityTooLarge:
		return problemOfRefusal(tooLarge(maxBody))
	default:
		return nil
	}
}

// writeProblem answers with the problem. It is for the handlers that huma does not serve.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	maps.Copy(w.Header(), p.headers)
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // A Problem is made of strings and numbers: it always marshals.
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // The client is gone: there is nobody to tell.
	}
}

func tooLarge(limit int64) *care.Error {
	return care.Errorf(care.TooLarge, "the body is larger than %d bytes", limit)
}
