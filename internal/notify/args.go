package notify

import (
	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// DeliveryArgs are the arguments of the River job that drives one delivery: its id, and nothing
// about content or recipient. The job's queue is the delivery's channel, its priority the rule's.
type DeliveryArgs struct {
	DeliveryID uuid.UUID `json:"deliveryId"`
}

// Kind implements river.JobArgs.
func (DeliveryArgs) Kind() string { return "delivery" }

// InsertOpts bounds the attempts. The queue and the priority come from JobOpts.
func (DeliveryArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: MaxAttempts} }

// JobOpts returns the options of the job for a delivery on the channel, at the priority "critical",
// "high", "normal" or "bulk"; any other counts as bulk.
func JobOpts(channel, priority string) *river.InsertOpts {
	rank, ok := map[string]int{"critical": 1, "high": 2, "normal": 3}[priority]
	if !ok {
		rank = 4
	}
	return &river.InsertOpts{Queue: channel, Priority: rank}
}

// SweepArgs are the arguments of the periodic job that runs Sweep.
type SweepArgs struct{}

// UnfinishedStates lists the states of a job in which a periodic job of the same kind is not queued
// again.
var UnfinishedStates = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// Kind implements river.JobArgs.
func (SweepArgs) Kind() string { return "delivery_sweep" }

// InsertOpts puts the sweep in its own queue. A failed sweep is not retried, as the next one
// follows anyway; while one waits or runs, no other is queued.
func (SweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: sweepQueue, UniqueOpts: river.UniqueOpts{ByState: UnfinishedStates}}
}
