package notify

import (
	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// DeliveryArgs are the arguments of the River job that drives one delivery: its id, and nothing of what it says or to
// whom. The job's queue is the delivery's channel, its priority the rule's.
type DeliveryArgs struct {
	DeliveryID uuid.UUID `json:"deliveryId"`
}

// Kind names the job in River's tables.
func (DeliveryArgs) Kind() string { return "delivery" }

// InsertOpts bounds the attempts. The queue and the priority come from JobOpts.
func (DeliveryArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{MaxAttempts: MaxAttempts} }

// JobOpts gives the options of the job for a delivery on the channel, at the priority "critical", "high", "normal" or
// "bulk"; any other counts as bulk.
func JobOpts(channel, priority string) *river.InsertOpts {
	rank, ok := map[string]int{"critical": 1, "high": 2, "normal": 3}[priority]
	if !ok {
		rank = 4
	}
	return &river.InsertOpts{Queue: channel, Priority: rank}
}

// SweepArgs are the arguments of the periodic job that looks for deliveries which no live job carries.
type SweepArgs struct{}

// unfinished are the states of a job in which a periodic one is not queued a second time.
var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// Kind names the job in River's tables.
func (SweepArgs) Kind() string { return "delivery_sweep" }

// InsertOpts puts the sweep in a queue of its own. A failed one is not repeated, as the next comes anyway; while one waits or
// runs, no other is queued.
func (SweepArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, Queue: sweepQueue, UniqueOpts: river.UniqueOpts{ByState: unfinished}}
}
