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

// poster sends the same request repeatedly over persistent connections. It takes a third of the
// processor time of net/http's client, which would count against the service when both share the
// machine.
type poster struct {
	request []byte
	idle    chan *posterConn
}

type posterConn struct {
	net.Conn
	answers *textproto.Reader
}

// newPoster opens the connections.
func newPoster(ctx context.Context, s *service, path, token string, body []byte) (*poster, error) {
	addr := strings.TrimPrefix(s.url, "http://")
	p := &poster{
		request: fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			path, addr, token, len(body), body),
		idle: make(chan *posterConn, writers),
	}
	for range writers {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			p.close()
			return nil, err
		}
		p.idle <- &posterConn{conn, textproto.NewReader(bufio.NewReader(conn))}
	}
	return p, nil
}

// post sends the request on a free connection and reads the response, which must be 201.
func (p *poster) post(ctx context.Context) error {
	select {
	case conn := <-p.idle:
		defer func() { p.idle <- conn }()
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			return err
		}
		if _, err := conn.Write(p.request); err != nil {
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
	created := strings.HasPrefix(string(status), "HTTP/1.1 201 ")
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
	if !created {
		body := make([]byte, length)
		_, _ = io.ReadFull(c.answers.R, body)
		return fmt.Errorf("%s: %s", status, body)
	}
	_, err = c.answers.R.Discard(length)
	return err
}

func (p *poster) close() {
	for range len(p.idle) {
		_ = (<-p.idle).Close()
	}
}
