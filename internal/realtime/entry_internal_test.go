package realtime

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
	"carewire/internal/ledger"
)

func made(typ, data string) event.Event {
	id, position := uuid.New(), int64(1)
	text := strings.Repeat("x", 100)
	return event.Event{
		Position: position, Epoch: 1, ID: id, Type: typ, Source: event.Source, Subject: "lab_report/" + id.String(), Time: time.Now(),
		Data: json.RawMessage(data), ClinicID: &id, PersonID: &id, CauseID: &id, SubjectVersion: &position, ActorID: id.String(), ActorRole: "doctor",
		CorrelationID: &text, Traceparent: &text,
	}
}

func TestEntry_CountsAtLeastTheBytesOfItsJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "<>&", "\u2028\u2029", "é€😀", `\"`, `\u0000`, strings.Repeat("<", 5000), strings.Repeat(" ", 3000)} {
		event := made("ehr.lab_report.created", fmt.Sprintf(`{ "a" : "%s" , "b" : [1, 2] }`, text))
		e, err := newEntry(&event)
		require.NoError(t, err)
		require.JSONEq(t, string(event.AppendJSON(nil)), string(e.body))
		require.LessOrEqual(t, cap(e.body)+entryBytes, e.size, "%q", text)
	}
}

func TestEntry_DropsTheTextOfAnEventThatNoRoomMayShow(t *testing.T) {
	t.Parallel()
	hidden := made("ehr.lab_report.created", "{}")
	hidden.PersonID, hidden.ClinicID = nil, nil
	for _, e := range []event.Event{hidden, made("record.read", "{}"), made("unheard.of", "{}"), made("notification.failed", "{}")} {
		n, err := newEntry(&e)
		require.NoError(t, err)
		require.Nil(t, n.body, e.Type)
		require.Equal(t, entryBytes, n.size)
		require.Equal(t, ledger.CursorOf(e), n.place)
	}
}

func TestRing_IsBoundedInBytes(t *testing.T) {
	t.Parallel()
	const maxBytes = 50_000
	r := newRing(1000, maxBytes)
	r.reset(ledger.Cursor{Position: 10})
	sum := func() (bytes int) {
		for _, e := range r.entries {
			if e != nil {
				bytes += e.size
			}
		}
		return bytes
	}
	for p := int64(11); p < 3000; p++ {
		size := 100
		if p%100 < 20 {
			size = 10_000
		}
		r.append([]*entry{{place: ledger.Cursor{Position: p}, size: size}})
		events, oldest, bytes := r.span()
		require.Equal(t, p-oldest+1, events)
		require.LessOrEqual(t, bytes, maxBytes)
		require.Equal(t, sum(), bytes)
		buf := make([]*entry, 1)
		_, inRing := r.after(oldest-1, buf)
		require.True(t, inRing)
		require.Equal(t, oldest, buf[0].position())
	}
	huge := &entry{place: ledger.Cursor{Position: 3000}, size: 2 * maxBytes}
	r.append([]*entry{huge})
	events, oldest, _ := r.span()
	require.Equal(t, []int64{1, 3000}, []int64{events, oldest}, "the last event is held whatever it takes")
}

func TestAdvance_IsSpreadOverSessionsThatWereSentTheLastEventAtOnce(t *testing.T) {
	t.Parallel()
	h := &Hub{limits: Limits{}.withDefaults()}
	sent := time.Now()
	const sessions, steps = 2000, 80
	step := 2 * h.limits.AdvanceAfter / steps
	waits, skips := make([]int, steps), make([]int, steps)
	for range sessions {
		s := &session{hub: h, lastSent: sent, patience: randomPatience()}
		for i := range steps {
			if s.late(sent.Add(time.Duration(i)*step), 0) {
				waits[i]++
				break
			}
		}
		for i := range steps {
			if s.late(sent, int64(i*h.limits.RingEvents/steps)) {
				skips[i]++
				break
			}
		}
	}
	for _, counts := range [][]int{waits, skips} {
		total := 0
		for i, n := range counts {
			require.LessOrEqual(t, n, sessions/10, "step %d of %d", i, steps)
			total += n
		}
		require.Equal(t, sessions, total, "everybody has their turn, before the ring has gone round")
	}
}
