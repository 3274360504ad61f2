package httpapi

import (
	"container/list"
	"sync"
)

// lru is a map that forgets what was not used for longest when it is full. It is safe for use by many goroutines.
type lru[K comparable, V any] struct {
	mu      sync.Mutex
	max     int
	entries map[K]*list.Element
	order   *list.List // Most recently used in front.
}

type lruEntry[K comparable, V any] struct {
	key   K
	value V
}

func newLRU[K comparable, V any](maximum int) *lru[K, V] {
	return &lru[K, V]{max: maximum, entries: map[K]*list.Element{}, order: list.New()}
}

// get gives the value of the key, if it is still known.
func (l *lru[K, V]) get(key K) (V, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[key]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*lruEntry[K, V]).value, true
	}
	var zero V
	return zero, false
}

// getOrPut gives the value of the key, which it makes where it is not known.
func (l *lru[K, V]) getOrPut(key K, makeValue func() V) V {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[key]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*lruEntry[K, V]).value
	}
	value := makeValue()
	l.insert(key, value)
	return value
}

// put sets the value of the key.
func (l *lru[K, V]) put(key K, value V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[key]; ok {
		e.Value.(*lruEntry[K, V]).value = value
		l.order.MoveToFront(e)
		return
	}
	l.insert(key, value)
}

// remove forgets the key.
func (l *lru[K, V]) remove(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[key]; ok {
		l.order.Remove(e)
		delete(l.entries, key)
	}
}

func (l *lru[K, V]) insert(key K, value V) {
	l.entries[key] = l.order.PushFront(&lruEntry[K, V]{key, value})
	if l.order.Len() > l.max {
		oldest := l.order.Back()
		l.order.Remove(oldest)
		delete(l.entries, oldest.Value.(*lruEntry[K, V]).key)
	}
}
