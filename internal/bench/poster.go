package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// poster sends requests over persistent connections. It takes a third of the
// processor time of net/http's client, which would count against the service when both share the
// machine.
type poster struct {
	addr string
	idle chan *posterConn
}

type posterConn struct {
	net.Conn
	answers *textproto.Reader
}

// newPoster returns a poster. Its connections are opened by their first requests, because the service
// closes one that sends none for five seconds.
func newPoster(s *service) *poster {
	p := &poster{addr: strings.TrimPrefix(s.url, "http://"), idle: make(chan *posterConn, writers)}
	for range writers {
		p.idle <- &posterConn{}
	}
	return p
}

func (c *posterConn) open(ctx context.Context, addr string) (err error) {
	if c.Conn != nil {
		return nil
	}
	if c.Conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr); err == nil {
		c.answers = textproto.NewReader(bufio.NewReader(c.Conn))
	}
	return err
}

// request returns a POST of JSON with one more header.
func (p *poster) request(path, header, value string, body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\n%s: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, p.addr, header, value, len(body), body)
}

// post sends the request on a free connection and reads the response, whose status must be 2xx.
func (p *poster) post(ctx context.Context, request []byte) error {
	select {
	case conn := <-p.idle:
		defer func() { p.idle <- conn }()
		if err := conn.open(ctx, p.addr); err != nil {
			return err
		}
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		if _, err := conn.Write(request); err != nil {
			return err
		}
		return conn.answer()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *posterConn) answer() error {
	status, err := c.answers.ReadLineBytes()
	if err != nil {
		return err
	}
	ok := strings.HasPrefix(string(status), "HTTP/1.1 2")
	length := -1
	for {
		line, err := c.answers.ReadLineBytes()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if length, err = strconv.Atoi(value); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("the response has no Content-Length")
	}
	if !ok {
		body := make([]byte, length)
		_, _ = io.ReadFull(c.answers.R, body)
		return fmt.Errorf("%s: %s", status, body)
	}
	_, err = c.answers.R.Discard(length)
	return err
}

func (p *poster) close() {
	for range len(p.idle) {
		if conn := <-p.idle; conn.Conn != nil {
			_ = conn.Close()
		}
	}
}
