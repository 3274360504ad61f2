package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// other is the bundle with another server on the same database, which has kept nobody.
func (b *bundle) other() *bundle {
	b.t.Helper()
	o := *b
	registry := prometheus.NewRegistry()
	o.cfg.Registerer, o.cfg.Gatherer = registry, registry
	var err error
	o.server, err = newServer(o.cfg)
	require.NoError(b.t, err)
	return &o
}

// TestKeep_WhatChangedCountsAtOnce changes who somebody is between two requests, behind the back of the server that has kept
// them: it must answer as one that has not, and audit the same.
func TestKeep_WhatChangedCountsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.writeReport()
	system := care.Command{Actor: care.SystemActor("seed")}
	dir := b.cfg.Directory
	role := func(email string, r care.Role) directory.MembershipInput {
		return directory.MembershipInput{UserID: b.ids[email], ClinicID: &b.clinicID, Role: r}
	}
	nameless := b.report() // Without doctorId it is the actor's own, who must be a doctor: no database is asked.
	requests := []struct {
		as, method, path string
		body             any
	}{
		{doctor, http.MethodGet, path, nil},
		{doctor, http.MethodPost, "/api/ehr/lab-reports", b.report()},
		{doctor, http.MethodGet, "/api/ehr/lab-reports?patientId=" + b.ids[patient].String(), nil},
		{doctor, http.MethodGet, path + "/history", nil},
		{nurse, http.MethodGet, path, nil},
		{receptionist, http.MethodGet, path, nil},
		{receptionist, http.MethodPost, "/api/ehr/lab-reports", b.report()},
		{patient, http.MethodGet, path, nil},
		{nurse, http.MethodPost, "/api/ehr/lab-reports", nameless},
		{patient, http.MethodGet, "/api/inbox", nil},
	}
	// A server for each request: one that has served another meanwhile knows of the change.
	servers := make([]*bundle, len(requests))
	for i := range servers {
		servers[i] = b.other()
	}
	var seen string
	for i, change := range []func() error{
		func() error { return nil },
		func() error { return dir.RevokeMembership(t.Context(), system, role(doctor, care.Doctor)) },
		func() error { return dir.GrantMembership(t.Context(), system, role(doctor, care.Doctor)) },
		func() error { return dir.GrantMembership(t.Context(), system, role(receptionist, care.Doctor)) },
		func() error { return dir.GrantMembership(t.Context(), system, role(nurse, care.Doctor)) },
		func() error { b.exec("UPDATE users SET status = 'disabled' WHERE id = $1", b.ids[nurse]); return nil },
		func() error { b.exec("UPDATE users SET status = 'active' WHERE id = $1", b.ids[nurse]); return nil },
		// The receptionist's sign-in becomes the patient's, and the patient's nobody's.
		func() error {
			b.exec("DELETE FROM identities WHERE user_id = $1", b.ids[patient])
			b.exec("UPDATE identities SET user_id = $1 WHERE user_id = $2", b.ids[patient], b.ids[receptionist])
			b.exec("UPDATE users SET email_verified = false WHERE id = $1", b.ids[patient])
			return nil
		},
		func() error { b.exec("DELETE FROM memberships WHERE user_id = $1", b.ids[doctor]); return nil },
	} {
		require.NoError(t, change(), i)
		fresh := b.other()
		var line []string
		for j, r := range requests {
			before := b.events("access.denied")
			kept := servers[j].do(r.as, r.method, r.path, r.body)
			byKept := b.events("access.denied") - before
			want := fresh.do(r.as, r.method, r.path, r.body)
			byFresh := b.events("access.denied") - before - byKept
			name := fmt.Sprintf("change %d: %s %s as %s", i, r.method, r.path, r.as)
			require.Equal(t, want.Code, kept.Code, "%s: %s", name, kept.Body)
			require.Equal(t, byFresh, byKept, "%s: refusals audited", name)
			if want.Code >= 400 {
				require.Equal(t, decode(t, want)["code"], decode(t, kept)["code"], name)
			}
			line = append(line, strconv.Itoa(want.Code))
		}
		seen += strings.Join(line, " ") + "\n"
	}
	require.Equal(t, `200 201 200 200 200 404 403 200 422 200
404 403 404 404 200 404 403 200 422 200
200 201 200 200 200 404 403 200 422 200
200 201 200 200 200 404 201 200 422 200
200 201 200 200 200 404 201 200 201 200
200 201 200 200 403 404 201 200 403 200
200 201 200 200 200 404 201 200 201 200
200 201 200 200 200 200 403 401 201 401
404 403 404 404 200 200 403 401 201 401
`, seen)
}

// TestKeep_NothingIsWrittenInTheNameOfWhoChangedMeanwhile lets roles come and go while reports are written: none may be of
// somebody who was no doctor when it committed.
func TestKeep_NothingIsWrittenInTheNameOfWhoChangedMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeReport()
	system := care.Command{Actor: care.SystemActor("seed")}
	role := directory.MembershipInput{UserID: b.ids[doctor], ClinicID: &b.clinicID, Role: care.Doctor}
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	codes := make([]map[int]int, 4)
	for i := range codes {
		codes[i] = map[int]int{}
		req := func() *http.Request { return b.request(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report()) }
		_ = b.token(doctor)
		group.Go(func() {
			for ctx.Err() == nil {
				codes[i][b.send(req()).Code]++
			}
		})
	}
	for range 20 {
		require.NoError(t, b.cfg.Directory.RevokeMembership(t.Context(), system, role))
		// Whoever gets here after the revocation has committed must be refused.
		w := b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report())
		require.Equal(t, http.StatusForbidden, w.Code, "%s", w.Body)
		require.NoError(t, b.cfg.Directory.GrantMembership(t.Context(), system, role))
		w = b.do(doctor, http.MethodPost, "/api/ehr/lab-reports", b.report())
		require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	}
	stop()
	group.Wait()
	for _, c := range codes {
		for code := range c {
			require.Contains(t, []int{http.StatusCreated, http.StatusForbidden}, code, c)
		}
	}
}

// TestKeep_TheVersionRisesWithEveryChange pins what moves a person's version: a change without it would not be noticed.
func TestKeep_TheVersionRisesWithEveryChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.writeReport()
	version := func() (n int64) {
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), "SELECT actor_version FROM users WHERE id = $1", b.ids[doctor]).Scan(&n))
		return n
	}
	for _, sql := range []string{
		"INSERT INTO memberships (id, user_id, clinic_id, role) SELECT gen_random_uuid(), $1, id, 'nurse' FROM clinics",
		"UPDATE memberships SET revoked_at = now() WHERE user_id = $1 AND role = 'nurse'",
		"DELETE FROM memberships WHERE user_id = $1 AND role = 'nurse'",
		"UPDATE users SET status = 'disabled' WHERE id = $1",
		"UPDATE users SET status = 'active', given_name = 'Ada' WHERE id = $1",
		"UPDATE identities SET subject = 'another' WHERE user_id = $1",
		"DELETE FROM identities WHERE user_id = $1",
	} {
		before := version()
		b.exec(sql, b.ids[doctor])
		require.Equal(t, before+1, version(), sql)
	}
	before := version()
	b.exec("UPDATE users SET given_name = 'Eve' WHERE id = $1", b.ids[doctor])
	require.Equal(t, before, version(), "a name is not who one is to a request")
	_, err := b.db.App.Exec(t.Context(), "SELECT actor_holds($1, $2)", b.ids[doctor], before+1)
	require.ErrorContains(t, err, "CW002")
	_, err = b.db.App.Exec(t.Context(), "SELECT actor_holds($1, 1)", uuid.New())
	require.ErrorContains(t, err, "CW002", "nobody")
	require.NoError(t, pgx.BeginFunc(t.Context(), b.db.App, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), "SELECT actor_holds($1, $2)", b.ids[doctor], before)
		return err
	}))
}
