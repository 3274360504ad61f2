package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// readyFor and notReadyFor are how long an answer to "is it ready?" is given again without looking. A load balancer asks
	// every few seconds; the shorter one lets it find an instance soon after it has become ready.
	readyFor    = time.Second
	notReadyFor = 100 * time.Millisecond
)

// probe looks whether the service is ready, however many ask: one look at a time, whose answer all share that ask meanwhile
// or soon after.
type probe struct {
	// look bounds its own time.
	look func(ctx context.Context) error

	mu   sync.Mutex
	last *look
}

var errNoAnswer = errors.New("the check ended without an answer")

// look is one of a probe's looks.
type look struct {
	// done is closed when the fields below are set.
	done  chan struct{}
	err   error
	until time.Time
}

func newProbe(fn func(ctx context.Context) error) *probe { return &probe{look: fn} }

// ask returns what is missing, or nil. The first one to ask does the looking; it does not end with that one's ctx, since
// others wait for it.
func (p *probe) ask(ctx context.Context) error {
	p.mu.Lock()
	l := p.last
	mine := l == nil || l.over()
	if mine {
		l = &look{done: make(chan struct{})}
		p.last = l
	}
	p.mu.Unlock()
	if mine {
		l.err = errNoAnswer // Should the look panic, those who wait learn that much.
		defer l.end()
		l.err = p.look(context.WithoutCancel(ctx))
		return l.err
	}
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end gives the answer to those who wait.
func (l *look) end() {
	l.until = time.Now().Add(readyFor)
	if l.err != nil {
		l.until = time.Now().Add(notReadyFor)
	}
	close(l.done)
}

// over reports whether the answer is too old to be given again.
func (l *look) over() bool {
	select {
	case <-l.done:
		return time.Now().After(l.until)
	default:
		return false
	}
}
