package modeltest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
)

// kinds are the kinds of records that are written.
var kinds = []ehr.Spec{(&ehr.LabReport{}).Kind(), (&ehr.Prescription{}).Kind()}

const retracted = "entered-in-error"

// record is a record with the statuses of its versions.
type record struct {
	kind            ehr.Spec
	id              string
	patient, doctor *person
	// wrote is the author of the first version, signed the author of the version that released the
	// record.
	wrote, signed *person
	statuses      []string
	critical      bool
	// released is the first version that its patient may read; 0 if there is none.
	released int64
	// held is true while a critical finding waits for a doctor: the record is hidden from its patient.
	// No time passes here.
	held bool
}

func (r *record) version() int64  { return int64(len(r.statuses)) }
func (r *record) status() string  { return r.statuses[len(r.statuses)-1] }
func (r *record) subject() string { return r.kind.Name + "/" + r.id }
func (r *record) path() string    { return "/api/ehr/" + r.kind.Path + "/" + r.id }

func (r *record) GoString() string {
	return fmt.Sprintf("%s in version %d, %s", r.subject(), r.version(), r.status())
}

func (r *record) told(what string) told {
	return told{typ: "ehr." + r.kind.Name + "." + what, subject: r.subject(), version: r.version()}
}

// alarming reports whether a version has a critical finding.
func alarming(kind ehr.Spec, status string, critical bool) bool {
	return kind.Name == "lab_report" && critical && status != retracted && status != "cancelled"
}

// recordBody returns the kind's example with people of the run.
func (w *world) recordBody(t *rapid.T, kind ehr.Spec, patient, doctor *person, status string, critical bool) map[string]any {
	body := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(kind.Example), &body))
	body["patientId"], body["clinicId"], body["doctorId"], body["status"] = patient.id, w.clinic, doctor.id, status
	if kind.Name == "lab_report" && critical {
		body["results"].([]any)[0].(map[string]any)["interpretation"] = "AA"
	}
	return body
}

// mayOn reports whether the person may do the action on the record, which is hidden from its
// patient before its release, and while it is held.
func (w *world) mayOn(p *person, action care.Action, r *record) bool {
	if p == r.patient && r.released > 0 && !r.held && care.Allowed(action, care.Patient, care.Own) {
		return true
	}
	return w.mayAsStaff(p, action, r)
}

func (w *world) mayAsStaff(p *person, action care.Action, r *record) bool {
	var relations []care.Relation
	if w.team[[2]uuid.UUID{r.patient.id, p.id}] {
		relations = append(relations, care.CareTeam)
	}
	if p == r.doctor {
		relations = append(relations, care.Responsible)
	}
	if w.isAuthor(p, r) {
		relations = append(relations, care.Author)
	}
	return w.mayWith(p, r.kind, action, append(relations, care.SameClinic)...)
}

func (w *world) isAuthor(p *person, r *record) bool {
	caring := w.team[[2]uuid.UUID{r.patient.id, p.id}]
	switch {
	case p == r.wrote && w.is(p, care.Doctor):
		return true
	case r.released == 0:
		return caring && p == r.wrote
	default:
		return caring && p == r.signed
	}
}

// mayWith is may for a record of the kind.
func (w *world) mayWith(p *person, kind ehr.Spec, action care.Action, relations ...care.Relation) bool {
	if p.at != w.clinic {
		return false
	}
	for role := range p.roles {
		if slices.ContainsFunc(relations, func(r care.Relation) bool { return care.AllowedOn(kind.Name, action, role, r) }) {
			return true
		}
	}
	return false
}

func (w *world) writeRecord(t *rapid.T) {
	who := w.somebody(t, care.Doctor, care.Nurse)
	kind := kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")]
	patient, doctor := w.named(t, care.Patient), w.named(t, care.Doctor)
	statuses := kind.Statuses()
	status, critical := rapid.SampledFrom(statuses[:len(statuses)-1]).Draw(t, "status"), rapid.Bool().Draw(t, "critical")
	a := w.as(t, who, "POST", "/api/ehr/"+kind.Path, 0, w.recordBody(t, kind, patient, doctor, status, critical))
	anybody := w.may(who, care.RecordCreate, care.SameClinic)
	signs := []care.Relation{care.SameClinic}
	if who == doctor {
		signs = append(signs, care.Responsible)
	}
	releases := kind.Releases(status)
	signed, caring := w.mayWith(who, kind, care.RecordRelease, signs...), w.mayWith(who, kind, care.RecordRelease, care.CareTeam)
	needsTeam := !anybody || (releases && !signed && caring)
	switch {
	case !anybody && !w.may(who, care.RecordCreate, care.CareTeam):
		w.refused(t, a, 403, "clinic/"+w.clinic.String())
	case patient.at != w.clinic || !patient.patient || !w.is(doctor, care.Doctor):
		w.refused(t, a, 422, "")
	case needsTeam && !w.team[[2]uuid.UUID{patient.id, who.id}], releases && !signed && !caring:
		w.refused(t, a, 403, "patient/"+patient.id.String())
	default:
		r := &record{
			kind: kind, id: a.text("id"), patient: patient, doctor: doctor, wrote: who, statuses: []string{status}, critical: critical,
			held: alarming(kind, status, critical),
		}
		r.release(who)
		w.records = append(w.records, r)
		w.expectRecord(t, a, 201, r, "created", alarming(kind, status, critical))
	}
}

// expectRecord compares the response to a write that made the record's last version.
func (w *world) expectRecord(t *rapid.T, a answer, status int, r *record, what string, alarm bool) {
	t.Helper()
	events := []told{r.told(what)}
	if alarm {
		events = append(events, told{typ: "ehr." + r.kind.Name + ".critical", subject: r.subject()})
	}
	w.expectVersion(t, a, status, r.version(), events...)
	require.Equal(t, r.status(), a.text("status"))
	require.InDelta(t, r.version(), a.fields["version"], 0)
	require.Equal(t, r.patient.id.String(), a.text("patientId"))
}

// revision compares a change of a record: change returns the expected response if the actor is
// allowed and names the right version, and the expected events.
func (w *world) revision(t *rapid.T, r *record, who *person, action care.Action, named int64, a answer, to string, critical bool, change func() (status int, what string)) {
	t.Helper()
	if !w.mayOn(who, action, r) {
		status := 404
		if w.mayOn(who, care.RecordRead, r) {
			status = 403
		}
		w.refused(t, a, status, r.subject())
		return
	}
	if action == care.RecordReplace && !w.mayMove(who, r, to) {
		w.refused(t, a, 403, r.subject())
		return
	}
	if named != r.version() {
		w.refused(t, a, 412, "")
		require.Equal(t, r.version(), a.version, "a stale version returns the current one")
		return
	}
	status, what := change()
	switch status {
	case 200:
	case 403:
		w.refused(t, a, status, r.subject())
		return
	default:
		w.refused(t, a, status, "")
		return
	}
	before := alarming(r.kind, r.status(), r.critical)
	r.statuses, r.critical = append(r.statuses, to), critical
	r.release(who)
	alarm := alarming(r.kind, to, critical) && !before
	r.held = r.held || alarm
	w.expectRecord(t, a, 200, r, what, alarm)
}

// mayMove reports whether the person may bring the record into the status by a replacement, if its
// life cycle allows it.
func (w *world) mayMove(p *person, r *record, to string) bool {
	switch {
	case r.released > 0:
		return w.mayAsStaff(p, care.RecordMove, r)
	case r.kind.Releases(to):
		return w.mayAsStaff(p, care.RecordRelease, r)
	default:
		return true
	}
}

// release records the version that releases the record, and its author.
func (r *record) release(who *person) {
	if r.released == 0 && r.kind.Releases(r.status()) {
		r.released, r.signed = r.version(), who
	}
}

// follows reports whether the status can follow the record's.
func (r *record) follows(to string) bool {
	from := r.status()
	if from == retracted {
		return false
	}
	return to == from || to == retracted || slices.ContainsFunc(r.kind.Transitions, func(m ehr.Transition) bool { return m.From == from && slices.Contains(m.To, to) })
}

// next draws a status for the record, mostly a valid next one.
func (r *record) next(t *rapid.T) string {
	all := r.kind.Statuses()
	good := slices.DeleteFunc(slices.Clone(all), func(to string) bool { return !r.follows(to) || to == retracted })
	if len(good) == 0 || rarely(t, 5, "any status") {
		good = all
	}
	return rapid.SampledFrom(good).Draw(t, "status")
}

func (w *world) replaceRecord(t *rapid.T) {
	r := one(t, w.records, "record")
	who := w.draw(t, "actor", func(p *person) bool { return w.mayOn(p, care.RecordReplace, r) })
	to, critical, named := r.next(t), rapid.Bool().Draw(t, "critical"), ifMatch(t, r.version())
	a := w.as(t, who, "PUT", r.path(), named, w.recordBody(t, r.kind, r.patient, r.doctor, to, critical))
	w.revision(t, r, who, care.RecordReplace, named, a, to, critical, func() (int, string) {
		switch {
		case !r.follows(to):
			return 409, ""
		case r.released > 0 && (to == retracted || to == r.status() || slices.Contains(r.kind.Corrected, to)):
			return 409, ""
		case r.released > 0 && r.kind.Name == "lab_report" && critical != r.critical:
			return 409, ""
		case to == retracted && !w.mayAsStaff(who, care.RecordRetract, r):
			return 403, ""
		case to == retracted:
			return 200, "retracted"
		case r.released == 0 && r.kind.Releases(to):
			return 200, "released"
		default:
			return 200, "updated"
		}
	})
}

func (w *world) amendRecord(t *rapid.T) {
	r := one(t, w.records, "record")
	who := w.draw(t, "actor", func(p *person) bool { return w.mayOn(p, care.RecordAmend, r) })
	to, critical, named := r.next(t), rapid.Bool().Draw(t, "critical"), ifMatch(t, r.version())
	body := map[string]any{"reason": "A slip.", "record": w.recordBody(t, r.kind, r.patient, r.doctor, to, critical)}
	a := w.as(t, who, "POST", r.path()+"/amend", named, body)
	w.revision(t, r, who, care.RecordAmend, named, a, to, critical, func() (int, string) {
		switch corrected := r.kind.Corrected; {
		case r.status() == retracted, r.released == 0:
			return 409, ""
		case len(corrected) > 0 && !slices.Contains(corrected, to), len(corrected) == 0 && to != r.status():
			return 422, ""
		case !r.follows(to):
			return 409, ""
		default:
			return 200, "amended"
		}
	})
}

func (w *world) retractRecord(t *rapid.T) {
	r := one(t, w.records, "record")
	who := w.draw(t, "actor", func(p *person) bool { return w.mayOn(p, care.RecordRetract, r) })
	named := ifMatch(t, r.version())
	a := w.as(t, who, "POST", r.path()+"/retract", named, map[string]any{"reason": "Another's."})
	w.revision(t, r, who, care.RecordRetract, named, a, retracted, r.critical, func() (int, string) {
		if r.status() == retracted {
			return 409, ""
		}
		return 200, "retracted"
	})
}

func (w *world) readRecord(t *rapid.T) {
	r := one(t, w.records, "record")
	w.readRecordAs(t, r, w.draw(t, "actor", func(p *person) bool { return w.mayOn(p, care.RecordRead, r) }))
}

func (w *world) readRecordAs(t *rapid.T, r *record, who *person) {
	t.Helper()
	a := w.as(t, who, "GET", r.path(), 0, nil)
	if !w.mayOn(who, care.RecordRead, r) {
		w.refused(t, a, 404, r.subject())
		return
	}
	events := []told{{typ: "record.read", subject: r.subject()}}
	if r.awaitsReview() && who == r.doctor && w.may(who, care.RecordAcknowledge, care.Responsible) {
		r.held = false
		events = append(events, r.reviewed())
	}
	w.expectVersion(t, a, 200, r.version(), events...)
	require.Equal(t, r.status(), a.text("status"))
}

// awaitsReview reports whether a doctor can still end the hold.
func (r *record) awaitsReview() bool { return r.held && r.status() != retracted }

func (r *record) reviewed() told {
	return told{typ: "ehr." + r.kind.Name + ".reviewed", subject: r.subject()}
}

func (w *world) acknowledgeRecord(t *rapid.T) {
	r := one(t, slices.DeleteFunc(slices.Clone(w.records), func(r *record) bool { return r.kind.Name != "lab_report" }), "record")
	who := w.draw(t, "actor", func(p *person) bool { return w.mayOn(p, care.RecordAcknowledge, r) })
	a := w.as(t, who, "POST", r.path()+"/acknowledge", 0, nil)
	switch {
	case !w.mayOn(who, care.RecordRead, r):
		w.refused(t, a, 404, r.subject())
	case !w.mayOn(who, care.RecordAcknowledge, r):
		w.refused(t, a, 403, r.subject())
	case !r.awaitsReview():
		w.refused(t, a, 409, "")
	default:
		r.held = false
		w.expectVersion(t, a, 200, r.version(), r.reviewed())
	}
}

func (w *world) readHistory(t *rapid.T) {
	r := one(t, w.records, "record")
	who := w.draw(t, "actor", func(p *person) bool { return w.mayOn(p, care.RecordRead, r) })
	a := w.as(t, who, "GET", r.path()+"/history?limit=200", 0, nil)
	if !w.mayOn(who, care.RecordRead, r) {
		w.refused(t, a, 404, r.subject())
		return
	}
	w.expect(t, a, 200, told{typ: "record.read", subject: r.subject()})
	versions := a.fields["items"].([]any)
	first := int64(1)
	switch {
	case w.mayAsStaff(who, care.RecordRead, r):
	case r.status() == retracted:
		first = r.version()
	default:
		first = r.released
	}
	require.Len(t, versions, int(r.version()-first+1))
	for i, v := range versions {
		require.Equal(t, r.statuses[len(r.statuses)-1-i], v.(map[string]any)["status"])
		require.InDelta(t, r.version()-int64(i), v.(map[string]any)["version"], 0)
	}
}
