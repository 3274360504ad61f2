package appointment_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
)

// years fills the diaries of 6,000 half hours, of which a few are requested or cancelled. Every third
// is the patient's, every 50th the receptionist's own.
func (b *testBundle) years(t *testing.T) {
	t.Helper()
	b.Exec(t, `INSERT INTO appointments (id, version, clinic_id, patient_id, doctor_id, status, starts_at, ends_at, historic, created_at, created_by, updated_at, updated_by)
		SELECT gen_random_uuid(), 1, CASE WHEN i % 7 = 0 THEN $2 ELSE $1 END::uuid, CASE WHEN i % 50 = 0 THEN $6 WHEN i % 3 = 0 THEN $3 ELSE $4 END::uuid,
			$5, CASE WHEN i IN (1, 2999, 3000, 5998) THEN 'requested' WHEN i % 1100 = 50 THEN 'cancelled' ELSE 'completed' END,
			$7::timestamptz + i / 2 * interval '1 hour', $7::timestamptz + i / 2 * interval '1 hour' + interval '30 minutes', true, now(), '', now(), ''
		FROM generate_series(1, 6000) AS i`,
		b.here, b.there, b.patient.UserID, b.neighbour.UserID, b.doctor.UserID, b.receptionist.UserID, b.start.AddDate(-1, 0, 0))
}

// all reads the list to its end.
func (b *testBundle) all(t *testing.T, actor care.Actor, f appointment.Filter) (ids []uuid.UUID, counts []int) {
	t.Helper()
	for {
		page, err := b.service.List(t.Context(), by(actor), f)
		require.NoError(t, err)
		counts = append(counts, len(page.Items))
		for _, a := range page.Items {
			ids = append(ids, a.ID)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return ids, counts
		}
	}
}

func TestList_OfARareStatusIsOnOnePageAtTheClinicAndOnShortOnesOfAPerson(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.years(t)
	requested := []appointment.Status{appointment.Requested}
	ids, counts := b.all(t, b.nurse, appointment.Filter{Statuses: requested})
	require.Len(t, ids, 4)
	require.Equal(t, []int{4}, counts)
	_, counts = b.all(t, b.nurse, appointment.Filter{Statuses: requested, DoctorID: b.doctor.UserID})
	require.Equal(t, []int{1, 0, 2, 0, 0, 1}, counts, "of the doctor's 5,143 at the clinic, each page looks at 1,000")
}

func TestList_PagesHaveEachVisibleAppointmentOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.years(t)
	both := b.receptionist // A patient of the other clinic, who works at this one.
	both.Memberships = append([]care.Membership{{ClinicID: &b.there, Role: care.Patient}}, both.Memberships...)
	actors := map[string]care.Actor{"patient": b.patient, "doctor of both": b.doctor, "nurse": b.nurse, "stranger": b.stranger, "both": both}
	random := rand.New(rand.NewPCG(1, 2))
	chance := func() bool { return random.IntN(3) == 0 }
	for name, actor := range actors {
		for range 12 {
			f := appointment.Filter{Limit: 1 + random.IntN(200)}
			if chance() {
				f.DoctorID = b.doctor.UserID
			}
			if chance() {
				f.PatientID = b.patient.UserID
			}
			if chance() {
				f.ClinicID = b.here
			}
			if chance() {
				f.Statuses = []appointment.Status{appointment.Requested, appointment.Cancelled, appointment.Completed}[random.IntN(2) : 2+random.IntN(2)]
			}
			if chance() {
				f.From = b.start.AddDate(-1, 0, random.IntN(100))
				f.To = f.From.AddDate(0, 0, 1+random.IntN(60))
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

// visible returns what the filter selects of what the actor may see, read in one statement without
// their scope.
func (b *testBundle) visible(t *testing.T, actor care.Actor, f appointment.Filter) []uuid.UUID {
	t.Helper()
	where := fmt.Sprintf("(clinic_id = ANY($1) OR (%v AND patient_id = $2))", actor.MayOwn(care.AppointmentRead))
	args := []any{actor.ClinicsFor(care.AppointmentRead, care.SameClinic), actor.UserID}
	add := func(condition string, arg any) {
		args = append(args, arg)
		where += fmt.Sprintf(" AND "+condition, len(args))
	}
	for column, id := range map[string]uuid.UUID{"patient_id": f.PatientID, "doctor_id": f.DoctorID, "clinic_id": f.ClinicID} {
		if id != uuid.Nil {
			add(column+" = $%d", id)
		}
	}
	if len(f.Statuses) > 0 {
		add("status = ANY($%d)", f.Statuses)
	}
	for condition, at := range map[string]time.Time{"starts_at >= $%d": f.From, "starts_at < $%d": f.To} {
		if !at.IsZero() {
			add(condition, at)
		}
	}
	rows, err := b.db.Owner.Query(t.Context(), "SELECT id FROM appointments WHERE "+where+" ORDER BY starts_at, id", args...)
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	return ids
}
