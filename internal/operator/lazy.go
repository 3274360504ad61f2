package operator

import (
	"context"
	"sync"
)

// lazy is a value that is opened on first use. A failed open is tried again by the next use.
type lazy[T any] struct {
	open  func(ctx context.Context) (T, error)
	mu    sync.Mutex
	value T
	done  bool
}

// opened returns a lazy value that is already open.
func opened[T any](value T) *lazy[T] { return &lazy[T]{value: value, done: true} }

func (l *lazy[T]) get(ctx context.Context) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return l.value, nil
	}
	value, err := l.open(ctx)
	if err != nil {
		return value, err
	}
	l.value, l.done = value, true
	return value, nil
}
