package realtime

import "sync"

// queue has the sessions that wait for a worker, in order. It is bounded by the number of sessions,
// because each is in it at most once; push never blocks.
type queue struct {
	mu     sync.Mutex
	more   *sync.Cond
	items  []*session
	closed bool
}

func newQueue() *queue {
	q := &queue{}
	q.more = sync.NewCond(&q.mu)
	return q
}

func (q *queue) push(sessions ...*session) {
	if len(sessions) == 0 {
		return
	}
	q.mu.Lock()
	q.items = append(q.items, sessions...)
	q.mu.Unlock()
	if len(sessions) == 1 {
		q.more.Signal()
	} else {
		q.more.Broadcast()
	}
}

// pop waits for a session. It returns false when the queue is closed.
func (q *queue) pop() (*session, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && !q.closed {
		q.more.Wait()
	}
	if q.closed {
		return nil, false
	}
	s := q.items[0]
	q.items[0] = nil
	q.items = q.items[1:]
	return s, true
}

// close ends the wait of every worker.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.more.Broadcast()
}
