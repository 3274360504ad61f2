package rest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify/template"
)

// post is a request that changes something, and one like it that does not do the same.
type post struct {
	as, path string
	body     any
	headers  []string
	// other is another body for the same key; nil where the route takes none.
	other any
}

// posts has a request for every POST of the API that is done once, by its operation's id. Each is made anew on its own
// clinic.
func (b *bundle) posts() map[string]func() post {
	changed := func(body map[string]any, field string, value any) map[string]any {
		body = maps.Clone(body)
		body[field] = value
		return body
	}
	version := func(v string) []string { return []string{"If-Match", v} }
	moved := func() map[string]any {
		m := b.appointment(7)
		return map[string]any{"startsAt": m["startsAt"], "endsAt": m["endsAt"]}
	}
	requested := func(moves ...string) string {
		b.alwaysOpen()
		w := b.do(patient, http.MethodPost, "/api/appointments", b.appointment(0))
		require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
		for _, move := range moves {
			if move == "check-in" {
				b.beginNow()
			}
			w2 := b.do(receptionist, http.MethodPost, w.Header().Get("Location")+"/"+move, nil, "If-Match", decodedETag(b.t, b.do(receptionist, http.MethodGet, w.Header().Get("Location"), nil)))
			require.Equal(b.t, http.StatusOK, w2.Code, "%s", w2.Body)
		}
		return w.Header().Get("Location")
	}
	move := func(name string, before ...string) func() post {
		return func() post {
			path := requested(before...)
			if name == "check-in" || name == "complete" {
				b.beginNow()
			}
			return post{as: receptionist, path: path + "/" + name, headers: version(decodedETag(b.t, b.do(receptionist, http.MethodGet, path, nil)))}
		}
	}
	payment := map[string]any{"amountMinor": 100, "provider": "cash", "reference": "r-1"}
	return map[string]func() post{
		"create-LabReport": func() post {
			return post{as: doctor, path: "/api/ehr/lab-reports", body: b.report(), other: changed(b.report(), "status", "preliminary")}
		},
		"amend-LabReport": func() post {
			body := map[string]any{"reason": "wrong unit", "record": changed(b.report(), "status", "amended")}
			return post{as: doctor, path: b.writeReport() + "/amend", body: body, headers: version(`"1"`), other: changed(body, "reason", "x")}
		},
		"retract-LabReport": func() post {
			reason := map[string]any{"reason": "wrong patient"}
			return post{as: doctor, path: b.writeReport() + "/retract", body: reason, headers: version(`"1"`), other: changed(reason, "reason", "x")}
		},
		"acknowledge-LabReport": func() post {
			path := b.writeReport()
			b.exec(`UPDATE records SET held_until = now() + interval '1 hour' WHERE id = $1`, path[strings.LastIndexByte(path, '/')+1:])
			return post{as: doctor, path: path + "/acknowledge"}
		},
		"publish-rules": func() post {
			rules := map[string]any{"source": "rules: [{name: a, on: user.created, recipients: [{user: data.userId}], channels: [email], template: account}]"}
			return post{as: operator, path: "/api/rules", body: rules, other: changed(rules, "note", "x")}
		},
		"roll-back-rules": func() post {
			for _, name := range []string{"a", "b"} {
				source := "rules: [{name: " + name + ", on: user.created, recipients: [{user: data.userId}], channels: [email], template: account}]"
				require.Equal(b.t, http.StatusOK, b.do(operator, http.MethodPost, "/api/rules", map[string]any{"source": source}).Code)
			}
			return post{as: operator, path: "/api/rules/1/rollback", body: map[string]any{"note": "back"}, other: map[string]any{"note": "x"}}
		},
		"publish-templates": func() post {
			templates := map[string]any{"source": string(template.Source())}
			return post{as: operator, path: "/api/templates", body: templates, other: changed(templates, "note", "x")}
		},
		"roll-back-templates": func() post {
			for _, comment := range []string{"# a\n", "# b\n"} {
				b.publishTemplates(comment+string(template.Source()), "")
			}
			return post{as: operator, path: "/api/templates/1/rollback", body: map[string]any{"note": "back"}, other: map[string]any{"note": "x"}}
		},
		"create-service-account": func() post {
			account := map[string]any{"clinicId": b.clinicID, "name": "Gateway", "clientId": "gateway-1"}
			return post{as: admin, path: "/api/service-accounts", body: account, other: changed(account, "name", "Other")}
		},
		"create-clinic": func() post {
			c := map[string]any{"name": "Harbour Clinic", "timeZone": "UTC"}
			return post{as: operator, path: "/api/clinics", body: c, other: changed(c, "timeZone", "Europe/Berlin")}
		},
		"create-user": func() post {
			u := map[string]any{"email": "new@demo.example", "givenName": "N", "familyName": "W", "clinicId": b.clinicID, "roles": []string{"patient"}}
			return post{as: admin, path: "/api/users", body: u, other: changed(u, "givenName", "M")}
		},
		"record-death": func() post {
			day := map[string]any{"date": "2026-01-31"}
			return post{as: receptionist, path: "/api/users/" + b.register(nil)["id"].(string) + "/deceased", body: day, other: changed(day, "date", "2026-01-30")}
		},
		"withdraw-death": func() post {
			path := "/api/users/" + b.register(nil)["id"].(string) + "/deceased"
			require.Equal(b.t, http.StatusOK, b.do(receptionist, http.MethodPost, path, map[string]any{"date": "2026-01-31"}).Code)
			reason := map[string]any{"reason": "Another person."}
			return post{as: receptionist, path: path + "/withdraw", body: reason, other: changed(reason, "reason", "A mistake.")}
		},
		"create-invitation": func() post {
			i := map[string]any{"email": patient, "roles": []string{"nurse"}}
			return post{as: admin, path: "/api/clinics/" + b.clinicID.String() + "/invitations", body: i, other: changed(i, "email", "nobody@demo.example")}
		},
		"request-verification": func() post {
			return post{as: b.unverified(), path: "/api/me/contacts/email/verification"}
		},
		"confirm-verification": func() post {
			code := map[string]any{"code": b.code(b.unverified())}
			return post{as: nurse, path: "/api/me/contacts/email/verification/confirm", body: code, other: map[string]any{"code": "000000"}}
		},
		"grant-role": func() post {
			role := map[string]any{"userId": b.ids[nurse], "role": "doctor"}
			return post{as: admin, path: "/api/clinics/" + b.clinicID.String() + "/members", body: role, other: changed(role, "role", "admin")}
		},
		"register-device": func() post {
			d := map[string]any{"platform": "ios", "token": "t-1"}
			return post{as: patient, path: "/api/me/devices", body: d, other: changed(d, "token", "t-2")}
		},
		"create-appointment": func() post {
			return post{as: receptionist, path: "/api/appointments", body: b.appointment(0), other: b.appointment(1)}
		},
		"book-appointment":     move("book"),
		"confirm-appointment":  move("confirm", "book"),
		"check-in-appointment": move("check-in", "book"),
		"complete-appointment": func() post { p := move("complete", "book", "check-in")(); p.as = nurse; return p },
		"cancel-appointment":   move("cancel"),
		"no-show-appointment": func() post {
			path := requested("book")
			_, err := b.db.Owner.Exec(b.t.Context(), `UPDATE appointments SET starts_at = now() - interval '1 hour'`)
			require.NoError(b.t, err)
			return post{as: receptionist, path: path + "/no-show", headers: version(`"2"`)}
		},
		"reassign-appointment": func() post {
			p := move("reassign", "book")()
			p.body, p.other = map[string]any{"doctorId": b.colleague()}, map[string]any{"doctorId": b.ids[nurse]}
			return p
		},
		"reverse-appointment": func() post {
			p := move("reverse", "book", "cancel")()
			p.body, p.other = map[string]any{"reason": "A slip."}, map[string]any{"reason": "Another."}
			return p
		},
		"create-absence": func() post {
			at := b.appointment(0)
			absence := map[string]any{"doctorId": b.ids[doctor], "kind": "leave", "startsAt": at["startsAt"], "endsAt": at["endsAt"]}
			return post{as: receptionist, path: "/api/clinics/" + b.clinicID.String() + "/absences", body: absence, other: changed(absence, "kind", "closed")}
		},
		"create-visit-type": func() post {
			visit := map[string]any{"name": "First visit", "durationMinutes": 45}
			return post{as: receptionist, path: "/api/clinics/" + b.clinicID.String() + "/visit-types", body: visit, other: changed(visit, "name", "Check-up")}
		},
		"reschedule-appointment": func() post {
			p := move("reschedule", "book")()
			p.body, p.other = moved(), map[string]any{"startsAt": b.appointment(9)["startsAt"], "endsAt": b.appointment(9)["endsAt"]}
			return p
		},
		"issue-invoice": func() post {
			return post{as: receptionist, path: invoicesPath, body: b.invoice(), other: changed(b.invoice(), "dueOn", dueIn(2))}
		},
		"void-invoice": func() post {
			return post{as: receptionist, path: b.issueInvoice() + "/void", headers: version(`"1"`)}
		},
		"create-conversation": func() post {
			return post{as: patient, path: "/api/conversations", body: b.conversation(), other: changed(b.conversation(), "subject", "x")}
		},
		"add-participant": func() post {
			return post{as: doctor, path: b.converse() + "/participants", body: map[string]any{"userId": b.ids[nurse]}, other: map[string]any{"userId": b.ids[doctor]}}
		},
		"write-message": func() post {
			path := b.converse()
			b.message(patient, path)
			return post{as: doctor, path: path + "/messages", body: map[string]any{"text": secret}, other: map[string]any{"text": "x"}}
		},
		"withdraw-message": func() post {
			path := b.converse()
			return post{as: patient, path: path + "/messages/" + b.message(patient, path) + "/withdraw"}
		},
		"record-payment": func() post {
			return post{as: receptionist, path: b.issueInvoice() + "/payments", body: payment, other: changed(payment, "amountMinor", 101)}
		},
		"issue-credit-note": func() post {
			return post{as: receptionist, path: b.issueInvoice() + "/credit-notes", body: creditNote(100), other: creditNote(50)}
		},
		"record-refund": func() post {
			w := b.do(receptionist, http.MethodPost, b.issueInvoice()+"/payments", payment)
			require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
			refund := map[string]any{"amountMinor": 100, "reference": "b-1"}
			return post{as: receptionist, path: "/api/billing/payments/" + decode(b.t, w)["id"].(string) + "/refunds", body: refund, other: changed(refund, "amountMinor", 50)}
		},
	}
}

// repeatable are POSTs that do no harm when they are repeated, and know no key: a ticket is another one each time, a check
// stores nothing, an event has an id of its own, what was redriven is refused, and accepting an invitation again changes nothing.
var repeatable = []string{
	"acknowledge-notification", "mark-inbox-seen", "mark-inbox-read", "mark-inbox-unread", "mark-inbox-archive", "mark-inbox-unarchive",
	"accept-invitation", "activate-service-account", "renew-activation-code", "issue-socket-ticket", "check-rules", "dry-run-rules", "check-templates", "preview-templates", "append-events", "redrive-follower-failure", "redrive-delivery", "redrive-rejected",
}

func decodedETag(tb testing.TB, w *httptest.ResponseRecorder) string {
	tb.Helper()
	require.Equal(tb, http.StatusOK, w.Code, "%s", w.Body)
	return w.Header().Get("ETag")
}

func (b *bundle) post(p post, body any, key string) *httptest.ResponseRecorder {
	return b.do(p.as, http.MethodPost, p.path, body, append([]string{"Idempotency-Key", key}, p.headers...)...)
}

// written counts the events that are no reads.
func (b *bundle) written() (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT count(*) FROM outbox WHERE type NOT IN ('record.read', 'access.denied')`).Scan(&n))
	return n
}

func TestKeys_EveryPostIsDoneOnceAndAnsweredAgain(t *testing.T) {
	t.Parallel()
	for id := range setup(t).posts() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			p := b.posts()[id]()
			first := b.post(p, p.body, "key-1")
			require.Less(t, first.Code, 300, "%s", first.Body)
			before := b.written()
			again := b.post(p, p.body, "key-1")
			require.Equal(t, first.Code, again.Code, "%s", again.Body)
			require.Equal(t, withoutSecrets(t, first), decode(t, again))
			require.Equal(t, first.Header().Get("Location"), again.Header().Get("Location"))
			require.Equal(t, first.Header().Get("ETag"), again.Header().Get("ETag"))
			require.Equal(t, before, b.written(), "nothing was written again")
			if p.other != nil {
				require.Equal(t, []string{"Idempotency-Key"}, requireProblem(t, b.post(p, p.other, "key-1"), 422, "invalid"))
				require.Equal(t, before, b.written())
			}
		})
	}
}

// withoutSecrets is an answer without what is shown once: it is not kept, so a repetition does not have it.
func withoutSecrets(t *testing.T, answer *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	all := decode(t, answer)
	delete(all, "activationCode")
	return all
}

func TestKeys_AreKnownToEveryPostOfTheReference(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var spec struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name string }
		}
	}
	require.NoError(t, json.Unmarshal(b.do("", http.MethodGet, "/openapi.json", nil).Body.Bytes(), &spec))
	posts, seen := b.posts(), 0
	for path, operations := range spec.Paths {
		op, ok := operations["post"]
		if !ok || slices.Contains(repeatable, op.OperationID) {
			continue
		}
		seen++
		id := op.OperationID
		if verb, _, _ := strings.Cut(id, "-"); strings.HasPrefix(path, "/api/ehr/") {
			id = verb + "-LabReport" // Every kind of record is served by the same code.
		}
		require.Contains(t, posts, id, "POST %s (%s): wrap its handler in once, and give posts a request for it", path, op.OperationID)
		require.True(t, slices.ContainsFunc(op.Parameters, func(p struct{ Name string }) bool { return p.Name == "Idempotency-Key" }), path)
	}
	require.GreaterOrEqual(t, seen, len(posts))
}

func TestKeys_AreTheirOwnersAndOnlySuccessesCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.posts()["create-LabReport"]()
	refused := b.report()
	delete(refused, "results")
	requireProblem(t, b.post(p, refused, "k"), 422, "invalid")
	first := b.post(p, b.report(), "k")
	require.Equal(t, http.StatusCreated, first.Code, "what failed did not use the key up: %s", first.Body)
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), $1, $2, 'doctor')`, b.ids[admin], b.clinicID)
	require.NoError(t, err)
	p.as = admin
	theirs := b.post(p, b.report(), "k")
	require.Equal(t, http.StatusCreated, theirs.Code, "%s", theirs.Body)
	require.NotEqual(t, first.Header().Get("Location"), theirs.Header().Get("Location"), "a key is its owner's")

	_, err = b.db.Owner.Exec(t.Context(), `UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`)
	require.NoError(t, err)
	p.as = doctor
	later := b.post(p, b.report(), "k")
	require.Equal(t, http.StatusCreated, later.Code)
	require.NotEqual(t, first.Header().Get("Location"), later.Header().Get("Location"), "after a day the key is free")
	for _, bad := range []string{"", "with space", "ä", string(make([]byte, 3))} {
		require.Equal(t, []string{"Idempotency-Key"}, requireProblem(t, b.post(p, b.report(), bad), 422, "invalid"), "%q", bad)
	}
}

func TestKeys_TheFirstAnswerIsThatOfItsVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.posts()["create-LabReport"]()
	first := b.post(p, p.body, "k")
	amendment := map[string]any{"reason": "A slip.", "record": with(b.report(), "status", "amended")}
	require.Equal(t, http.StatusOK, b.do(doctor, http.MethodPost, first.Header().Get("Location")+"/amend", amendment, "If-Match", `"1"`).Code)
	again := b.post(p, p.body, "k")
	require.Equal(t, http.StatusCreated, again.Code)
	require.Equal(t, `"1"`, again.Header().Get("ETag"))
	require.JSONEq(t, first.Body.String(), again.Body.String())
}

func TestKeys_ManyAtOnceWriteOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.posts()["create-LabReport"]()
	answers := make(chan *httptest.ResponseRecorder, 20)
	var wg sync.WaitGroup
	for range cap(answers) {
		req := b.request(p.as, http.MethodPost, p.path, p.body, "Idempotency-Key", "k")
		wg.Go(func() { answers <- b.send(req) })
	}
	wg.Wait()
	close(answers)
	places := map[string]int{}
	for w := range answers {
		if w.Code == http.StatusCreated {
			places[w.Header().Get("Location")]++
			continue
		}
		requireProblem(t, w, 409, "conflict")
	}
	require.Len(t, places, 1, "one record, whoever asks")
	require.Equal(t, 1, b.events("ehr.lab_report.created"))
}

func TestKeys_InUseAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.posts()["create-appointment"]()
	tx, err := b.db.Owner.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(hashtextextended('idempotency ' || $1 || ' k', 0))`, b.ids[receptionist].String())
	require.NoError(t, err)
	requireProblem(t, b.post(p, p.body, "k"), 409, "conflict")
	require.NoError(t, tx.Rollback(t.Context()))
	require.Equal(t, http.StatusCreated, b.post(p, p.body, "k").Code)
}
