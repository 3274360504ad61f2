// Package scheduler runs work that is due at a time: notifications that were planned for later, open
// digests and steps of escalations. It owns the loop; the rows and their meaning belong to the
// Sources.
//
// One goroutine per process serves every source in turn. It asks them for the next due time, which is
// one probe of a partial index for each, and sleeps until then, or until it is woken because events
// were added to the ledger: whatever plans something for later appends an event too. It never scans.
//
// A source handles at most Config.Batch rows in one transaction. Instances share the work with SKIP
// LOCKED: a row is handled by whoever locks it. Whatever is due is decided by the database's time
// (due_now), so that the clocks of the instances do not matter.
//
// A batch that fails because of one of its rows is halved until only that row is left, which is
// postponed for retryDelay and logged; the others are handled meanwhile. Other errors are retried. A
// panic of a source is an error, which is logged with its stack.
package scheduler
