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

// chatInterval is the longest delay of a reminder of an unread message, and of the notice that a
// person left a conversation.
const chatInterval = 15 * time.Second

// AddChat adds the job that reminds people of unread messages. Call it after Add.
func AddChat(cfg *river.Config, conversations *chat.Service) {
	river.AddWorker(cfg.Workers, &chatWorker{chat: conversations})
	cfg.PeriodicJobs = append(cfg.PeriodicJobs, river.NewPeriodicJob(
		river.PeriodicInterval(chatInterval),
		func() (river.JobArgs, *river.InsertOpts) { return ChatArgs{}, nil },
		&river.PeriodicJobOpts{ID: ChatArgs{}.Kind(), RunOnStart: true},
	))
}

// ChatArgs are the arguments of the job that reminds people of unread messages.
type ChatArgs struct{}

// Kind returns River's name of the job.
func (ChatArgs) Kind() string { return "chat_unread" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (ChatArgs) InsertOpts() river.InsertOpts {
	return insertOpts()
}

type chatWorker struct {
	river.WorkerDefaults[ChatArgs]
	chat *chat.Service
}

// Work reports departures, then reminds. A failure of one does not stop the other.
func (w *chatWorker) Work(ctx context.Context, _ *river.Job[ChatArgs]) error {
	_, left := w.chat.SweepDepartures(ctx)
	_, reminded := w.chat.SweepUnread(ctx)
	if err := errors.Join(left, reminded); err != nil {
		return fmt.Errorf("remind of unread messages: %s", postgres.SafeError(err))
	}
	return nil
}
