package periodic

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"carewire/internal/clinic/chat"
	"carewire/internal/postgres"
)

// chatInterval is how late a reminder of an unread message, or the word that somebody left a conversation, may be.
const chatInterval = 15 * time.Second

// AddChat gives the River client's configuration, after Add, the job that reminds people of messages that they have not read.
func AddChat(cfg *river.Config, conversations *chat.Service) {
	river.AddWorker(cfg.Workers, &chatWorker{chat: conversations})
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(chatInterval),
		func() (river.JobArgs, *river.InsertOpts) { return ChatArgs{}, nil },
		&river.PeriodicJobOpts{ID: ChatArgs{}.Kind(), RunOnStart: true},
	))
}

// ChatArgs are the arguments of the job that reminds of unread messages.
type ChatArgs struct{}

// Kind names the job in River's tables.
func (ChatArgs) Kind() string { return "chat_unread" }

// InsertOpts does not repeat a failed run: the next comes anyway.
func (ChatArgs) InsertOpts() river.InsertOpts {
	return once()
}

type chatWorker struct {
	river.WorkerDefaults[ChatArgs]
	chat *chat.Service
}

// Work tells of who left, then reminds. One does not wait for the other to succeed.
func (w *chatWorker) Work(ctx context.Context, _ *river.Job[ChatArgs]) error {
	_, left := w.chat.SweepDepartures(ctx)
	_, reminded := w.chat.SweepUnread(ctx)
	if err := errors.Join(left, reminded); err != nil {
		return fmt.Errorf("remind of unread messages: %s", postgres.SafeError(err))
	}
	return nil
}
