package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v5"

	"carewire/internal/httpapi/problem"
	"carewire/internal/jsonform"
)

// humaContext adapts an Echo v5 context to huma. Replace it by huma's own adapter for Echo v5 once
// that is released: https://github.com/danielgtaylor/huma/issues/957
type humaContext struct {
	op   *huma.Operation
	echo *echo.Context
	body io.Reader
	// status and answer are the response until finish writes it.
	status int
	answer *bytes.Buffer
	// times are the query parameters of the format date-time.
	times map[string]bool
}

var _ huma.Context = (*humaContext)(nil)

func (c *humaContext) Operation() *huma.Operation { return c.op }
func (c *humaContext) Context() context.Context   { return c.echo.Request().Context() }
func (c *humaContext) TLS() *tls.ConnectionState  { return c.echo.Request().TLS }
func (c *humaContext) Method() string             { return c.echo.Request().Method }
func (c *humaContext) Host() string               { return c.echo.Request().Host }
func (c *humaContext) RemoteAddr() string         { return c.echo.Request().RemoteAddr }
func (c *humaContext) URL() url.URL               { return *c.echo.Request().URL }
func (c *humaContext) Param(name string) string   { return c.echo.Param(name) }
func (c *humaContext) BodyReader() io.Reader      { return c.body }
func (c *humaContext) Status() int                { return c.status }
func (c *humaContext) BodyWriter() io.Writer      { return c.answer }

// Query returns a query parameter. A time is returned in the form that huma's parser reads, and
// anything that RFC 3339 does not allow, which the parser might, as a text that it refuses.
func (c *humaContext) Query(name string) string {
	value := c.echo.QueryParam(name)
	if value == "" || !c.times[name] {
		return value
	}
	t, ok := jsonform.ParseTime(value)
	if !ok {
		return "not a time"
	}
	return t.Format(time.RFC3339Nano)
}

// Header returns a header. The lines of a list of entity tags are joined. Content-Type, which
// body.Reader has checked, is returned as huma compares it: in lower case and without parameters.
func (c *humaContext) Header(name string) string {
	h := c.echo.Request().Header
	if slices.Contains(preconditions, name) {
		return strings.Join(h.Values(name), ",")
	}
	if name == "Content-Type" {
		mediaType, _, _ := mime.ParseMediaType(h.Get(name))
		return mediaType
	}
	return h.Get(name)
}

func (c *humaContext) EachHeader(fn func(name, value string)) {
	for name, values := range c.echo.Request().Header {
		for _, value := range values {
			fn(name, value)
		}
	}
}

func (c *humaContext) Version() huma.ProtoVersion {
	r := c.echo.Request()
	return huma.ProtoVersion{Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor}
}

func (c *humaContext) SetStatus(status int) { c.status = status }

// finish writes the response: a problem as a page if the request asks for one. It writes only whole
// responses, with their length; one that cannot be encoded panics before.
func (c *humaContext) finish(s *Server) {
	w := c.echo.Response()
	if c.status >= http.StatusBadRequest && problem.WantsPage(c.echo.Request()) {
		p := problem.New(c.status, problem.CodeInternal, problem.InternalDetail)
		if err := json.Unmarshal(c.answer.Bytes(), p); err != nil {
			s.logger.Error("problem page", "error", err)
		}
		s.writeProblemPage(w, c.echo.Request(), p.WithHeaders(w.Header().Clone()))
		return
	}
	if c.answer.Len() == 0 {
		w.WriteHeader(c.status)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(c.answer.Len()))
	w.WriteHeader(c.status)
	_, _ = c.answer.WriteTo(w) // An error means that the client is gone.
}

func (c *humaContext) SetHeader(name, value string) { c.echo.Response().Header().Set(name, value) }

func (c *humaContext) AppendHeader(name, value string) { c.echo.Response().Header().Add(name, value) }

// SetReadDeadline does nothing, as body.Reader has already read the body.
func (c *humaContext) SetReadDeadline(time.Time) error { return nil }

// GetMultipartForm returns an error, as no operation takes a form.
func (c *humaContext) GetMultipartForm() (*multipart.Form, error) {
	return nil, http.ErrNotMultipart
}

// answers has buffers for responses. Larger ones than maxPooledAnswer, in bytes, are not kept.
var answers = sync.Pool{New: func() any { return &bytes.Buffer{} }}

const maxPooledAnswer = 64 << 10

// humaAdapter registers huma's operations as routes of the server, behind the same guard as every
// other route.
type humaAdapter struct {
	server *Server
}

func (a *humaAdapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.server.ServeHTTP(w, r) }

// Handle implements huma.Adapter.
func (a *humaAdapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	times := map[string]bool{}
	for _, p := range op.Parameters {
		if p.In == "query" && p.Schema.Format == "date-time" {
			times[p.Name] = true
		}
	}
	a.server.handleOperation(op, func(c *echo.Context, body io.Reader) {
		answer := answers.Get().(*bytes.Buffer)
		defer func() {
			if answer.Cap() <= maxPooledAnswer {
				answer.Reset()
				answers.Put(answer)
			}
		}()
		ctx := &humaContext{op: op, echo: c, body: body, times: times, answer: answer}
		handler(ctx)
		ctx.finish(a.server)
	})
}
