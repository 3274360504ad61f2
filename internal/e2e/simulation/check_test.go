package simulation

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var monday = time.Date(2027, time.March, 8, 0, 0, 0, 0, time.UTC)

// after returns a time on Monday.
func after(d time.Duration) time.Time { return monday.Add(d) }

// small returns a world of one patient, and what a service without a fault told them: an appointment with a reminder is booked and
// cancelled, another keeps its reminder, a report rings after the night, and two invoices are in the digest of the day.
func small() (*World, *Told) {
	w := &World{
		Clinics: map[string]*Clinic{"c": {Zone: time.UTC, Doctors: []string{"d1", "d2"}}},
		People: map[string]*Person{"p": {Clinic: "c", Changes: []Preferences{{
			At: monday, Zone: time.UTC, DigestHour: 18, Quiet: []Window{{From: 0, To: 7 * 60}},
			Settings: map[Setting]string{{"", "billing", "email"}: "digest", {"", "clinical", "email"}: "off"},
		}}}},
		Rules: []Rule{
			{Name: "reminder", Category: "appointment", Channels: []string{"push"}, Types: []string{"appointment.booked"}, Times: []Time{{Label: "2h", Before: 2 * time.Hour}}},
			{Name: "report", Category: "clinical", Channels: []string{"push", "email"}, Types: []string{"ehr.lab_report.created"}},
			{Name: "invoice", Category: "billing", Channels: []string{"email"}, Types: []string{"billing.invoice_issued"}},
			{Name: "critical", Critical: true, Channels: []string{"push"}, Types: []string{"ehr.lab_report.critical"}, Steps: []Step{{5 * time.Minute, []string{"push"}}}},
		},
		Events: []Event{
			{ID: "report", Type: "ehr.lab_report.created", Subject: "r", Version: 1, At: after(time.Hour)},
			{ID: "critical", Type: "ehr.lab_report.critical", Subject: "r", At: after(time.Hour), Doctor: "d1"},
			{ID: "kept", Type: "appointment.booked", Subject: "a", Version: 1, At: after(8 * time.Hour), StartsAt: after(12 * time.Hour)},
			{ID: "moot", Type: "appointment.booked", Subject: "b", Version: 1, At: after(8 * time.Hour), StartsAt: after(14 * time.Hour)},
			{ID: "one", Type: "billing.invoice_issued", Subject: "i", Version: 1, At: after(9 * time.Hour)},
			{ID: "cancelled", Type: "appointment.cancelled", Subject: "b", Version: 2, At: after(9 * time.Hour)},
			{ID: "two", Type: "billing.invoice_issued", Subject: "j", Version: 1, At: after(10 * time.Hour)},
			{ID: "void", Type: "billing.invoice_voided", Subject: "j", Version: 2, At: after(11 * time.Hour)},
		},
		Acknowledged: map[string]time.Time{},
	}
	for i := range w.Events {
		w.Events[i].Clinic, w.Events[i].Person = "c", "p"
	}
	told := &Told{Received: map[string][]time.Time{}, Digests: map[string]DigestRow{
		"g": {ID: "g", Person: "p", Clinic: "c", Channel: "email", Key: "daily:billing", Notification: "n", OpenedAt: after(9 * time.Hour), ClosedAt: after(18 * time.Hour)},
	}, Items: []Item{
		{"g", Key{"one", "", "p", "email"}, "", after(9 * time.Hour)},
		{"g", Key{"two", "", "p", "email"}, "cut_off:billing.invoice_voided", after(10 * time.Hour)},
	}}
	add := func(id string, k Key, notification string, at time.Duration) {
		told.Deliveries = append(told.Deliveries, Delivery{ID: id, Notification: notification, Key: k, State: "sent", SentAt: after(at)})
		told.Received[id] = []time.Time{after(at)}
	}
	add("1", Key{"report", "", "p", "push"}, "", 7*time.Hour)
	add("2", Key{"critical", "", "d1", "push"}, "", time.Hour)
	add("3", Key{"critical", "escalation/critical/0", "d2", "push"}, "", time.Hour+5*time.Minute)
	add("4", Key{"kept", "reminder/2h", "p", "push"}, "", 10*time.Hour)
	add("5", Key{"one", "digest/g", "p", "email"}, "n", 18*time.Hour)
	told.Deliveries = append(told.Deliveries,
		Delivery{ID: "6", Key: Key{"moot", "reminder/2h", "p", "push"}, State: "cancelled", Reason: "cut_off:appointment.cancelled"},
		Delivery{ID: "7", Key: Key{"report", "", "p", "email"}, State: "suppressed", Reason: "preference_off"})
	return w, told
}

func TestCheck_FindsEachKindOfFault(t *testing.T) {
	t.Parallel()
	delivery := func(told *Told, id string) *Delivery {
		return &told.Deliveries[slices.IndexFunc(told.Deliveries, func(d Delivery) bool { return d.ID == id })]
	}
	for name, c := range map[string]struct {
		fault func(w *World, told *Told)
		want  string
	}{
		"none":                             {func(*World, *Told) {}, ""},
		"a message that was never planned": {func(_ *World, told *Told) { told.Deliveries = told.Deliveries[1:] }, "it is nowhere"},
		"a message in the night": {func(_ *World, told *Told) {
			delivery(told, "1").SentAt = after(time.Hour)
		}, "it was sent at 03-08 01:00:00Z; want 03-08 07:00:00Z"},
		"a message that the provider got in the night": {func(_ *World, told *Told) { told.Received["1"][0] = after(time.Hour) }, "the provider received it at 03-08 01:00:00Z"},
		"a late message":                {func(_ *World, told *Told) { delivery(told, "1").SentAt = after(9 * time.Hour) }, "want 03-08 07:00:00Z"},
		"a message that does not end":   {func(_ *World, told *Told) { delivery(told, "1").State = "queued" }, "not in a final state"},
		"a message that was sent twice": {func(_ *World, told *Told) { told.Received["1"] = append(told.Received["1"], after(7*time.Hour)) }, "received it 2 times"},
		"a message that was not sent":   {func(_ *World, told *Told) { told.Received["1"] = nil }, "received it 0 times"},
		"two rows for a message": {func(_ *World, told *Told) {
			d := *delivery(told, "6")
			d.ID = "8"
			told.Deliveries = append(told.Deliveries, d)
		}, "two deliveries"},
		"a reminder of a cancelled appointment": {func(_ *World, told *Told) {
			d := delivery(told, "6")
			d.State, d.SentAt, told.Received["6"] = "sent", after(12*time.Hour), []time.Time{after(12 * time.Hour)}
		}, "want nothing since 03-08 12:00:00Z: cut_off"},
		"a cancelled message that the provider got": {func(_ *World, told *Told) { told.Received["6"] = []time.Time{after(12 * time.Hour)} }, "but the provider received it"},
		"another reason": {func(_ *World, told *Told) { delivery(told, "6").Reason = "no_address" }, "nothing is sent because of no_address"},
		"a category that is off": {func(_ *World, told *Told) {
			d := delivery(told, "7")
			d.State, d.SentAt, told.Received["7"] = "sent", after(7*time.Hour), []time.Time{after(7 * time.Hour)}
		}, "want nothing since 03-08 01:00:00Z: off"},
		"a message to somebody else": {func(_ *World, told *Told) { delivery(told, "1").Key.Person = "q" }, "want no such message"},
		"an escalation after the acknowledgement": {func(w *World, _ *Told) {
			w.Acknowledged["critical"] = after(time.Hour + time.Minute)
		}, "want no such message"},
		"no escalation": {func(_ *World, told *Told) {
			told.Deliveries = slices.DeleteFunc(told.Deliveries, func(d Delivery) bool { return d.ID == "3" })
		}, "it is nowhere; want it sent at 03-08 01:05:00Z"},
		"an item that is in no digest": {func(_ *World, told *Told) { told.Items = told.Items[:1] }, "it is nowhere; want it in the digest"},
		"an item in two digests":       {func(_ *World, told *Told) { told.Items = append(told.Items, told.Items[0]) }, "in two digests"},
		"an item that became untrue":   {func(_ *World, told *Told) { told.Items[1].LeftOut = "" }, "it was untrue"},
		"an item that was left out":    {func(_ *World, told *Told) { told.Items[0].LeftOut = "read_in_app" }, "left out of its digest"},
		"a digest at another hour": {func(_ *World, told *Told) {
			g := told.Digests["g"]
			g.ClosedAt = after(17 * time.Hour)
			told.Digests["g"] = g
		}, "was closed at 03-08 17:00:00Z"},
		"a digest that was not sent": {func(_ *World, told *Told) { delivery(told, "5").Notification = "" }, "1 items and 0 deliveries"},
		"a digest in place of a message": {func(_ *World, told *Told) {
			told.Items = append(told.Items, Item{"g", Key{"report", "", "p", "push"}, "", after(time.Hour)})
		}, "want it sent"},
		"a message in place of a digest": {func(_ *World, told *Told) { told.Items = told.Items[1:]; delivery(told, "5").Key.Plan = "" }, "want it in the digest"},
		"a message of an outage, delayed": {func(w *World, told *Told) {
			w.Outages = []Outage{{"push", after(6 * time.Hour), after(8 * time.Hour)}}
			delivery(told, "1").SentAt, told.Received["1"][0] = after(8*time.Hour), after(8*time.Hour)
		}, ""},
		"a message long after an outage": {func(w *World, told *Told) {
			w.Outages = []Outage{{"push", after(6 * time.Hour), after(8 * time.Hour)}}
			delivery(told, "1").SentAt = after(9 * time.Hour)
		}, "it was sent at 03-08 09:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, told := small()
			c.fault(w, told)
			var all string
			for _, d := range Check(w, told, after(48*time.Hour)) {
				all += d.String() + "\n"
			}
			if c.want == "" {
				require.Empty(t, all)
			} else {
				require.Contains(t, all, c.want)
			}
		})
	}
}
