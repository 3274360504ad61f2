package rest_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/ledger"
	"carewire/internal/notify"
	"carewire/internal/rule"
)

// dispatcher is a bundle behind which the planner plans and the sweep sweeps, when the test says so.
type dispatcher struct {
	*bundle

	sequencer *ledger.Sequencer
	follower  *ledger.Follower
	worker    *notify.Worker
	client    *river.Client[pgx.Tx]
	unreached int
}

// dispatching makes a bundle with the default rules in force.
func dispatching(t *testing.T) *dispatcher {
	t.Helper()
	d := &dispatcher{bundle: setup(t)}
	silent := slog.New(slog.DiscardHandler)
	var err error
	d.client, err = river.NewClient(riverpgxv5.New(d.db.Worker), &river.Config{Schema: notify.Schema, Logger: silent})
	require.NoError(t, err)
	planner := dispatch.New(dispatch.Config{
		River: d.client, Known: d.cfg.Services.Rules.Known, Channels: care.BuiltinChannels.Named("email", "push"), Logger: silent, Unreached: func() { d.unreached++ },
	})
	d.sequencer = ledger.NewSequencer(ledger.SequencerConfig{Pool: d.db.Worker, Logger: silent})
	d.follower = ledger.NewFollower(ledger.FollowerConfig{Name: dispatch.Follower, Pool: d.db.Worker, Handler: planner, Logger: silent})
	d.worker, err = notify.New(notify.Config{Pool: d.db.Worker, Logger: silent})
	require.NoError(t, err)
	_, err = dispatch.Publish(t.Context(), d.cfg.Writer, care.Command{Actor: care.SystemActor("test")}, rule.Default(), "", d.cfg.Services.Rules)
	require.NoError(t, err)
	d.plan()
	return d
}

// plan moves what was appended into the ledger and plans it, until there is nothing more to do.
func (d *dispatcher) plan() {
	d.t.Helper()
	for moved, handled := 1, 1; moved+handled > 0; {
		var err error
		moved, err = d.sequencer.Step(d.t.Context())
		require.NoError(d.t, err)
		handled, err = d.follower.Step(d.t.Context())
		require.NoError(d.t, err)
	}
}

func (d *dispatcher) sweep() {
	d.t.Helper()
	_, err := d.worker.Sweep(d.t.Context(), d.client)
	require.NoError(d.t, err)
}

// pass lets so much time go by for what is held.
func (d *dispatcher) pass(hours int) {
	d.t.Helper()
	for _, table := range []string{"records", "notifications"} {
		d.exec(fmt.Sprintf(`UPDATE %s SET held_until = held_until - interval '%d hours' WHERE held_until < 'infinity'`, table, hours))
	}
}

// critical is a report with a critical potassium.
func (d *dispatcher) critical(value string) map[string]any {
	r := d.report()
	r["doctorId"] = d.ids[doctor]
	result := r["results"].([]any)[0].(map[string]any)
	result["value"], result["interpretation"] = json.Number(value), "HH"
	return r
}

func (d *dispatcher) post(t *testing.T, as, path string, body any, headers ...string) string {
	t.Helper()
	w := d.do(as, http.MethodPost, path, body, headers...)
	require.Less(t, w.Code, 300, "%s", w.Body)
	return w.Header().Get("Location")
}

func subjectOf(path string) string { return "lab_report/" + path[strings.LastIndexByte(path, '/')+1:] }

// hire makes somebody of the clinic, on the patient's care team or not.
func (d *dispatcher) hire(email, role string, onTeam bool) {
	d.t.Helper()
	d.ids[email] = uuid.New()
	d.exec(`INSERT INTO users (id, email, email_verified, given_name, family_name) VALUES ($1, $2, true, 'Hired', 'Fam')`, d.ids[email], email)
	d.exec(`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, $2, $3)`, d.ids[email], d.clinicID, role)
	if onTeam {
		d.exec(`INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3)`, d.ids[patient], d.clinicID, d.ids[email])
	}
}

// happened counts the events of a type, in the outbox and in the ledger.
func (d *dispatcher) happened(typ string) int {
	d.t.Helper()
	var n int
	require.NoError(d.t, d.db.Owner.QueryRow(d.t.Context(), `SELECT (SELECT count(*) FROM outbox WHERE type = $1) + (SELECT count(*) FROM events WHERE type = $1)`, typ).Scan(&n))
	return n
}

// told lists the messages of a record to a person: "channel state: reason".
func (d *dispatcher) told(who, path string) []string {
	d.t.Helper()
	rows, err := d.db.Owner.Query(d.t.Context(), `
		SELECT format('%s %s: %s', x.channel, x.state, x.reason)
		FROM deliveries AS x JOIN notifications AS n ON n.id = x.notification_id
		WHERE n.subject = $1 AND n.recipient_id = $2 ORDER BY x.event_position, x.channel`, subjectOf(path), d.ids[who])
	require.NoError(d.t, err)
	all, err := pgx.AppendRows([]string(nil), rows, pgx.RowTo[string])
	require.NoError(d.t, err)
	return all
}

// inbox counts the person's notifications of the record.
func (d *dispatcher) inbox(who, path string) int { return d.inboxOf(who, subjectOf(path)) }

func (d *dispatcher) sees(who, path string) bool {
	d.t.Helper()
	w := d.do(who, http.MethodGet, path, nil)
	require.Contains(d.t, []int{http.StatusOK, http.StatusNotFound}, w.Code, "%s", w.Body)
	list := d.do(who, http.MethodGet, "/api/ehr/lab-reports?limit=200", nil)
	require.Equal(d.t, http.StatusOK, list.Code)
	history := d.do(who, http.MethodGet, path+"/history", nil)
	require.Equal(d.t, w.Code, history.Code, "the history")
	require.Equal(d.t, w.Code == http.StatusOK, strings.Contains(list.Body.String(), strings.TrimPrefix(subjectOf(path), "lab_report/")), "the list")
	return w.Code == http.StatusOK
}

func TestHold_KeepsACriticalResultFromItsPatientUntilTheResponsibleDoctorHasReadIt(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	d.exec(`INSERT INTO devices (id, user_id, platform, token) VALUES ($1, $2, 'ios', 'token')`, uuid.New(), d.ids[patient])
	path := d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1"))
	d.plan()
	require.False(t, d.sees(patient, path))
	require.Equal(t, []string{"email planned: awaiting_review", "push planned: awaiting_review"}, d.told(patient, path))
	require.Zero(t, d.inbox(patient, path), "nor does the inbox tell of it")
	require.Equal(t, 1, d.happened("notification.held"))
	require.NotEmpty(t, d.told(doctor, path), "staff are told at once")
	require.Contains(t, d.told(doctor, path), "email queued: rule critical-result")

	require.True(t, d.sees(nurse, path), "which is no review")
	list := d.do(doctor, http.MethodGet, "/api/ehr/lab-reports", nil)
	require.Equal(t, http.StatusOK, list.Code)
	d.plan()
	require.False(t, d.sees(patient, path), "nor is a list")
	require.Equal(t, http.StatusOK, d.do(doctor, http.MethodGet, path, nil).Code)
	require.True(t, d.sees(patient, path))
	require.Equal(t, http.StatusOK, d.do(doctor, http.MethodGet, path, nil).Code)
	require.Equal(t, 1, d.happened("ehr.lab_report.reviewed"), "once")
	d.plan()
	require.Equal(t, []string{"email queued: rule record-created", "push queued: rule record-created"}, d.told(patient, path))
	require.Equal(t, 1, d.inbox(patient, path))
}

func TestHold_ATeamDoctorAcknowledgesAndNobodyElse(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	plain := d.writeReport()
	requireProblem(t, d.do(doctor, http.MethodPost, plain+"/acknowledge", nil), 409, "conflict")
	const covering, elsewhere = "covering@demo.example", "elsewhere@demo.example"
	d.hire(covering, "doctor", true)
	d.hire(elsewhere, "doctor", false)
	path := d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1"))
	requireProblem(t, d.do(patient, http.MethodPost, path+"/acknowledge", nil), 404, "not_found")
	requireProblem(t, d.do(receptionist, http.MethodPost, path+"/acknowledge", nil), 404, "not_found")
	requireProblem(t, d.do(elsewhere, http.MethodPost, path+"/acknowledge", nil), 404, "not_found")
	require.True(t, d.sees(covering, path))
	requireProblem(t, d.do(nurse, http.MethodPost, path+"/acknowledge", nil), 403, "forbidden")
	requireProblem(t, d.do(covering, http.MethodPost, path+"/acknowledge", nil, "If-Match", `"7"`), 412, "precondition_failed")
	require.False(t, d.sees(patient, path))

	w := d.do(covering, http.MethodPost, path+"/acknowledge", nil, "If-Match", `"1"`, "Idempotency-Key", "seen")
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	require.True(t, d.sees(patient, path))
	again := d.do(covering, http.MethodPost, path+"/acknowledge", nil, "If-Match", `"1"`, "Idempotency-Key", "seen")
	require.Equal(t, http.StatusOK, again.Code, "%s", again.Body)
	require.JSONEq(t, w.Body.String(), again.Body.String())
	requireProblem(t, d.do(doctor, http.MethodPost, path+"/acknowledge", nil), 409, "conflict")
	require.Equal(t, 1, d.happened("ehr.lab_report.reviewed"))
}

func TestHold_LastsAsLongAsTheClinicSays(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	settings := "/api/clinics/" + d.clinicID.String() + "/settings"
	long := d.post(t, doctor, "/api/ehr/lab-reports", d.critical("7.1"))
	set := d.do(admin, http.MethodPut, settings, map[string]any{"criticalHoldMinutes": 0, "appointmentMaxMinutes": 480})
	require.Equal(t, http.StatusOK, set.Code, "%s", set.Body)
	at := d.post(t, doctor, "/api/ehr/lab-reports", d.critical("7.2"))
	d.plan()
	require.True(t, d.sees(patient, at), "the clinic holds nothing back")
	require.Equal(t, []string{"email queued: rule record-created", "push suppressed: no_address"}, d.told(patient, at))
	requireProblem(t, d.do(doctor, http.MethodPost, at+"/acknowledge", nil), 409, "conflict")
	require.False(t, d.sees(patient, long), "what was held before stays so")

	set = d.do(admin, http.MethodPut, settings, map[string]any{"criticalHoldMinutes": 120, "appointmentMaxMinutes": 480}, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, set.Code, "%s", set.Body)
	short := d.post(t, doctor, "/api/ehr/lab-reports", d.critical("7.3"))
	d.plan()
	d.pass(1)
	d.sweep()
	require.False(t, d.sees(patient, short))
	require.Equal(t, []string{"email planned: awaiting_review", "push suppressed: no_address"}, d.told(patient, short))
	d.pass(2)
	d.sweep()
	d.sweep()
	require.True(t, d.sees(patient, short))
	require.Equal(t, []string{"email queued: rule record-created", "push suppressed: no_address"}, d.told(patient, short))
	require.Equal(t, 1, d.inbox(patient, short))
	require.False(t, d.sees(patient, long))
	d.pass(24)
	d.sweep()
	require.True(t, d.sees(patient, long))
	require.Zero(t, d.happened("ehr.lab_report.reviewed"), "time is no review")
	w := d.do(doctor, http.MethodPost, long+"/acknowledge", nil)
	require.Equal(t, http.StatusOK, w.Code, "late, and still the first: %s", w.Body)
}

func TestHold_BeginsWithTheReleaseOfADraftThatNobodyReviewed(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	for _, reviewed := range []bool{false, true} {
		in := with(d.critical("7.1"), "status", "preliminary")
		path := d.post(t, nurse, "/api/ehr/lab-reports", in)
		if reviewed {
			require.Equal(t, http.StatusOK, d.do(doctor, http.MethodGet, path, nil).Code)
		}
		d.plan()
		require.Empty(t, d.told(patient, path), "a draft is nobody's to know of")
		d.pass(30)
		w := d.do(doctor, http.MethodPut, path, with(in, "status", "final"), "If-Match", `"1"`)
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		d.plan()
		require.Equal(t, reviewed, d.sees(patient, path))
	}
}

func TestHold_OfAnEarlierVersionIsNotEndedByReadingIt(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	path := d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1"), "Idempotency-Key", "first")
	require.Equal(t, http.StatusOK, d.do(doctor, http.MethodGet, path, nil).Code)
	require.True(t, d.sees(patient, path))
	d.plan()
	amendment := map[string]any{"reason": "Measured again.", "record": with(d.critical("7.9"), "status", "amended")}
	w := d.do(doctor, http.MethodPost, path+"/amend", amendment, "If-Match", `"1"`, "Idempotency-Key", "amend")
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.False(t, d.sees(patient, path), "a new critical finding")
	w = d.do(doctor, http.MethodPost, path+"/amend", amendment, "If-Match", `"1"`, "Idempotency-Key", "amend")
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, http.StatusOK, d.do(doctor, http.MethodGet, path+"/history/1", nil).Code)
	require.False(t, d.sees(patient, path), "writing is not seeing, nor is the answer to a repeated request or an old version")
	d.plan()
	require.Equal(t, []string{"email queued: rule record-created", "push suppressed: no_address", "email planned: awaiting_review", "push suppressed: no_address"}, d.told(patient, path))
}

func TestHold_OfWhatWasRetractedEndsInSilence(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	path := d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1"))
	d.plan()
	w := d.do(doctor, http.MethodPost, path+"/retract", map[string]any{"reason": "Another's sample."}, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	requireProblem(t, d.do(doctor, http.MethodPost, path+"/acknowledge", nil), 409, "conflict")
	require.Equal(t, http.StatusOK, d.do(doctor, http.MethodGet, path, nil).Code)
	d.plan()
	d.pass(30)
	d.sweep()
	require.Equal(t, []string{"email suppressed: retracted_before_review", "push suppressed: no_address"}, d.told(patient, path))
	require.Zero(t, d.inbox(patient, path))
	require.Zero(t, d.happened("ehr.lab_report.reviewed"))
	require.Contains(t, d.told(doctor, path), "email queued: rule record-retracted")
}

// heldRecord is what must be true of a record after what was done with it.
type heldRecord struct {
	d                            *dispatcher
	path                         string
	version                      int
	held, retracted, everVisible bool
	// reviews counts the doctors' looks that ended a hold.
	reviews int
}

func (r *heldRecord) do(t *testing.T, step string) {
	t.Helper()
	etag := []string{"If-Match", fmt.Sprintf(`"%d"`, r.version)}
	unreviewed := r.held && !r.retracted
	switch step {
	case "plan":
		r.d.plan()
	case "read":
		require.Equal(t, http.StatusOK, r.d.do(doctor, http.MethodGet, r.path, nil).Code)
		r.review(unreviewed)
	case "acknowledge":
		w := r.d.do(doctor, http.MethodPost, r.path+"/acknowledge", nil)
		require.Equal(t, w.Code == http.StatusOK, unreviewed, "%s", w.Body)
		r.review(unreviewed)
	case "amend":
		amendment := map[string]any{"reason": "Again.", "record": with(r.d.critical(fmt.Sprintf("8.%d", r.version)), "status", "amended")}
		w := r.d.do(doctor, http.MethodPost, r.path+"/amend", amendment, etag...)
		if r.retracted {
			require.Equal(t, http.StatusConflict, w.Code, "%s", w.Body)
			return
		}
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		r.version++
		r.held = true
	case "retract":
		w := r.d.do(doctor, http.MethodPost, r.path+"/retract", map[string]any{"reason": "Wrong."}, etag...)
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		r.version++
		r.retracted = true
	case "sweep":
		r.d.sweep()
	}
}

func (r *heldRecord) review(unreviewed bool) {
	if unreviewed {
		r.held = false
		r.reviews++
	}
}

// permutations gives every order of the steps.
func permutations(steps []string) (all [][]string) {
	if len(steps) < 2 {
		return [][]string{steps}
	}
	for i := range steps {
		rest := append(append([]string{}, steps[:i]...), steps[i+1:]...)
		for _, p := range permutations(rest) {
			all = append(all, append([]string{steps[i]}, p...))
		}
	}
	return all
}

func TestHold_ShowsAndTellsThePatientTheRightThingInEveryOrder(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	orders := permutations([]string{"plan", "read", "amend", "sweep"})
	orders = append(orders, permutations([]string{"plan", "acknowledge", "amend", "sweep"})...)
	orders = append(orders, permutations([]string{"plan", "read", "retract", "sweep"})...)
	orders = append(orders, permutations([]string{"plan", "acknowledge", "retract", "amend"})...)
	var all []*heldRecord
	for _, order := range orders {
		r := &heldRecord{d: d, path: d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1")), version: 1, held: true}
		all = append(all, r)
		for _, step := range order {
			r.do(t, step)
			w := d.do(patient, http.MethodGet, r.path, nil)
			require.Equal(t, !r.held, w.Code == http.StatusOK, "%v at %s: %s", order, step, w.Body)
			r.everVisible = r.everVisible || !r.held
			if !r.everVisible {
				require.Zero(t, d.inbox(patient, r.path), "%v at %s", order, step)
			}
		}
	}
	d.plan()
	for i, r := range all {
		waits := 0
		for _, message := range d.told(patient, r.path) {
			if strings.Contains(message, "planned") {
				waits++
			}
		}
		require.Equal(t, r.held && !r.retracted, waits > 0, "%v: %v", orders[i], d.told(patient, r.path))
	}
	require.Zero(t, d.disagreeing(), "each queued message has its one job, and no other message has one")
	d.pass(30)
	d.sweep()
	d.plan()
	for i, r := range all {
		told := d.told(patient, r.path)
		require.NotContains(t, strings.Join(told, ", "), "planned", "%v", orders[i])
		if r.retracted && !r.everVisible {
			require.NotContains(t, strings.Join(told, ", "), "queued", "%v", orders[i])
		}
		if !r.retracted {
			require.Contains(t, told, "email queued: rule record-created", "%v", orders[i])
		}
		require.Equal(t, http.StatusOK, d.do(patient, http.MethodGet, r.path, nil).Code, "%v", orders[i])
	}
	require.Zero(t, d.disagreeing())
	reviews := 0
	for _, r := range all {
		reviews += r.reviews
	}
	require.Equal(t, reviews, d.happened("ehr.lab_report.reviewed"))
}

// disagreeing counts deliveries that have another number of jobs than they should.
func (d *dispatcher) disagreeing() (n int) {
	d.t.Helper()
	require.NoError(d.t, d.db.Owner.QueryRow(d.t.Context(), `
		SELECT count(*) FROM deliveries AS x
		WHERE (x.state = 'queued')::int <> (SELECT count(*) FROM river.river_job AS j WHERE j.args->>'deliveryId' = x.id::text)`).Scan(&n))
	return n
}
