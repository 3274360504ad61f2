package notifytest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"carewire/internal/notify"
)

// soon is the timeout of Wait. It is long because the machine may be busy.
const soon = 30 * time.Second

// Recorder is a Notifier that records messages and returns configured answers; by default it
// accepts every message. The zero value is ready for use. It is safe for concurrent use.
type Recorder struct {
	mu       sync.Mutex
	messages []notify.Message
	answer   func(ctx context.Context, m notify.Message) (notify.Receipt, error)
	// came is closed when the next message is recorded; nil while no call of Wait is in progress.
	came chan struct{}
}

var _ notify.Notifier = (*Recorder)(nil)

// Answer sets the function that answers the calls that follow; nil accepts every message.
func (r *Recorder) Answer(fn func(m notify.Message) (notify.Receipt, error)) {
	if fn == nil {
		r.set(nil)
		return
	}
	r.set(func(_ context.Context, m notify.Message) (notify.Receipt, error) { return fn(m) })
}

// Fail makes the calls that follow fail with err, such as notify.Permanent("REJECTED") or
// notify.Transient("BUSY", time.Second); nil accepts every message.
func (r *Recorder) Fail(err *notify.Error) {
	if err == nil {
		r.set(nil)
		return
	}
	r.set(func(context.Context, notify.Message) (notify.Receipt, error) { return notify.Receipt{}, err })
}

// Stall makes the calls that follow block until their context ends, and then succeed: as if the
// provider accepted the message during the caller's time-out.
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

// Notify implements notify.Notifier.
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

// Messages returns the recorded messages, oldest first.
func (r *Recorder) Messages() []notify.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Wait returns the recorded messages once there are at least n, and fails the test if there are
// fewer after half a minute.
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

// waiting returns the recorded messages, and the signal of the next one.
func (r *Recorder) waiting() ([]notify.Message, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.came == nil {
		r.came = make(chan struct{})
	}
	return slices.Clone(r.messages), r.came
}
