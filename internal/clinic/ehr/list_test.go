package ehr_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/ehr"
	"carewire/internal/postgres"
)

// practice fills two clinics with 8,000 records of 1,100 patients, of all states, in random order. The
// doctor has 40 of the patients, the colleague is the doctor of every 90th record and the author of every
// 70th, and the nurse has nearly all patients.
func (b *testBundle) practice(t *testing.T) {
	t.Helper()
	b.Exec(t, `INSERT INTO users (id, email, given_name, family_name)
		SELECT md5(n::text)::uuid, n || '@x.example', 'x', 'y' FROM generate_series(1, 1100) AS n`)
	for _, team := range []struct {
		member care.Actor
		clinic uuid.UUID
		every  int
	}{{b.doctor, b.here, 27}, {b.nurse, b.here, 1}, {b.stranger, b.there, 10}} {
		b.Exec(t, `INSERT INTO care_team (patient_id, clinic_id, member_id) SELECT md5(n::text)::uuid, $1, $2 FROM generate_series(1, 1100, $3) AS n`,
			team.clinic, team.member.UserID, team.every)
	}
	b.Exec(t, `INSERT INTO records (id, kind, version, status, patient_id, clinic_id, doctor_id, code_system, code, effective_at, body, created_at, created_by,
			updated_at, updated_by, released_version, held_until)
		SELECT md5('record' || n)::uuid, CASE WHEN n % 9 = 0 THEN 'condition' ELSE 'lab_report' END, 1,
			CASE WHEN n % 997 = 0 THEN 'cancelled' WHEN n % 11 = 0 THEN 'entered-in-error' WHEN n % 5 = 0 THEN 'preliminary' ELSE 'final' END,
			CASE WHEN n % 45 = 0 THEN $1 WHEN n % 50 = 0 THEN $5 ELSE md5((1 + n % 1100)::text)::uuid END, CASE WHEN n % 8 = 0 THEN $3 ELSE $2 END::uuid,
			CASE WHEN n % 90 = 0 THEN $4 ELSE $6 END::uuid, 's', CASE WHEN n % 400 = 0 THEN 'rare' ELSE 'usual' END,
			timestamptz '2026-01-01Z' + (n * 7919 % 8000) / 4 * interval '1 hour', '{}', now(), CASE WHEN n % 70 = 0 THEN $4::text ELSE 'x' END, now(), 'x',
			CASE WHEN n % 5 > 0 THEN 1 END, CASE WHEN n % 13 = 0 THEN now() + interval '1 day' WHEN n % 13 = 1 THEN now() - interval '1 day' END
		FROM generate_series(1, 8000) AS n`,
		b.patient.UserID, b.here, b.there, b.colleague.UserID, b.doctor.UserID, b.stranger.UserID)
	b.Exec(t, "ANALYZE records, care_team")
}

// all reads the list to its end.
func (b *testBundle) all(t *testing.T, actor care.Actor, f ehr.Filter) (ids []uuid.UUID, counts []int) {
	t.Helper()
	for {
		page, err := b.reports.List(t.Context(), by(actor), f)
		require.NoError(t, err)
		counts = append(counts, len(page.Items))
		for _, r := range page.Items {
			ids = append(ids, r.ID)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return ids, counts
		}
	}
}

func TestList_PagesHaveEachVisibleRecordOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.practice(t)
	own := b.doctor // A doctor who is a patient of the other clinic.
	own.Memberships = append([]care.Membership{{ClinicID: &b.there, Role: care.Patient}}, own.Memberships...)
	both := b.stranger // A doctor of both clinics, with patients at one.
	both.Memberships = append([]care.Membership{{ClinicID: &b.here, Role: care.Doctor}}, both.Memberships...)
	treated := b.nurse // Somebody with nearly all patients, who is one.
	treated.Memberships = append([]care.Membership{{ClinicID: &b.here, Role: care.Patient}}, treated.Memberships...)
	b.Exec(t, `UPDATE records SET patient_id = $1 WHERE get_byte(uuid_send(id), 0) < 10`, treated.UserID)
	random := rand.New(rand.NewPCG(3, 4))
	chance := func(one int) bool { return random.IntN(one) == 0 }
	for name, actor := range map[string]care.Actor{
		"doctor": b.doctor, "nurse": b.nurse, "colleague": b.colleague, "patient": b.patient, "stranger": b.stranger, "own": own, "both": both, "treated": treated,
	} {
		for range 12 {
			f := ehr.Filter{Limit: 50 + random.IntN(151)}
			if chance(6) {
				f.PatientID = b.patient.UserID
			}
			if chance(6) {
				f.DoctorID = b.colleague.UserID
			}
			if chance(6) {
				f.AuthorID = b.colleague.UserID
			}
			if chance(4) {
				f.ClinicID = b.here
			}
			if chance(3) {
				f.Status = []string{"preliminary", "cancelled", "entered-in-error"}[random.IntN(3)]
			}
			if chance(4) {
				f.Code = "s|rare"
			}
			if chance(3) {
				f.From = time.Date(2026, 1, 1+random.IntN(40), 0, 0, 0, 0, time.UTC)
				f.To = f.From.AddDate(0, 0, 1+random.IntN(40))
			}
			visible := b.visible(t, actor, f)
			if len(visible) == 0 {
				continue // May be a denial.
			}
			ids, _ := b.all(t, actor, f)
			require.Equal(t, visible, ids, "%s: %+v", name, f)
		}
	}
}

func TestList_WithoutFiltersHasFullPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.practice(t)
	for name, actor := range map[string]care.Actor{"doctor": b.doctor, "colleague": b.colleague, "patient": b.patient, "nurse": b.nurse} {
		_, counts := b.all(t, actor, ehr.Filter{Limit: 30})
		for _, n := range counts[:len(counts)-1] {
			require.Equal(t, 30, n, "%s: %v", name, counts)
		}
	}
}

func TestList_OfARareStatusIsOnShortPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.practice(t)
	ids, counts := b.all(t, b.nurse, ehr.Filter{Status: "cancelled"})
	require.Len(t, ids, 7)
	require.Len(t, counts, 7, "at most 1,000 of the clinic's 6,222 reports are read for a page")
	ids, counts = b.all(t, b.doctor, ehr.Filter{Status: "cancelled"})
	require.Empty(t, ids)
	require.Len(t, counts, 1, "all reports of 41 patients")
}

// visible returns what the filter selects of what the actor may see, read in one statement that checks
// each record.
func (b *testBundle) visible(t *testing.T, actor care.Actor, f ehr.Filter) (ids []uuid.UUID) {
	t.Helper()
	where := []string{`r.kind = 'lab_report' AND (
		($1 AND r.patient_id = $2 AND r.released_version IS NOT NULL AND (r.held_until IS NULL OR r.held_until <= now()) AND (r.status <> 'entered-in-error' OR $7))
		OR (r.doctor_id = $2 AND r.clinic_id = ANY($4))
		OR (r.created_by = $3 AND r.clinic_id = ANY($5))
		OR (r.clinic_id = ANY($6) AND EXISTS (SELECT 1 FROM care_team AS t WHERE t.patient_id = r.patient_id AND t.clinic_id = r.clinic_id AND t.member_id = $2)))`}
	args := []any{
		actor.MayOwn(care.RecordRead), actor.UserID, actor.ID, actor.ClinicsFor(care.RecordRead, care.Responsible),
		actor.ClinicsFor(care.RecordRead, care.Author), actor.ClinicsFor(care.RecordRead, care.CareTeam),
		f.DoctorID == uuid.Nil && f.AuthorID == uuid.Nil && f.Code == "",
	}
	add := func(used bool, condition string, arg any) {
		if used {
			args = append(args, arg)
			where = append(where, fmt.Sprintf(condition, len(args)))
		}
	}
	add(f.PatientID != uuid.Nil, "r.patient_id = $%d", f.PatientID)
	add(f.DoctorID != uuid.Nil, "r.doctor_id = $%d", f.DoctorID)
	add(f.AuthorID != uuid.Nil, "r.created_by = $%d", f.AuthorID.String())
	add(f.ClinicID != uuid.Nil, "r.clinic_id = $%d", f.ClinicID)
	add(f.Status != "", "r.status = $%d", f.Status)
	add(f.Code != "", "r.code_system || '|' || r.code = $%d", f.Code)
	add(!f.From.IsZero(), "r.effective_at >= $%d", f.From)
	add(!f.To.IsZero(), "r.effective_at < $%d", f.To)
	require.NoError(t, postgres.InTxAs(t.Context(), b.db.App, actor, func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT r.id FROM records AS r WHERE "+strings.Join(where, " AND ")+" ORDER BY r.effective_at DESC, r.id DESC", args...)
		require.NoError(t, err)
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	}))
	return ids
}
