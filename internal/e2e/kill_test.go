package e2e_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// writers create reports on the next instance in turn, and record the acknowledged ones.
type writers struct {
	rate   *rate.Limiter
	c      *clinic
	report map[string]any

	mu           sync.Mutex
	acknowledged map[string]bool
	// refused counts responses other than 201, by status; lost counts requests without a response.
	refused map[int]int
	lost    int
	bad     []string
	// then is called when at writes were acknowledged, while others are in progress.
	at   int
	then func()
}

const (
	writersAtOnce = 4
	// writesPerSecond keeps about one write in progress at any moment, and leaves the machine to the
	// instances that stop and start.
	writesPerSecond = 60
)

func newWriters(c *clinic) *writers {
	return &writers{
		c: c, report: c.report(), acknowledged: map[string]bool{}, refused: map[int]int{},
		rate: rate.NewLimiter(writesPerSecond, writersAtOnce),
	}
}

func (w *writers) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acknowledged)
}

// write makes one attempt.
func (w *writers) write() {
	a, err := w.c.try(w.c.api.url(), doctor, http.MethodPost, "/api/ehr/lab-reports", w.report)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err != nil: // The outcome is unknown.
		w.lost++
	case a.status == http.StatusCreated:
		w.acknowledged["lab_report/"+a.decode(w.c.t)["id"].(string)] = true
		if len(w.acknowledged) == w.at {
			w.then()
		}
	default:
		w.refused[a.status]++
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" ||
			a.header.Get("Content-Type") != "application/problem+json" || a.decode(w.c.t)["code"] != "unavailable" {
			w.bad = append(w.bad, string(a.body))
		}
	}
}

// until writes with several writers until enough are acknowledged.
func (w *writers) until(enough func() bool) {
	var all sync.WaitGroup
	for range writersAtOnce {
		all.Go(func() {
			for !enough() && !w.c.t.Failed() && w.rate.Wait(w.c.t.Context()) == nil {
				w.write()
			}
		})
	}
	all.Wait()
}

func TestInstances_KillingAnyOfThemLosesAndDuplicatesNothing(t *testing.T) {
	t.Parallel()
	c, providers, received := openProduction(t)
	w := newWriters(c)
	for _, victim := range rand.Perm(len(c.instances)) {
		i, before := c.instances[victim], w.count()
		// During writes, and when a provider has accepted a message but not responded.
		var killed atomic.Bool
		kill := func() {
			_ = i.cmd.Process.Kill()
			killed.Store(true)
		}
		w.at, w.then = before+20, func() { providers[victim].kill.Store(&kill) }
		w.until(func() bool { return w.count() >= before+60 && killed.Load() })
		_ = i.cmd.Wait()
		i.start()
		i.ready()
	}
	require.Empty(t, w.bad, "an instance that lives refuses nothing")
	require.GreaterOrEqual(t, w.count(), 180)

	c.finish()
	c.requireLedgerIsSound()
	c.requireWritten(w.acknowledged)
	require.Equal(t, 0, c.query(`WITH told AS (SELECT e.subject, count(*) AS n FROM events AS e WHERE e.type = 'ehr.lab_report.created' GROUP BY e.subject)
		SELECT count(*) FROM records AS r LEFT JOIN told AS t ON t.subject = 'lab_report/' || r.id WHERE t.n IS DISTINCT FROM 1`), "each committed record has one event")
	require.Equal(t, 0, c.query(`WITH planned AS (SELECT d.event_id, count(*) AS n FROM deliveries AS d WHERE d.channel = 'email' GROUP BY d.event_id)
		SELECT count(*) FROM events AS e LEFT JOIN planned AS p ON p.event_id = e.event_id WHERE e.type = 'ehr.lab_report.created' AND p.n IS DISTINCT FROM 3`), "three people get an email, each planned once")
	require.Equal(t, 0, c.query(`WITH told AS (
			SELECT e.data ->> 'deliveryId' AS id, count(*) AS n FROM events AS e WHERE e.type IN ('notification.sent', 'notification.failed') GROUP BY 1
		) SELECT count(*) FROM deliveries AS d LEFT JOIN told AS t ON t.id = d.id::text WHERE d.channel = 'email' AND t.n IS DISTINCT FROM 1`), "each outcome has one event")

	messages := map[string]int{}
	for _, m := range received.Messages("email") {
		messages[m.DeliveryID]++
	}
	for id, n := range messages {
		if n > 1 {
			require.Equal(t, 1, c.query(`SELECT count(*) FROM deliveries WHERE possible_duplicate AND id::text = $1`, id), "%s was sent %d times", id, n)
		}
	}
	sent, unsure := c.query(`SELECT count(*) FROM deliveries WHERE state = 'sent'`), c.query(`SELECT count(*) FROM deliveries WHERE error_code = 'no_receipt'`)
	require.GreaterOrEqual(t, len(messages), sent, "each sent email was received")
	require.GreaterOrEqual(t, unsure, len(c.instances), "each kill left an uncertain email")
	t.Logf("%d writes were acknowledged; %d emails sent, %d uncertain", w.count(), sent, unsure)
}

// query returns a number from the database.
func (c *clinic) query(sql string, args ...any) (n int) {
	c.t.Helper()
	require.NoError(c.t, c.db.Owner.QueryRow(c.t.Context(), sql, args...).Scan(&n))
	return n
}

// finish waits until every delivery is in a final state. To skip waits of hours, it stops all
// instances, moves all times in the database an hour back, and starts them again.
func (c *clinic) finish() {
	c.t.Helper()
	open := func() int {
		return c.query(`SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM deliveries WHERE state IN ('planned', 'queued', 'uncertain'))
			+ (SELECT count(*) FROM followers WHERE position < (SELECT max(position) FROM events))`)
	}
	for hours := 0; !c.soon(func() bool { return open() == 0 }); hours++ {
		require.Less(c.t, hours, 12, "deliveries are not finished")
		for _, i := range c.instances {
			i.stop()
		}
		c.anHourPasses()
		for _, i := range c.instances {
			i.start()
		}
		c.ready()
	}
}

// anHourPasses moves the times of what is being sent an hour back.
func (c *clinic) anHourPasses() {
	c.t.Helper()
	for _, sql := range []string{
		`UPDATE deliveries SET attempt_started_at = attempt_started_at - interval '1 hour', deadline_at = deadline_at - interval '1 hour',
			updated_at = updated_at - interval '1 hour' WHERE state IN ('queued', 'uncertain')`,
		`UPDATE river.river_job SET attempted_at = attempted_at - interval '1 hour', scheduled_at = scheduled_at - interval '1 hour'
			WHERE state IN ('available', 'retryable', 'running', 'scheduled')`,
	} {
		_, err := c.db.Owner.Exec(c.t.Context(), sql)
		require.NoError(c.t, err)
	}
}

// soon reports whether cond becomes true within a few seconds.
func (c *clinic) soon(cond func() bool) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 80 {
		if cond() {
			return true
		}
		<-tick.C
	}
	return false
}

// requireLedgerIsSound checks the invariants of any ledger.
func (c *clinic) requireLedgerIsSound() {
	c.t.Helper()
	// One statement, because the sequencer may still be moving events.
	require.Equal(c.t, 0, c.query(`SELECT max(position) - count(*) FROM events`), "positions are contiguous")
	require.Equal(c.t, 0, c.query(`SELECT count(*) - count(DISTINCT event_id) FROM events`), "no duplicate event")
	require.Equal(c.t, 0, c.query(`SELECT count(*) FROM (
		SELECT subject_version - row_number() OVER (PARTITION BY subject ORDER BY position) AS off FROM events WHERE subject_version IS NOT NULL
	) AS v WHERE off <> 0`), "versions of a subject are contiguous along the ledger")
	require.Equal(c.t, 0, c.query(`SELECT count(*) FROM outbox_rejected`))
	require.Equal(c.t, 0, c.query(`SELECT count(*) FROM follower_failures`))
}

// requireWritten checks that each acknowledged write has exactly one event in the audit trail.
func (c *clinic) requireWritten(acknowledged map[string]bool) {
	c.t.Helper()
	for subject := range acknowledged {
		require.Len(c.t, ofType(c.story(subject), "ehr.lab_report.created"), 1, "%s", subject)
	}
}
