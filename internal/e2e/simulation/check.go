package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Told is what the service did: the audit views, and what the providers received.
type Told struct {
	Deliveries []Delivery
	Digests    map[string]DigestRow
	Items      []Item
	// Received are the times at which a provider accepted a delivery, by delivery.
	Received map[string][]time.Time
}

// Delivery is a row of audit.deliveries with its notification's plan key.
type Delivery struct {
	ID, Notification string
	Key              Key
	State, Reason    string
	// Unsure reports that a provider was called without an answer, so that it may have accepted the message or not.
	Unsure bool
	SentAt time.Time
}

// DigestRow is a row of audit.digests. Notification is empty if nothing was sent.
type DigestRow struct {
	ID, Person, Clinic, Channel, Key, Notification string
	OpenedAt, DueAt, ClosedAt                      time.Time
}

// Item is a row of audit.digest_items, with the key of the message that it stands for.
type Item struct {
	Digest  string
	Key     Key
	LeftOut string
	AddedAt time.Time
}

// Difference is a message that a person should have got and did not, or the other way round.
type Difference struct {
	Key  Key
	Text string
}

func (d Difference) String() string {
	return fmt.Sprintf("event %s plan %q person %s channel %s: %s", d.Key.Event, d.Key.Plan, d.Key.Person, d.Key.Channel, d.Text)
}

const (
	// early and late bound the difference between when a message should be decided and when it is, by the moved clock.
	early = 5 * time.Second
	late  = 150 * time.Second
	// recovery is the time after an outage in which what waited for its end is sent.
	recovery = 15 * time.Minute
)

// final are the states of a delivery of which nothing follows.
var final = []string{"sent", "delivered", "read", "failed", "suppressed", "cancelled", "unknown"}

// checker compares what people should have got with what they got.
type checker struct {
	world       *World
	told        *Told
	want        map[Key]Outcome
	differences []Difference
	deliveries  map[Key]Delivery
	// ofNotification are the deliveries of digests, by notification.
	ofNotification map[string][]Delivery
	items          map[Key]Item
	inDigest       map[string][]Item
}

// Check returns every difference between what people should have been told up to a time, and what they were told. No difference
// means that each message has a final state, was sent when it should have been, and that nobody got anything else.
func Check(w *World, told *Told, until time.Time) []Difference {
	c := &checker{
		world: w, told: told, want: Expect(w, until), deliveries: map[Key]Delivery{}, ofNotification: map[string][]Delivery{},
		items: map[Key]Item{}, inDigest: map[string][]Item{},
	}
	c.index()
	for key, want := range c.want {
		c.message(key, want)
	}
	c.nothingElse()
	for _, d := range told.Digests {
		c.digest(d)
	}
	slices.SortFunc(c.differences, func(a, b Difference) int { return strings.Compare(a.String(), b.String()) })
	return c.differences
}

func (c *checker) differ(key Key, format string, args ...any) {
	c.differences = append(c.differences, Difference{key, fmt.Sprintf(format, args...)})
}

// index reads the rows, and refuses those that must not be.
func (c *checker) index() {
	for _, d := range c.told.Deliveries {
		if !slices.Contains(final, d.State) {
			c.differ(d.Key, "the delivery %s is not in a final state, but %s", d.ID, d.State)
		}
		c.received(d)
		if strings.HasPrefix(d.Key.Plan, "digest/") {
			c.ofNotification[d.Notification] = append(c.ofNotification[d.Notification], d)
			continue
		}
		if _, twice := c.deliveries[d.Key]; twice {
			c.differ(d.Key, "it has two deliveries")
		}
		c.deliveries[d.Key] = d
	}
	for _, it := range c.told.Items {
		if _, twice := c.items[it.Key]; twice {
			c.differ(it.Key, "it is in two digests")
		}
		c.items[it.Key] = it
		c.inDigest[it.Digest] = append(c.inDigest[it.Digest], it)
	}
}

// received compares a delivery's state with what the provider received.
func (c *checker) received(d Delivery) {
	n := len(c.told.Received[d.ID])
	switch {
	case d.Unsure:
		if n > 2 {
			c.differ(d.Key, "the provider received it %d times", n)
		}
	case slices.Contains([]string{"sent", "delivered", "read"}, d.State):
		if n != 1 {
			c.differ(d.Key, "the provider received it %d times", n)
		}
	case n != 0:
		c.differ(d.Key, "it is %s (%s), but the provider received it", d.State, d.Reason)
	}
}

// message compares the outcome of one message.
func (c *checker) message(key Key, want Outcome) {
	d, sent := c.deliveries[key]
	it, collected := c.items[key]
	switch want.Kind {
	case None:
		switch {
		case collected:
			c.differ(key, "it is in a digest; want nothing: %s", want.Why)
		case sent && !slices.Contains([]string{"suppressed", "cancelled"}, d.State):
			c.differ(key, "it is %s at %s; want nothing since %s: %s", d.State, stamp(d.SentAt), stamp(want.At), want.Why)
		case sent && !because(d.Reason, want.Why):
			c.differ(key, "nothing is sent because of %s; want %s", d.Reason, want.Why)
		}
	case Digest:
		switch digest := c.told.Digests[it.Digest]; {
		case !collected && sent:
			c.differ(key, "it is %s (%s) at %s; want it in the digest %s at %s", d.State, d.Reason, stamp(d.SentAt), want.Why, stamp(want.At))
		case !collected:
			c.differ(key, "it is nowhere; want it in the digest %s at %s", want.Why, stamp(want.At))
		case !strings.HasPrefix(digest.Key, want.Why):
			c.differ(key, "it is in the digest %s; want %s", digest.Key, want.Why)
		case !within(it.AddedAt, want.At, late):
			c.differ(key, "it was added to a digest at %s; want %s", stamp(it.AddedAt), stamp(want.At))
		}
	default:
		switch {
		case collected:
			c.differ(key, "it is in the digest %s since %s; want it sent at %s", c.told.Digests[it.Digest].Key, stamp(it.AddedAt), stamp(want.At))
		case !sent:
			c.differ(key, "it is nowhere; want it sent at %s", stamp(want.At))
		default:
			c.sent(d, want.At)
		}
	}
}

// sent checks a delivery that should have been sent at a time. During an outage it waits, and may become untrue meanwhile.
func (c *checker) sent(d Delivery, at time.Time) {
	limit := late
	for _, o := range c.world.Outages {
		if o.Channel != d.Key.Channel || at.Before(o.From.Add(-late)) || at.After(o.To.Add(recovery)) {
			continue
		}
		limit = o.To.Add(recovery).Sub(at)
		if strings.HasPrefix(d.Key.Plan, "digest/") {
			continue
		}
		if cut := c.world.cutAt(c.event(d.Key.Event)); !cut.IsZero() && !cut.After(at.Add(limit)) && d.State == "cancelled" && because(d.Reason, cutOff) {
			return
		}
	}
	switch {
	case d.Unsure:
	case d.SentAt.IsZero():
		c.differ(d.Key, "it is %s (%s); want it sent at %s", d.State, d.Reason, stamp(at))
	case !within(d.SentAt, at, limit):
		c.differ(d.Key, "it was sent at %s; want %s", stamp(d.SentAt), stamp(at))
	}
	for _, received := range c.told.Received[d.ID] {
		if !within(received, at, limit) {
			c.differ(d.Key, "the provider received it at %s; want %s", stamp(received), stamp(at))
		}
	}
}

func (c *checker) event(id string) Event {
	i := slices.IndexFunc(c.world.Events, func(e Event) bool { return e.ID == id })
	if i < 0 {
		return Event{}
	}
	return c.world.Events[i]
}

// nothingElse refuses messages that nobody should have got.
func (c *checker) nothingElse() {
	for key, d := range c.deliveries {
		if _, ok := c.want[key]; !ok && d.State != "suppressed" {
			c.differ(key, "it is %s (%s); want no such message", d.State, d.Reason)
		}
	}
	for key := range c.items {
		if _, ok := c.want[key]; !ok {
			c.differ(key, "it is in a digest; want no such message")
		}
	}
}

// digest checks when a digest was sent, and with what.
func (c *checker) digest(d DigestRow) {
	key := Key{Plan: "digest/" + d.ID, Person: d.Person, Channel: d.Channel}
	items := c.inDigest[d.ID]
	if len(items) == 0 {
		c.differ(key, "the digest %s has no items", d.Key)
		return
	}
	slices.SortFunc(items, func(a, b Item) int { return a.AddedAt.Compare(b.AddedAt) })
	first := c.want[items[0].Key]
	due := c.world.digestDue(d.Person, first.Why, items[0].AddedAt)
	closes := due
	for { // The preferences of the time at which it would be closed count.
		until, ok := c.world.quiet(c.world.People[d.Person].at(closes), d.Clinic, closes)
		if !ok {
			break
		}
		closes = until
	}
	left := 0
	for _, it := range items {
		if it.LeftOut == "" {
			left++
		}
	}
	// One that sends nothing need not wait for the end of quiet hours.
	if !within(d.ClosedAt, closes, late) && (left > 0 || !within(d.ClosedAt, due, late)) {
		c.differ(key, "the digest %s of %s with %d items was closed at %s; want %s", d.Key, stamp(items[0].AddedAt), left, stamp(d.ClosedAt), stamp(closes))
		return
	}
	for _, it := range items {
		if it.AddedAt.After(d.ClosedAt.Add(early)) {
			c.differ(it.Key, "it was added to a digest at %s, which was closed at %s", stamp(it.AddedAt), stamp(d.ClosedAt))
		}
		c.leftOut(d, it)
	}
	sent := c.ofNotification[d.Notification]
	switch {
	case left == 0 && d.Notification == "":
	case left == 0:
		c.differ(key, "an empty digest was sent")
	case d.Notification == "" || len(sent) != 1:
		c.differ(key, "the digest %s has %d items and %d deliveries", d.Key, left, len(sent))
	default:
		c.sent(sent[0], closes)
	}
}

// leftOut checks whether an item is in the message of its digest.
func (c *checker) leftOut(d DigestRow, it Item) {
	e := c.event(it.Key.Event)
	cut := c.world.cutAt(e)
	untrue := !cut.IsZero() && cut.Before(d.ClosedAt)
	declined := false
	for _, r := range c.world.Rules {
		if ruleOf(r, e, it.Key.Plan) {
			declined = c.world.setting(c.world.People[d.Person].at(d.ClosedAt), d.Clinic, r.Category, d.Channel) == "off"
		}
	}
	switch {
	case untrue && !because(it.LeftOut, cutOff):
		c.differ(it.Key, "it is in the digest that was closed at %s although it was untrue since %s", stamp(d.ClosedAt), stamp(cut))
	case !untrue && declined && !because(it.LeftOut, off):
		c.differ(it.Key, "it is in a digest although the person has switched it off")
	case !untrue && !declined && it.LeftOut != "":
		c.differ(it.Key, "it was left out of its digest: %s", it.LeftOut)
	}
}

// ruleOf reports whether a message about the event with the plan key is of the rule.
func ruleOf(r Rule, e Event, plan string) bool {
	if !slices.Contains(r.Types, e.Type) || r.Critical {
		return false
	}
	return (plan == "" && len(r.Times) == 0) || strings.HasPrefix(plan, r.Name+"/")
}

// because reports whether a reason is of the class.
func because(reason, class string) bool {
	switch class {
	case off:
		return strings.HasSuffix(reason, "_off") && !strings.HasPrefix(reason, cutOff)
	case tooLate:
		return reason == "too_late"
	default:
		return strings.HasPrefix(reason, "cut_off:")
	}
}

// within reports whether a time is that which was wanted, or at most the limit later.
func within(got, want time.Time, limit time.Duration) bool {
	return !got.Before(want.Add(-early)) && !got.After(want.Add(limit))
}

func stamp(t time.Time) string { return t.UTC().Format("01-02 15:04:05Z") }

// Summary counts what should have become of the messages, by kind and reason.
func Summary(w *World, until time.Time) string {
	counts := map[string]int{}
	for _, o := range Expect(w, until) {
		counts[strings.TrimSpace(o.Kind+" "+o.Why)]++
	}
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%6d %s\n", counts[kind], kind)
	}
	return b.String()
}
