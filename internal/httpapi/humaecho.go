package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v5"
)

// humaContext adapts an Echo v5 context to huma. Replace it by huma's own adapter for Echo v5 once
// that is released: https://github.com/danielgtaylor/huma/issues/957
type humaContext struct {
	op     *huma.Operation
	echo   *echo.Context
	body   io.Reader
	status int
	// problem collects the JSON of a problem that is answered as a page.
	problem *bytes.Buffer
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
func (c *humaContext) Query(name string) string   { return c.echo.QueryParam(name) }
func (c *humaContext) BodyReader() io.Reader      { return c.body }
func (c *humaContext) Status() int                { return c.status }

func (c *humaContext) BodyWriter() io.Writer {
	if c.problem != nil {
		return c.problem
	}
	return c.echo.Response()
}

func (c *humaContext) Header(name string) string { return c.echo.Request().Header.Get(name) }

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

func (c *humaContext) SetStatus(status int) {
	c.status = status
	if status >= http.StatusBadRequest && wantsPage(c.echo.Request()) {
		c.problem = &bytes.Buffer{}
		return
	}
	c.echo.Response().WriteHeader(status)
}

// finish answers with the page of a problem that was collected.
func (c *humaContext) finish(s *Server) {
	if c.problem == nil {
		return
	}
	p := newProblem(c.status, codeInternal, internalDetail)
	if err := json.Unmarshal(c.problem.Bytes(), p); err != nil {
		s.logger.Error("problem page", "error", err)
	}
	p.headers = c.echo.Response().Header().Clone()
	s.writeProblemPage(c.echo.Response(), c.echo.Request(), p)
}

func (c *humaContext) SetHeader(name, value string) { c.echo.Response().Header().Set(name, value) }

func (c *humaContext) AppendHeader(name, value string) { c.echo.Response().Header().Add(name, value) }

// SetReadDeadline does nothing, as readBody has already read the body.
func (c *humaContext) SetReadDeadline(time.Time) error { return nil }

// GetMultipartForm returns an error, as no operation takes a form.
func (c *humaContext) GetMultipartForm() (*multipart.Form, error) {
	return nil, http.ErrNotMultipart
}

// humaAdapter registers huma's operations as routes of the server, behind the same guard as every
// other route.
type humaAdapter struct {
	server *Server
}

func (a *humaAdapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.server.ServeHTTP(w, r) }

// Handle implements huma.Adapter.
func (a *humaAdapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	a.server.handleOperation(op, func(c *echo.Context, body io.Reader) {
		answer := &humaContext{op: op, echo: c, body: body}
		handler(answer)
		answer.finish(a.server)
	})
}
