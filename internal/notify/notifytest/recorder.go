package notifytest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"carewire/internal/notify"
)

// soon bounds what Wait waits for. It is long: the machine may be busy.
const soon = 30 * time.Second

// Recorder is a Notifier that keeps what it was given and answers as it is told; at first it accepts everything. Its zero
// value is ready, and it is safe for concurrent use.
type Recorder struct {
	mu       sync.Mutex
	messages []notify.Message
	answer   func(ctx context.Context, m notify.Message) (notify.Receipt, error)
	// came is closed when the next message is recorded; nil while nobody waits.
	came chan struct{}
}

var _ notify.Notifier = (*Recorder)(nil)

// Answer makes the Recorder answer with fn from now on; nil means that all is accepted again.
func (r *Recorder) Answer(fn func(m notify.Message) (notify.Receipt, error)) {
	if fn == nil {
		r.set(nil)
		return
	}
	r.set(func(_ context.Context, m notify.Message) (notify.Receipt, error) { return fn(m) })
}

// Fail makes every call fail with err from now on, such as notify.Permanent("REJECTED") or notify.Transient("BUSY",
// time.Second); nil means that all is accepted again.
func (r *Recorder) Fail(err *notify.Error) {
	if err == nil {
		r.set(nil)
		return
	}
	r.set(func(context.Context, notify.Message) (notify.Receipt, error) { return notify.Receipt{}, err })
}

// Stall makes every call from now on last until its context ends, and then succeed: a provider that accepted the message
// while the caller was giving up.
func (r *Recorder) Stall() {
	r.set(func(ctx context.Context, m notify.Message) (notify.Receipt, error) {
		<-ctx.Done()
		return accepted(m), nil
	})
}

func (r *Recorder) set(answer func(ctx context.Context, m notify.Message) (notify.Receipt, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// Notify records the message, and answers.
func (r *Recorder) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	r.mu.Lock()
	r.messages = append(r.messages, m)
	answer := r.answer
	if r.came != nil {
		close(r.came)
		r.came = nil
	}
	r.mu.Unlock()
	if answer != nil {
		return answer(ctx, m)
	}
	return accepted(m), nil
}

func accepted(m notify.Message) notify.Receipt {
	return notify.Receipt{Provider: "recorder", ProviderID: m.DeliveryID.String()}
}

// Messages gives what was recorded, oldest first.
func (r *Recorder) Messages() []notify.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Wait gives what was recorded once there are at least n messages, and fails the test when they do not come within half a
// minute.
func (r *Recorder) Wait(tb testing.TB, n int) []notify.Message {
	tb.Helper()
	deadline := time.NewTimer(soon)
	defer deadline.Stop()
	for {
		messages, came := r.waiting()
		if len(messages) >= n {
			return messages
		}
		select {
		case <-came:
		case <-deadline.C:
			tb.Fatalf("%d messages came within %s, not %d", len(messages), soon, n)
		}
	}
}

// waiting gives what was recorded, and the signal of the next message after it.
func (r *Recorder) waiting() ([]notify.Message, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.came == nil {
		r.came = make(chan struct{})
	}
	return slices.Clone(r.messages), r.came
}
