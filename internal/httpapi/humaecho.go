package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v5"
)

// humaContext adapts an Echo v5 context to huma. Replace it by huma's own adapter for Echo v5 once that is released:
// https://github.com/danielgtaylor/huma/issues/957
type humaContext struct {
	op     *huma.Operation
	echo   *echo.Context
	body   io.Reader
	status int
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
func (c *humaContext) BodyWriter() io.Writer      { return c.echo.Response() }

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
	c.echo.Response().WriteHeader(status)
}

func (c *humaContext) SetHeader(name, value string) { c.echo.Response().Header().Set(name, value) }

func (c *humaContext) AppendHeader(name, value string) { c.echo.Response().Header().Add(name, value) }

// SetReadDeadline does nothing, as readBody has already read the body.
func (c *humaContext) SetReadDeadline(time.Time) error { return nil }

// GetMultipartForm returns an error, as no operation takes a form.
func (c *humaContext) GetMultipartForm() (*multipart.Form, error) {
	return nil, http.ErrNotMultipart
}

// humaAdapter registers huma's operations as routes of the server, behind the same guard as every other route.
type humaAdapter struct {
	server *Server
}

func (a *humaAdapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.server.ServeHTTP(w, r) }

// Handle adds the route of an operation. Its access stands in the operation's metadata, where register puts it.
func (a *humaAdapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	path := strings.NewReplacer("{", ":", "}", "").Replace(op.Path)
	access, _ := op.Metadata[accessKey].(Access)
	access.body = op.RequestBody != nil
	limit := int64(maxBody)
	if access.identity {
		limit = maxSmallBody
	}
	// Known once every route is registered.
	media := sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(op.RequestBody.Content)) })
	keyed := slices.Contains(op.Parameters, keyParameter)
	a.server.Handle(op.Method, path, access, func(c *echo.Context) error {
		ctx := &humaContext{op: op, echo: c, body: http.NoBody}
		var body []byte
		if op.RequestBody != nil {
			var err error
			if body, err = a.server.readBody(c, limit, media()...); err != nil {
				return err
			}
			ctx.body = bytes.NewReader(body)
		}
		if keyed {
			if err := infoOf(ctx.Context()).readKey(c.Request(), body); err != nil {
				return err
			}
		}
		handler(ctx)
		return nil
	})
}
