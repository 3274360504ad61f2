package notify_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
	"carewire/internal/notify/template"
)

// versions is a TemplateSource for tests.
type versions struct {
	mu   sync.Mutex
	sets map[int32]*template.Set
	errs map[int32]error
}

func (v *versions) TemplateSet(_ context.Context, version int32) (*template.Set, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.sets[version], v.errs[version]
}

func (v *versions) fix(version int32, set *template.Set) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sets[version], v.errs[version] = set, nil
}

func wording(t *testing.T, title string) *template.Set {
	t.Helper()
	set, err := template.Parse([]byte("templates:\n  clinical:\n    push:\n      title: "+title+"\n      body: Sign in to read it.\nframe:\n  greeting: Hello,\n  or: Or open\n  footer: [Bye]\n"), template.Options{})
	require.NoError(t, err)
	return set
}

func TestWorker_RendersTheVersionOfTheDelivery(t *testing.T) {
	t.Parallel()
	recorder := &notifytest.Recorder{}
	b := setup(t, map[string]notify.Notifier{notify.Push: recorder}, func(cfg *notify.Config) {
		cfg.Templates = &versions{sets: map[int32]*template.Set{1: wording(t, "First"), 2: wording(t, "Second")}}
	})
	b.exec(`INSERT INTO clinic_brands (clinic_id, version, display_name, reply_to, updated_at, updated_by) VALUES ($1, 1, 'Your care team', 'desk@clinic.example', now(), 'x')`, b.clinic)
	one, two := b.plan(plan{}), b.plan(plan{})
	b.exec(`UPDATE deliveries SET template_version = CASE id WHEN $1 THEN 1 ELSE 2 END`, one)
	b.start()
	b.enqueue(one, two)
	b.await(one, "sent")
	b.await(two, "sent")
	titles := map[string]string{}
	for _, m := range recorder.Messages() {
		titles[m.DeliveryID.String()] = m.Title
		require.Equal(t, "Your care team", m.SenderName)
		require.Equal(t, "desk@clinic.example", m.ReplyTo)
	}
	require.Equal(t, map[string]string{one.String(): "First", two.String(): "Second"}, titles)
}

func TestWorker_HoldsAMessageThatHasNoTemplateSetItUnderstands(t *testing.T) {
	t.Parallel()
	recorder := &notifytest.Recorder{}
	source := &versions{sets: map[int32]*template.Set{}, errs: map[int32]error{
		1: care.Errorf(care.Unavailable, "template set version 1 is not understood by this binary"), 2: errors.New("connection refused"),
	}}
	b := setup(t, map[string]notify.Notifier{notify.Push: recorder}, func(cfg *notify.Config) { cfg.Templates = source })
	one, two := b.plan(plan{fallback: []string{notify.Email}}), b.plan(plan{})
	b.exec(`UPDATE deliveries SET template_version = CASE id WHEN $1 THEN 1 ELSE 2 END`, one)
	b.start()
	b.enqueue(one, two)
	for id, code := range map[string]string{one.String(): "template_version", two.String(): "database"} {
		b.eventually(func() bool {
			return b.count(`SELECT count(*) FROM deliveries WHERE id = $1 AND state = 'queued' AND attempt = 0 AND attempt_started_at IS NULL AND error_code = $2`, id, code) == 1
		}, "it is held, without an attempt, and the operator sees why")
		b.eventually(func() bool {
			return b.count(`SELECT count(*) FROM river.river_job WHERE args->>'deliveryId' = $1 AND state = 'scheduled'`, id) == 1
		}, "its job waits")
	}
	require.Empty(t, recorder.Messages(), "no other words are sent")
	require.Zero(t, b.told("notification.failed", one))

	source.fix(1, wording(t, "Fixed"))
	b.exec(`UPDATE river.river_job SET state = 'available', scheduled_at = now() WHERE args->>'deliveryId' = $1`, one.String())
	b.await(one, "sent")
	require.Equal(t, "Fixed", recorder.Messages()[0].Title)
	require.Nil(t, b.delivery(one).ErrorCode)
}
