package modeltest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
	"carewire/internal/care/ehr"
)

// kinds are the kinds of records that are written.
var kinds = []ehr.Spec{(&ehr.LabReport{}).Kind(), (&ehr.Prescription{}).Kind()}

const retracted = "entered-in-error"

// record is a record and the statuses of its versions.
type record struct {
	kind            ehr.Spec
	id              string
	patient, doctor *person
	statuses        []string
	critical        bool
	// released is the first version that its patient may read; 0 for none.
	released int64
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

// alarming reports whether a version holds what must be told at once.
func alarming(kind ehr.Spec, status string, critical bool) bool {
	return kind.Name == "lab_report" && critical && status != retracted && status != "cancelled"
}

// recordBody is the kind's example with people.
func (w *world) recordBody(t *rapid.T, kind ehr.Spec, patient, doctor *person, status string, critical bool) map[string]any {
	body := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(kind.Example), &body))
	body["patientId"], body["clinicId"], body["doctorId"], body["status"] = patient.id, w.clinic, doctor.id, status
	if kind.Name == "lab_report" && critical {
		body["results"].([]any)[0].(map[string]any)["interpretation"] = "AA"
	}
	return body
}

// mayOn reports whether the person may do the action on the record, which does not exist for its patient before its release.
func (w *world) mayOn(p *person, action care.Action, r *record) bool {
	if p == r.patient && r.released > 0 && care.Allowed(action, care.Patient, care.Own) {
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
	return w.may(p, action, relations...)
}

func (w *world) writeRecord(t *rapid.T) {
	who := w.somebody(t, care.Doctor, care.Nurse)
	kind := kinds[rapid.IntRange(0, len(kinds)-1).Draw(t, "kind")]
	patient, doctor := w.named(t, care.Patient), w.named(t, care.Doctor)
	statuses := kind.Statuses()
	status, critical := rapid.SampledFrom(statuses[:len(statuses)-1]).Draw(t, "status"), rapid.Bool().Draw(t, "critical")
	a := w.as(t, who, "POST", "/api/ehr/"+kind.Path, 0, w.recordBody(t, kind, patient, doctor, status, critical))
	anybody := w.may(who, care.RecordCreate, care.SameClinic)
	switch {
	case !anybody && !w.may(who, care.RecordCreate, care.CareTeam):
		w.refused(t, a, 403, "clinic/"+w.clinic.String())
	case patient.at != w.clinic || !patient.patient || !w.is(doctor, care.Doctor):
		w.refused(t, a, 422, "")
	case !anybody && !w.team[[2]uuid.UUID{patient.id, who.id}]:
		w.refused(t, a, 403, "patient/"+patient.id.String())
	default:
		r := &record{kind: kind, id: a.text("id"), patient: patient, doctor: doctor, statuses: []string{status}, critical: critical}
		r.release()
		w.records = append(w.records, r)
		w.expectRecord(t, a, 201, r, "created", alarming(kind, status, critical))
	}
}

// expectRecord compares the answer to a write that made the record's last version.
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

// revision does what is the same for all changes of a record: change says how the service must answer when the actor may
// and knows the version, and what it then tells.
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
	if named != r.version() {
		w.refused(t, a, 412, "")
		require.Equal(t, r.version(), a.version, "a stale version is told the current one")
		return
	}
	status, what := change()
	if status != 200 {
		w.refused(t, a, status, "")
		return
	}
	before := alarming(r.kind, r.status(), r.critical)
	r.statuses, r.critical = append(r.statuses, to), critical
	r.release()
	w.expectRecord(t, a, 200, r, what, alarming(r.kind, to, critical) && !before)
}

// release notes the version that releases the record.
func (r *record) release() {
	if r.released == 0 && r.kind.Releases(r.status()) {
		r.released = r.version()
	}
}

// follows reports whether the status can follow the record's.
func (r *record) follows(to string) bool {
	from := r.status()
	if from == retracted {
		return false
	}
	return to == from || to == retracted || slices.ContainsFunc(r.kind.Moves, func(m ehr.Move) bool { return m.From == from && slices.Contains(m.To, to) })
}

// next draws a status for the record: mostly one that can follow.
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
	w.expectVersion(t, a, 200, r.version(), told{typ: "record.read", subject: r.subject()})
	require.Equal(t, r.status(), a.text("status"))
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
