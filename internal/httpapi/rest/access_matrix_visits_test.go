package rest_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi/rest"
	"carewire/internal/inbox"
	"carewire/internal/ledger"
	"carewire/internal/notify/template"
)

// fill makes what lists could show: things about each clinic's patient and about another patient, and the people.
func (w *walk) fill() {
	w.openDaily()
	for _, who := range w.walkers {
		if who.email != "" && who.clinic != uuid.Nil {
			on := thing{id: w.ids[who.email].String(), clinic: who.clinic, about: who.email, reads: []care.Action{care.UserRead, care.NotificationReview}}
			if who.role != care.Patient {
				on.reads = append(on.reads, care.AvailabilityRead) // Who works at a clinic is no secret there.
			}
			w.things = append(w.things, on)
		}
	}
	for n, c := range []struct {
		clinic                        uuid.UUID
		patient, doctor, receptionist string
	}{
		{w.clinicID, patient, doctor, receptionist},
		{w.clinicID, secondPatient, strangeDoctor, receptionist},
		{w.other, awayPatient, awayDoctor, awayReceptionist},
	} {
		who := map[string]any{"patientId": w.ids[c.patient], "clinicId": c.clinic}
		add := func(list string, answer map[string]any, reads ...care.Action) {
			w.things = append(w.things, thing{id: answer["id"].(string), clinic: c.clinic, about: c.patient, doctor: c.doctor, reads: reads, list: list})
		}
		for _, spec := range rest.Kinds() {
			made := w.must(c.doctor, http.MethodPost, "/api/ehr/"+spec.Path, merged(example(w, spec), who))
			add("list-"+schemaOf(w, spec), decode(w.t, made), care.RecordRead)
			last := &w.things[len(w.things)-1]
			last.kind, last.authors = spec.Name, []string{c.doctor}
		}
		made := w.must(c.receptionist, http.MethodPost, "/api/appointments", merged(w.appointment(200+n), who, map[string]any{"doctorId": w.ids[c.doctor]}))
		add("list-appointments", decode(w.t, made), care.AppointmentRead)
		made = w.must(c.receptionist, http.MethodPost, invoicesPath, merged(w.invoice(), who))
		add("list-invoices", decode(w.t, made), care.InvoiceRead)
		w.things = append(w.things, thing{id: w.notify(c.patient, n+1, "sent").String(), about: c.patient, reads: []care.Action{care.SelfManage, care.NotificationReview}, list: "list-notifications"})
		made = w.must(c.patient, http.MethodPost, "/api/me/devices", map[string]any{"platform": "ios", "token": uuid.NewString()})
		w.things = append(w.things, thing{id: decode(w.t, made)["id"].(string), about: c.patient, reads: []care.Action{care.SelfManage}, list: "list-devices"})
	}
	w.things = append(w.things, w.talk(teamDoctor, patient, w.clinicID), w.talk(awayNurse, awayPatient, w.other))
	for _, clinic := range []uuid.UUID{w.clinicID, w.other} {
		w.things = append(w.things, thing{id: clinic.String(), clinic: clinic, reads: []care.Action{care.ClinicRead}, list: "list-clinics"})
		_, err := w.db.Owner.Exec(w.t.Context(), `INSERT INTO event_counts (clinic_id, type, hour, count) VALUES ($1, 'user.created', date_trunc('hour', now(), 'UTC'), 1)`, clinic)
		require.NoError(w.t, err)
	}
}

// wholeLists are the lists that need parameters, without the ones that narrow them.
func (w *walk) wholeLists() map[string]string {
	return map[string]string{
		"list-follower-failures": "/api/followers/dispatch/failures",
		"list-absences":          "/api/clinics/" + w.clinicID.String() + "/absences",
		"list-visit-types":       "/api/clinics/" + w.clinicID.String() + "/visit-types",
	}
}

func merged(all ...map[string]any) map[string]any {
	sum := map[string]any{}
	for _, m := range all {
		maps.Copy(sum, m)
	}
	return sum
}

func example(w *walk, spec ehr.Spec) map[string]any {
	body := map[string]any{}
	require.NoError(w.t, json.Unmarshal([]byte(spec.Example), &body))
	return body
}

// schemaOf is how the kind is called in the ids of its operations.
func schemaOf(w *walk, spec ehr.Spec) string {
	return strings.TrimPrefix(w.server.OpenAPI().Paths["/api/ehr/"+spec.Path].Post.OperationID, "create-")
}

// visits is a good request for every route that asks who one is, by the operation's id, or by "METHOD path" where the
// reference does not know it. Everything is about setup's patient and clinic.
func (w *walk) visits() map[string]func() visit {
	all := map[string]func() visit{}
	for _, add := range []func(map[string]func() visit){
		w.visitRecords, w.visitAppointments, w.visitBilling, w.visitDirectory, w.visitClinics, w.visitChat, w.visitOwn, w.visitPlatform,
	} {
		add(all)
	}
	return all
}

// visitTo is a visit to a thing at a path, where it is named by its id; another id is of none.
func visitTo(on thing, path string, body any, headers ...string) visit {
	return visit{path: strings.ReplaceAll(path, "{id}", on.id), missing: strings.ReplaceAll(path, "{id}", uuid.NewString()), body: body, headers: headers, on: on}
}

// theirs is something about the patient at setup's clinic.
func (w *walk) theirs(id string, reads ...care.Action) thing {
	return thing{id: id, clinic: w.clinicID, about: patient, doctor: doctor, reads: reads}
}

func (w *walk) visitRecords(all map[string]func() visit) {
	for _, spec := range rest.Kinds() {
		path, schema := "/api/ehr/"+spec.Path, schemaOf(w, spec)
		who := map[string]any{"patientId": w.ids[patient], "clinicId": w.clinicID}
		body := merged(example(w, spec), who)
		released := spec.Transitions[0].From
		if len(spec.Released) > 0 {
			released = spec.Released[0]
		}
		corrected := released
		if len(spec.Corrected) > 0 {
			corrected = spec.Corrected[0]
		}
		write := func(status string) thing {
			made := w.must(doctor, http.MethodPost, path, with(body, "status", status))
			on := w.theirs(decode(w.t, made)["id"].(string), care.RecordRead)
			on.kind, on.authors, on.draft = spec.Name, []string{doctor}, !spec.Releases(status)
			return on
		}
		change := func(verb, status string, sent any) func() visit {
			return func() visit { return visitTo(write(status), path+"/{id}"+verb, sent, "If-Match", `"1"`) }
		}
		read := func(below string) func() visit {
			return func() visit { return visitTo(write(released), path+"/{id}"+below, nil) }
		}
		// The first move there is from a status to another.
		at, next := spec.Transitions[0].From, spec.Transitions[0].To
		replaced := body
		if len(next) > 0 {
			replaced = with(body, "status", next[0])
		}
		all["create-"+schema] = func() visit {
			v := visit{path: path, body: with(body, "doctorId", w.ids[doctor]), on: w.theirs("")}
			v.on.kind = spec.Name
			if spec.Releases(body["status"].(string)) {
				v.needs = []care.Action{care.RecordRelease}
			}
			return v
		}
		all["list-"+schema] = func() visit {
			on := w.theirs(w.ids[patient].String(), care.RecordRead)
			w.must(strangeDoctor, http.MethodPost, path, body)
			on.kind, on.authors = spec.Name, []string{strangeDoctor}
			return visitTo(on, path+"?patientId={id}", nil)
		}
		all["get-"+schema], all["history-"+schema], all["version-"+schema] = read(""), read("/history"), read("/history/1")
		all["GET /records/:kind/:id"] = func() visit { return visitTo(write(released), "/records/"+spec.Path+"/{id}", nil) }
		all["replace-"+schema] = func() visit {
			v := change("", at, replaced)()
			v.refused = len(next) == 0
			switch {
			case v.refused:
			case spec.Releases(at):
				v.needs = []care.Action{care.RecordMove}
			case spec.Releases(next[0]):
				v.needs = []care.Action{care.RecordRelease}
			}
			return v
		}
		all["amend-"+schema] = change("/amend", released, map[string]any{"reason": "A slip.", "record": with(body, "status", corrected)})
		all["retract-"+schema] = change("/retract", released, map[string]any{"reason": "A slip."})
		if slices.Contains([]string{"lab_report", "vital_signs"}, spec.Name) {
			all["acknowledge-"+schema] = func() visit {
				on := write(released)
				w.exec(`UPDATE records SET held_until = now() - interval '1 hour' WHERE id = $1`, on.id) // Nobody has reviewed it.
				return visitTo(on, path+"/{id}/acknowledge", nil)
			}
		}
	}
}

func (w *walk) visitAppointments(all map[string]func() visit) {
	const path = "/api/appointments"
	n := 0
	// request asks for another time for each visit, which the desk brings to where the visit begins.
	request := func(moves ...string) thing {
		n++
		w.clock.Store(nil)
		made := w.must(receptionist, http.MethodPost, path, w.appointment(n)) // A patient has so many requests open and no more.
		_, err := w.db.Owner.Exec(w.t.Context(), `UPDATE appointments SET status = 'requested' WHERE id = $1`, decode(w.t, made)["id"])
		require.NoError(w.t, err)
		start, err := time.Parse(time.RFC3339, w.appointment(n)["startsAt"].(string))
		require.NoError(w.t, err)
		for i, move := range moves {
			if move == "check-in" {
				w.clock.Store(&start)
			}
			w.must(receptionist, http.MethodPost, made.Header().Get("Location")+"/"+move, nil, "If-Match", versionTag(i+1))
		}
		return w.theirs(decode(w.t, made)["id"].(string), care.AppointmentRead)
	}
	move := func(name string, before ...string) func() visit {
		return func() visit {
			return visitTo(request(before...), path+"/{id}/"+name, nil, "If-Match", versionTag(len(before)+1))
		}
	}
	all["create-appointment"] = func() visit {
		return visit{path: path, body: w.appointment(100), on: w.theirs(""), also: []care.Action{care.AppointmentRequest}}
	}
	all["list-appointments"] = func() visit {
		return visitTo(w.theirs(w.ids[patient].String(), care.AppointmentRead), path+"?patientId={id}", nil)
	}
	all["get-appointment"] = func() visit { return visitTo(request(), path+"/{id}", nil) }
	all["GET /appointments/:id"] = func() visit { return visitTo(request(), "/appointments/{id}", nil) }
	all["book-appointment"], all["confirm-appointment"] = move("book"), move("confirm", "book")
	all["cancel-appointment"] = move("cancel")
	all["check-in-appointment"] = func() visit {
		v := move("check-in", "book")()
		start, err := time.Parse(time.RFC3339, w.appointment(n)["startsAt"].(string))
		require.NoError(w.t, err)
		w.clock.Store(&start)
		return v
	}
	all["reassign-appointment"] = func() visit {
		v := move("reassign", "book")()
		v.body = map[string]any{"doctorId": w.ids[strangeDoctor]}
		return v
	}
	all["get-appointment-reversals"] = func() visit { return visitTo(request(), path+"/{id}/reversals", nil) }
	all["reverse-appointment"] = func() visit {
		v := move("reverse", "cancel")()
		v.body = map[string]any{"reason": "A slip."}
		return v
	}
	all["complete-appointment"] = move("complete", "book", "check-in")
	all["no-show-appointment"] = func() visit {
		v := move("no-show", "book")()
		_, err := w.db.Owner.Exec(w.t.Context(), `UPDATE appointments SET starts_at = now() - interval '1 hour', ends_at = now() WHERE id = $1`, v.on.id)
		require.NoError(w.t, err)
		return v
	}
	all["reschedule-appointment"] = func() visit {
		v := move("reschedule", "book")()
		to := w.appointment(101)
		v.body = map[string]any{"startsAt": to["startsAt"], "endsAt": to["endsAt"]}
		return v
	}
	day := time.Now().AddDate(0, 0, 7).Format(time.DateOnly)
	doctors := "/doctors/" + w.ids[doctor].String() + "/hours"
	all["doctor-availability"] = func() visit {
		return visit{path: path + "/availability?clinicId=" + w.clinicID.String() + "&doctorId=" + w.ids[doctor].String() + "&date=" + day, on: w.theirs("")}
	}
	all["get-doctor-hours"] = func() visit { return visit{path: "/api/clinics/" + w.clinicID.String() + doctors, on: w.theirs("")} }
	all["set-doctor-hours"] = func() visit {
		return visit{path: "/api/clinics/" + w.clinicID.String() + doctors, body: map[string]any{"openings": []any{map[string]any{"weekday": "monday", "opensAt": "00:00", "closesAt": "24:00"}}}, headers: []string{"If-Match", `"1"`}, on: w.theirs("")}
	}
	w.visitAbsences(all)
}

// visitAbsences visits what is kept of a clinic's days: whoever may not know of it is told nothing, with 403.
func (w *walk) visitAbsences(all map[string]func() visit) {
	absences, types := "/api/clinics/"+w.clinicID.String()+"/absences", "/api/clinics/"+w.clinicID.String()+"/visit-types"
	at := w.appointment(300)
	leave := map[string]any{"doctorId": w.ids[doctor], "kind": "leave", "startsAt": at["startsAt"], "endsAt": at["endsAt"]}
	all["create-absence"] = func() visit { return visit{path: absences, body: leave, on: w.theirs("")} }
	all["list-absences"] = func() visit { return visit{path: absences, on: w.theirs("")} }
	all["delete-absence"] = func() visit {
		return visit{on: w.theirs(""), each: func() string {
			return absences + "/" + decode(w.t, w.must(receptionist, http.MethodPost, absences, leave))["id"].(string)
		}}
	}
	offered := map[string]any{"name": "First visit", "durationMinutes": 45}
	all["create-visit-type"] = func() visit { return visit{path: types, body: offered, on: w.theirs("")} }
	all["list-visit-types"] = func() visit { return visit{path: types, on: w.theirs("")} }
	all["replace-visit-type"] = func() visit {
		id := decode(w.t, w.must(receptionist, http.MethodPost, types, with(offered, "name", "Check-up")))["id"].(string)
		return visit{path: types + "/" + id, body: merged(offered, map[string]any{"name": "Control", "active": true}), headers: []string{"If-Match", `"1"`}, on: w.theirs("")}
	}
	all["delete-visit-type"] = func() visit {
		id := decode(w.t, w.must(receptionist, http.MethodPost, types, with(offered, "name", "Vaccination")))["id"].(string)
		return visit{path: types + "/" + id, on: w.theirs("")}
	}
}

func versionTag(version int) string { return `"` + string(rune('0'+version)) + `"` }

func (w *walk) visitBilling(all map[string]func() visit) {
	issue := func() thing {
		made := w.must(receptionist, http.MethodPost, invoicesPath, w.invoice())
		return w.theirs(decode(w.t, made)["id"].(string), care.InvoiceRead)
	}
	payment := map[string]any{"amountMinor": 100, "provider": "cash", "reference": "walk-1"}
	all["issue-invoice"] = func() visit { return visit{path: invoicesPath, body: w.invoice(), on: w.theirs("")} }
	all["list-invoices"] = func() visit {
		return visitTo(w.theirs(w.ids[patient].String(), care.InvoiceRead), invoicesPath+"?patientId={id}", nil)
	}
	all["get-invoice"] = func() visit { return visitTo(issue(), invoicesPath+"/{id}", nil) }
	all["GET /invoices/:id"] = func() visit { return visitTo(issue(), "/invoices/{id}", nil) }
	all["void-invoice"] = func() visit { return visitTo(issue(), invoicesPath+"/{id}/void", nil, "If-Match", `"1"`) }
	all["issue-credit-note"] = func() visit { return visitTo(issue(), invoicesPath+"/{id}/credit-notes", creditNote(100)) }
	all["get-statement"] = func() visit {
		return visitTo(w.theirs(w.ids[patient].String(), care.InvoiceRead), statementsPath+"?clinicId="+w.clinicID.String()+"&patientId={id}", nil)
	}
	all["record-payment"] = func() visit { return visitTo(issue(), invoicesPath+"/{id}/payments", payment) }
	all["record-refund"] = func() visit {
		made := w.must(receptionist, http.MethodPost, invoicesPath+"/"+issue().id+"/payments", with(payment, "reference", "walk-2"))
		paid := w.theirs(decode(w.t, made)["id"].(string), care.InvoiceRead)
		return visitTo(paid, "/api/billing/payments/{id}/refunds", map[string]any{"amountMinor": 100, "reference": "walk-3"})
	}
}

func (w *walk) visitDirectory(all map[string]func() visit) {
	person := w.theirs(w.ids[patient].String(), care.UserRead)
	details := map[string]any{"email": patient, "givenName": "P", "familyName": "W", "locale": "en", "timeZone": "UTC", "status": "active"}
	clinic := "?clinicId=" + w.clinicID.String()
	all["create-user"] = func() visit {
		return visit{path: "/api/users", on: w.theirs(""), also: []care.Action{care.PatientRegister}, body: map[string]any{"email": "new@demo.example", "givenName": "N", "familyName": "W", "clinicId": w.clinicID, "roles": []string{"patient"}}}
	}
	all["list-users"] = func() visit { return visit{path: "/api/users" + clinic, on: thing{clinic: w.clinicID}} }
	all["get-user"] = func() visit { return visitTo(person, "/api/users/{id}", nil) }
	all["replace-user"] = func() visit {
		var version int // The walk changes the patient elsewhere too.
		require.NoError(w.t, w.db.Owner.QueryRow(w.t.Context(), `SELECT version FROM users WHERE id = $1`, person.id).Scan(&version))
		v := visitTo(person, "/api/users/{id}", details, "If-Match", versionTag(version))
		v.also = []care.Action{care.PatientUpdate}
		return v
	}
	other := func() thing {
		return thing{id: w.bystander("patient"), clinic: w.clinicID, reads: []care.Action{care.UserRead}}
	}
	all["record-death"] = func() visit {
		return visitTo(other(), "/api/users/{id}/deceased", map[string]any{"date": "2026-01-31"})
	}
	all["withdraw-death"] = func() visit {
		on := other()
		w.must(receptionist, http.MethodPost, "/api/users/"+on.id+"/deceased", map[string]any{"date": "2026-01-31"})
		return visitTo(on, "/api/users/{id}/deceased/withdraw", map[string]any{"reason": "Another person."})
	}

	signIns := w.theirs(person.id, care.SignInManage, care.UserRead)
	all["list-sign-ins"] = func() visit { return visitTo(signIns, "/api/users/{id}/sign-ins", nil) }
	all["unlink-sign-in"] = func() visit {
		on := thing{id: w.bystander("nurse"), clinic: w.clinicID, reads: []care.Action{care.SignInManage, care.UserRead}}
		var id uuid.UUID
		require.NoError(w.t, w.db.Owner.QueryRow(w.t.Context(), `INSERT INTO identities (issuer, subject, user_id) VALUES ('walk', 'wrong', $1) RETURNING id`, on.id).Scan(&id))
		return visitTo(on, "/api/users/{id}/sign-ins/"+id.String(), nil)
	}

	account := thing{id: w.gateway, clinic: w.clinicID, reads: []care.Action{care.ServiceAccountManage}}
	const accounts = "/api/service-accounts"
	all["create-service-account"] = func() visit {
		return visit{path: accounts, on: account, body: map[string]any{"clinicId": w.clinicID, "name": "G", "clientId": "walk"}}
	}
	all["list-service-accounts"] = func() visit { return visit{path: accounts + clinic, on: account} }
	all["get-service-account"] = func() visit { return visitTo(account, accounts+"/{id}", nil) }
	all["replace-service-account"] = func() visit {
		return visitTo(account, accounts+"/{id}", map[string]any{"name": "H", "status": "active"}, "If-Match", `"2"`)
	}
	all["renew-activation-code"] = func() visit {
		made := w.must(admin, http.MethodPost, accounts, map[string]any{"clinicId": w.clinicID, "name": "P", "clientId": "waiting"})
		waiting := thing{id: decode(w.t, made)["id"].(string), clinic: w.clinicID, reads: account.reads}
		return visitTo(waiting, accounts+"/{id}/activation-code", nil)
	}
	all["append-events"] = func() visit {
		g := &gateway{bundle: w.bundle, id: w.gateway}
		return visit{path: "/api/events", body: g.reading(), headers: []string{"Content-Type", structured}, on: account}
	}
	all["event-counts"] = func() visit { return visit{path: "/api/stats/events" + clinic, on: account} }
	all["delivery-counts"] = func() visit { return visit{path: "/api/stats/deliveries" + clinic, on: account} }
}

// bystander is somebody of the clinic who asks for nothing: what becomes of them changes no other visit.
func (w *walk) bystander(roles ...string) string {
	made := w.must(admin, http.MethodPost, "/api/users", map[string]any{"email": uuid.NewString() + "@demo.example", "givenName": "B", "familyName": "S", "clinicId": w.clinicID, "roles": roles})
	return decode(w.t, made)["id"].(string)
}

func (w *walk) visitClinics(all map[string]func() visit) {
	clinic := thing{id: w.clinicID.String(), clinic: w.clinicID, reads: []care.Action{care.ClinicRead}}
	path := "/api/clinics/" + clinic.id
	all["list-clinics"] = func() visit { return visit{path: "/api/clinics", own: true, empty: true} }
	all["get-clinic"] = func() visit { return visitTo(clinic, "/api/clinics/{id}", nil) }
	named := map[string]any{"name": "Harbour Clinic", "timeZone": "UTC"}
	all["create-clinic"] = func() visit { return visit{path: "/api/clinics", body: named} }
	all["replace-clinic"] = func() visit {
		made := w.must(operator, http.MethodPost, "/api/clinics", map[string]any{"name": "North", "timeZone": "UTC"})
		return visit{path: "/api/clinics/" + decode(w.t, made)["id"].(string), body: map[string]any{"name": "South", "timeZone": "UTC"}, headers: []string{"If-Match", `"1"`}}
	}
	limits := path + "/critical-limits"
	limit := limits + "/2823-3?unit=mmol/L"
	all["list-critical-limits"] = func() visit { return visitTo(clinic, "/api/clinics/{id}/critical-limits", nil) }
	all["set-critical-limit"] = func() visit {
		return visitTo(clinic, "/api/clinics/{id}/critical-limits/2823-3?unit=mmol/L", map[string]any{"high": 6})
	}
	all["delete-critical-limit"] = func() visit {
		w.must(admin, http.MethodPut, limit, map[string]any{"high": 6})
		return visitTo(clinic, "/api/clinics/{id}/critical-limits/2823-3?unit=mmol/L", nil)
	}
	all["get-clinic-settings"] = func() visit { return visitTo(clinic, "/api/clinics/{id}/settings", nil) }
	all["set-clinic-settings"] = func() visit {
		return visit{path: path + "/settings", body: map[string]any{"criticalHoldMinutes": 0, "appointmentMaxMinutes": 60}, on: clinic}
	}
	all["get-clinic-notification-defaults"] = func() visit { return visitTo(clinic, "/api/clinics/{id}/notification-defaults", nil) }
	cleared := func(path string, on thing) func() visit {
		return func() visit {
			return visit{body: map[string]any{"essential": []string{"clinical"}}, on: on, each: func() string {
				_, err := w.db.Owner.Exec(w.t.Context(), `DELETE FROM notification_defaults`)
				require.NoError(w.t, err)
				return path
			}}
		}
	}
	all["set-clinic-notification-defaults"] = cleared(path+"/notification-defaults", clinic)
	all["get-notification-defaults"] = func() visit { return visit{path: "/api/notification-defaults"} }
	all["set-notification-defaults"] = cleared("/api/notification-defaults", thing{})
	all["get-user-preferences"] = func() visit {
		return visitTo(w.theirs(w.ids[patient].String(), care.UserRead), "/api/users/{id}/preferences", nil)
	}
	all["get-clinic-brand"] = func() visit { return visitTo(clinic, "/api/clinics/{id}/brand", nil) }
	all["set-clinic-brand"] = func() visit {
		return visit{body: map[string]any{"displayName": "Your care team", "logoUrl": "", "color": "#0b5c6b", "replyTo": ""}, on: clinic, each: func() string {
			_, err := w.db.Owner.Exec(w.t.Context(), `DELETE FROM clinic_brands`)
			require.NoError(w.t, err)
			return path + "/brand"
		}}
	}
	all["grant-role"] = func() visit {
		return visit{path: path + "/members", body: map[string]any{"userId": w.bystander("nurse"), "role": "doctor"}, on: clinic}
	}
	all["revoke-role"] = func() visit {
		return visit{path: path + "/members/" + w.bystander("nurse", "doctor") + "/nurse", on: clinic}
	}
	invitation := map[string]any{"email": "invited@demo.example", "roles": []string{"patient"}}
	all["create-invitation"] = func() visit { return visit{path: path + "/invitations", body: invitation, on: clinic} }
	all["get-invitation"] = func() visit {
		made := w.must(admin, http.MethodPost, path+"/invitations", invitation)
		on := thing{id: decode(w.t, made)["id"].(string), clinic: w.clinicID, reads: []care.Action{care.PatientRegister}}
		return visitTo(on, path+"/invitations/{id}", nil)
	}
	all["list-care-team"] = func() visit {
		return visitTo(w.theirs(w.ids[patient].String(), care.CareTeamRead), "/api/patients/{id}/care-team", nil)
	}
	member := func(before bool) func() visit {
		return func() visit {
			team := "/api/patients/" + w.bystander("patient") + "/care-team/" + clinic.id + "/" + w.bystander("nurse")
			if before {
				w.must(admin, http.MethodPut, team, nil)
			}
			return visit{path: team, on: clinic}
		}
	}
	all["join-care-team"], all["leave-care-team"] = member(false), member(true)
}

// talk begins a conversation of the patient with one member of their care team.
func (w *walk) talk(member, about string, clinic uuid.UUID) thing {
	made := w.must(member, http.MethodPost, "/api/conversations", map[string]any{"patientId": w.ids[about], "clinicId": clinic})
	return thing{id: decode(w.t, made)["id"].(string), clinic: clinic, about: about, talks: member, reads: []care.Action{care.ConversationRead}, list: "list-conversations"}
}

// visitChat visits conversations in which the nurse, who is on the care team, does not take part.
func (w *walk) visitChat(all map[string]func() visit) {
	const path = "/api/conversations"
	to := func(below string, body any) func() visit {
		return func() visit { return visitTo(w.talk(teamDoctor, patient, w.clinicID), path+"/{id}"+below, body) }
	}
	all["create-conversation"] = func() visit { return visit{path: path, body: w.conversation(), on: w.theirs("")} }
	all["list-conversations"] = func() visit { return visit{path: path, own: true} }
	all["get-conversation"], all["list-messages"], all["write-message"] = to("", nil), to("/messages", nil), to("/messages", map[string]any{"text": "Hello."})
	all["add-participant"] = to("/participants", map[string]any{"userId": w.ids[nurse]})
	all["remove-participant"] = func() visit {
		other := w.bystander("nurse")
		w.must(admin, http.MethodPut, "/api/patients/"+w.ids[patient].String()+"/care-team/"+w.clinicID.String()+"/"+other, nil)
		v := to("/participants/"+other, nil)()
		w.must(teamDoctor, http.MethodPost, path+"/"+v.on.id+"/participants", map[string]any{"userId": other})
		return v
	}
	message := func(below string) func() visit {
		return func() visit {
			on := w.talk(teamDoctor, patient, w.clinicID)
			return visitTo(on, path+"/{id}/messages/"+w.message(patient, path+"/"+on.id)+below, nil)
		}
	}
	all["get-message"] = message("")
	all["withdraw-message"] = func() visit { v := message("/withdraw")(); v.by = patient; return v }
	all["mark-conversation-read"] = func() visit {
		v := to("/read", nil)()
		v.body = map[string]any{"messageId": w.message(patient, path+"/"+v.on.id)}
		return v
	}
	all["GET /conversations/:id"] = func() visit { return visitTo(w.talk(teamDoctor, patient, w.clinicID), "/conversations/{id}", nil) }
	all["POST /conversations/:id/read"] = func() visit {
		on := w.talk(teamDoctor, patient, w.clinicID)
		form := "message=" + w.message(patient, path+"/"+on.id)
		return visitTo(on, "/conversations/{id}/read", form, "Content-Type", "application/x-www-form-urlencoded")
	}
}

// visitOwn visits what is about whoever asks, and what is the patient's own.
func (w *walk) visitOwn(all map[string]func() visit) {
	own := func(path string, body any) func() visit {
		return func() visit { return visit{path: path, body: body, own: true} }
	}
	patients := func(id string) thing { return thing{id: id, about: patient, reads: []care.Action{care.SelfManage}} }
	all["me"], all["list-devices"], all["list-preferences"] = own("/api/me", nil), own("/api/me/devices", nil), own("/api/me/preferences", nil)
	all["replace-me"] = func() visit {
		v := own("/api/me", map[string]any{"locale": "de", "timeZone": "UTC"})()
		v.headers = []string{"If-Match", `"1"`}
		return v
	}
	all["list-notifications"], all["issue-socket-ticket"] = own("/api/notifications", nil), own("/api/socket/tickets", nil)
	all["register-device"] = own("/api/me/devices", map[string]any{"platform": "ios", "token": "walk-1"})
	all["set-preference"] = own("/api/me/preferences", map[string]any{"category": "clinical", "channel": "email", "enabled": true})
	all["list-inbox"] = own("/api/inbox", nil)
	for i, mark := range inbox.Marks {
		all["mark-inbox-"+string(mark)] = func() visit {
			return own("/api/inbox/"+string(mark), map[string]any{"ids": []any{w.notify(patient, 110+i, "sent")}})()
		}
	}
	all["GET /preferences"], all["GET /notifications"] = own("/preferences", nil), own("/notifications", nil)
	all["POST /preferences"] = func() visit {
		v := own("/preferences", "clinical%2Femail=on")()
		v.headers = []string{"Content-Type", "application/x-www-form-urlencoded"}
		return v
	}
	all["list-contacts"] = own("/api/me/contacts", nil)
	all["set-contact"] = own("/api/me/contacts/sms", map[string]any{"address": "+491713920007"})
	all["request-verification"] = func() visit { w.unverified(); return own(verification, nil)() }
	all["confirm-verification"] = func() visit {
		w.unverified()
		return own(verification+"/confirm", map[string]any{"code": w.code(nurse)})()
	}
	all["remove-device"] = func() visit {
		made := w.must(patient, http.MethodPost, "/api/me/devices", map[string]any{"platform": "ios", "token": "walk-2"})
		return visitTo(patients(decode(w.t, made)["id"].(string)), "/api/me/devices/{id}", nil)
	}
	all["mark-notification-read"] = func() visit {
		return visitTo(patients(w.notify(patient, 100, "sent").String()), "/api/notifications/{id}/read", nil)
	}
	all["acknowledge-notification"] = func() visit {
		return visitTo(patients(w.notify(patient, 102, "sent").String()), "/api/notifications/{id}/acknowledge", nil)
	}
	all["POST /notifications/:id/acknowledge"] = func() visit {
		return visitTo(patients(w.notify(patient, 103, "sent").String()), "/notifications/{id}/acknowledge", nil)
	}
	all["GET /notifications/:id"] = func() visit {
		return visitTo(patients(w.notify(patient, 101, "sent").String()), "/notifications/{id}", nil)
	}
}

// visitPlatform visits what is nobody's in particular.
func (w *walk) visitPlatform(all map[string]func() visit) {
	rules := map[string]any{"source": "rules: [{name: a, on: user.created, recipients: [{user: data.userId}], channels: [email], template: account}]"}
	to := func(path string, body any) func() visit {
		return func() visit { return visit{path: path, body: body} }
	}
	published := func(path string, body any) func() visit {
		return func() visit {
			w.must(operator, http.MethodPost, "/api/rules", with(rules, "note", uuid.NewString()))
			return visit{path: path, body: body}
		}
	}
	all["audit"] = to("/api/audit?subject=user/"+w.ids[patient].String(), nil)
	all["audit-people"] = to("/api/audit/people?ids="+w.ids[patient].String(), nil)
	all["list-rule-sets"], all["check-rules"], all["publish-rules"] = to("/api/rules", nil), to("/api/rules/check", rules), to("/api/rules", rules)
	all["dry-run-rules"] = to("/api/rules/dry-run", with(rules, "event", map[string]any{"type": "user.created"}))
	all["get-current-rules"], all["get-rule-set"] = published("/api/rules/current", nil), published("/api/rules/1", nil)
	all["diff-rule-sets"], all["roll-back-rules"] = published("/api/rules/diff?from=1", nil), published("/api/rules/1/rollback", map[string]any{})
	templates := map[string]any{"source": string(template.Source())}
	edited := func(path string, body any) func() visit {
		return func() visit {
			w.must(operator, http.MethodPost, "/api/templates", templates)
			return visit{path: path, body: body}
		}
	}
	shown := map[string]any{"template": "account", "type": "user.created"}
	all["list-template-sets"], all["check-templates"], all["publish-templates"] = to("/api/templates", nil), to("/api/templates/check", templates), to("/api/templates", templates)
	all["get-current-templates"], all["get-template-set"] = edited("/api/templates/current", nil), edited("/api/templates/1", nil)
	all["diff-template-sets"], all["roll-back-templates"] = edited("/api/templates/diff?from=1", nil), edited("/api/templates/1/rollback", map[string]any{})
	all["preview-templates"] = to("/api/templates/preview", shown)
	all["GET /admin/templates/preview"] = to("/admin/templates/preview", nil)
	all["GET /admin/templates/preview/email"] = to("/admin/templates/preview/email?template=account&type=user.created", nil)
	all["list-suppressions"], all["remove-suppression"] = to("/api/suppressions", nil), to("/api/suppressions/"+uuid.NewString(), nil)
	all["list-followers"], all["list-deliveries"], all["list-rejected"] = to("/api/followers", nil), to("/api/deliveries", nil), to("/api/outbox/rejected", nil)
	follower := func(path string) func() visit {
		return func() visit {
			_, err := w.db.Owner.Exec(w.t.Context(), `INSERT INTO followers (name, position) VALUES ('dispatch', 0) ON CONFLICT DO NOTHING`)
			require.NoError(w.t, err)
			return visit{path: path}
		}
	}
	all["list-follower-failures"], all["redrive-follower-failure"] = follower("/api/followers/dispatch/failures"), follower("/api/followers/dispatch/failures/1/redrive")
	all["redrive-delivery"], all["redrive-rejected"] = to("/api/deliveries/"+uuid.NewString()+"/redrive", nil), to("/api/outbox/rejected/1/redrive", nil)
	all["explain-notifications"] = func() visit {
		sequencer := ledger.NewSequencer(ledger.SequencerConfig{Pool: w.db.Worker, Logger: slog.New(slog.DiscardHandler)})
		_, err := sequencer.Step(w.t.Context())
		require.NoError(w.t, err)
		var id uuid.UUID
		require.NoError(w.t, w.db.Owner.QueryRow(w.t.Context(), `SELECT event_id FROM events ORDER BY position LIMIT 1`).Scan(&id))
		return visit{path: "/api/notifications/explain?event=" + id.String()}
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		all[method+" /admin/river"], all[method+" /admin/river/*"] = to("/admin/river", nil), to("/admin/river/api", nil)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		all[method+" /sandbox/*"] = to("/sandbox/messages", nil)
	}
	all["GET /sandbox"] = to("/sandbox", nil)
}
