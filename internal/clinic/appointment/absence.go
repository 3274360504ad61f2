package appointment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Kind is the kind of an absence.
type Kind string

// The kinds. An opening adds to a doctor's hours; the others take from them.
const (
	Leave        Kind = "leave"
	Closed       Kind = "closed"
	OpeningHours Kind = "opening"
)

// Absence is a doctor's leave, a time at which a doctor or the whole clinic is closed, or extra
// hours of a doctor.
type Absence struct {
	ID        uuid.UUID  `json:"id" format:"uuid"`
	ClinicID  uuid.UUID  `json:"clinicId" format:"uuid"`
	DoctorID  *uuid.UUID `json:"doctorId,omitempty" format:"uuid" doc:"Absent if the whole clinic is closed."`
	Kind      Kind       `json:"kind" enum:"leave,closed,opening"`
	StartsAt  time.Time  `json:"startsAt" format:"date-time"`
	EndsAt    time.Time  `json:"endsAt" format:"date-time"`
	Note      string     `json:"note,omitempty"`
	CreatedAt time.Time  `json:"createdAt" format:"date-time"`
	CreatedBy string     `json:"createdBy" doc:"The id of the person who created it."`
	// Affected is nil unless it was counted.
	Affected *int64 `json:"affected,omitempty" doc:"In the response to the creation: the number of upcoming open appointments in that time. GET /api/appointments?needsAttention=true lists them."`
}

// NewAbsence is the input of CreateAbsence.
type NewAbsence struct {
	DoctorID *uuid.UUID `json:"doctorId,omitempty" format:"uuid" doc:"An active doctor of the clinic. Without one, the whole clinic is closed."`
	Kind     Kind       `json:"kind" enum:"leave,closed,opening" doc:"leave and closed block the time; opening adds it to the hours. leave and opening require a doctor."`
	StartsAt time.Time  `json:"startsAt" format:"date-time" doc:"At most two years ahead." example:"2027-07-01T00:00:00+02:00"`
	EndsAt   time.Time  `json:"endsAt" format:"date-time" doc:"In the future, and at most 366 days after startsAt." example:"2027-07-15T00:00:00+02:00"`
	Note     string     `json:"note,omitempty" maxLength:"200" doc:"For staff of the clinic. Must not contain anything about patients." example:"Summer leave"`
}

// AbsencePage is one page of a list, in the order in which they start; Next is the cursor of the page after it, or empty.
type AbsencePage care.Page[Absence]

// AbsenceFilter narrows a list of absences. Limit, Cursor and zero values are as in Filter. With a
// doctor, the list includes the absences of the whole clinic.
type AbsenceFilter struct {
	ClinicID, DoctorID uuid.UUID
	// From and To select the absences that overlap with the time between them.
	From, To time.Time
	Cursor   string
	Limit    int
}

// longestAbsence is the maximum duration of an absence.
const longestAbsence = 366 * 24 * time.Hour

func (in *NewAbsence) check(now time.Time) error {
	var p care.FieldErrors
	in.StartsAt, in.EndsAt = toMicroseconds(in.StartsAt), toMicroseconds(in.EndsAt)
	switch {
	case !slices.Contains([]Kind{Leave, Closed, OpeningHours}, in.Kind):
		p.Add("kind", "must be leave, closed or opening")
	case in.DoctorID == nil && in.Kind != Closed:
		p.Add("doctorId", "is required, except for closed")
	}
	switch {
	case in.StartsAt.IsZero():
		p.Add("startsAt", "is required")
	case in.StartsAt.After(now.Add(maxAhead)):
		p.Add("startsAt", "must be at most two years ahead")
	}
	switch length := in.EndsAt.Sub(in.StartsAt); {
	case in.EndsAt.IsZero():
		p.Add("endsAt", "is required")
	case length <= 0:
		p.Add("endsAt", "must be after startsAt")
	case length > longestAbsence:
		p.Add("endsAt", "must be at most %.0f days after startsAt", longestAbsence.Hours()/24)
	case in.EndsAt.Before(now):
		p.Add("endsAt", "must be in the future")
	}
	if in.Note != "" {
		p.Text("note", in.Note, 1, 200)
	}
	return p.Err()
}

// CreateAbsence creates an absence, with doctor.absence_added. Appointments in that time are not
// changed; Affected is their number. It returns care.Invalid by field, care.Forbidden if the actor
// may not set the doctor's hours or is a doctor who would close the whole clinic, and care.NotFound
// if the person is not a doctor of the clinic.
func (s *Service) CreateAbsence(ctx context.Context, cmd care.Command, clinicID uuid.UUID, in NewAbsence) (Absence, error) {
	if err := s.checkHoursWrite(ctx, cmd, clinicID, in.DoctorID); err != nil {
		return Absence{}, err
	}
	if err := in.check(s.now()); err != nil {
		return Absence{}, err
	}
	var added Absence
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if in.DoctorID != nil {
			active, err := q.MembershipActive(ctx, db.MembershipActiveParams{UserID: *in.DoctorID, ClinicID: clinicID, Role: string(care.Doctor)})
			if err != nil {
				return fmt.Errorf("look up doctor: %w", err)
			}
			if !active {
				return doctorNotFound(cmd, care.HoursWrite, clinicID)
			}
		}
		row, err := q.AbsenceInsert(ctx, db.AbsenceInsertParams{
			ID: uuid.Must(uuid.NewV7()), ClinicID: clinicID, DoctorID: in.DoctorID, Kind: string(in.Kind), StartsAt: in.StartsAt, EndsAt: in.EndsAt,
			Note: in.Note, CreatedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("insert absence: %w", err)
		}
		affected, err := q.AbsenceAffected(ctx, row.ID)
		if err != nil {
			return fmt.Errorf("count appointments: %w", err)
		}
		added = absence(row)
		added.Affected = &affected
		return outbox.Append(ctx, tx, absenceEvent(cmd, "doctor.absence_added", row))
	})
	if err != nil {
		return Absence{}, err
	}
	return added, nil
}

// DeleteAbsence deletes an absence, with doctor.absence_removed. It returns care.NotFound if the
// clinic has no such absence, and care.Forbidden as CreateAbsence does.
func (s *Service) DeleteAbsence(ctx context.Context, cmd care.Command, clinicID, id uuid.UUID) error {
	if !cmd.Actor.MayAt(clinicID, care.HoursWrite, care.SameClinic, care.Responsible) {
		return s.checkHoursWrite(ctx, cmd, clinicID, nil)
	}
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.AbsenceGet(ctx, db.AbsenceGetParams{ID: id, ClinicID: clinicID})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "absence not found at this clinic")
		}
		if err != nil {
			return fmt.Errorf("read absence: %w", err)
		}
		if !mayWriteHours(cmd.Actor, clinicID, row.DoctorID) {
			return hoursForbidden(cmd, clinicID)
		}
		n, err := q.AbsenceDelete(ctx, db.AbsenceDeleteParams{ID: id, ClinicID: clinicID})
		if err != nil {
			return fmt.Errorf("delete absence: %w", err)
		}
		if n == 0 { // It was deleted concurrently.
			return care.Errorf(care.NotFound, "absence not found at this clinic")
		}
		return outbox.Append(ctx, tx, absenceEvent(cmd, "doctor.absence_removed", row))
	})
}

// ReplayAbsence returns an absence as CreateAbsence does, for a repeated request. It returns
// care.Forbidden or care.NotFound.
func (s *Service) ReplayAbsence(ctx context.Context, cmd care.Command, clinicID, id uuid.UUID) (Absence, error) {
	if err := s.checkAbsenceRead(ctx, cmd, clinicID); err != nil {
		return Absence{}, err
	}
	var found Absence
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.AbsenceGet(ctx, db.AbsenceGetParams{ID: id, ClinicID: clinicID})
		if errors.Is(err, pgx.ErrNoRows) {
			return care.Errorf(care.NotFound, "absence not found at this clinic")
		}
		if err != nil {
			return fmt.Errorf("read absence: %w", err)
		}
		affected, err := q.AbsenceAffected(ctx, id)
		if err != nil {
			return fmt.Errorf("count appointments: %w", err)
		}
		found = absence(row)
		found.Affected = &affected
		return nil
	})
	return found, err
}

// ListAbsences returns the clinic's absences to its staff. It returns care.Invalid by field, or
// care.Forbidden.
func (s *Service) ListAbsences(ctx context.Context, cmd care.Command, f AbsenceFilter) (AbsencePage, error) {
	bounds := Filter{From: f.From, To: f.To, Cursor: f.Cursor, Limit: f.Limit}
	after, err := bounds.check()
	if err != nil {
		return AbsencePage{}, err
	}
	if err := s.checkAbsenceRead(ctx, cmd, f.ClinicID); err != nil {
		return AbsencePage{}, err
	}
	page := AbsencePage{Items: []Absence{}}
	err = s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		rows, err := db.New(tx).AbsenceList(ctx, db.AbsenceListParams{
			ClinicID: f.ClinicID, AnyDoctor: f.DoctorID == uuid.Nil, DoctorID: f.DoctorID, FromTime: bounds.From, ToTime: bounds.To,
			AfterTime: after.Time, AfterID: after.ID, RowLimit: int32(bounds.Limit) + 1,
		})
		if err != nil {
			return fmt.Errorf("list absences: %w", err)
		}
		rows, page.Next = care.Paginate(rows, bounds.Limit, func(last db.Absence) string {
			return care.PageCursor{Time: last.StartsAt, ID: last.ID}.String()
		})
		for _, row := range rows {
			page.Items = append(page.Items, absence(row))
		}
		return nil
	})
	return page, err
}

func (s *Service) checkAbsenceRead(ctx context.Context, cmd care.Command, clinicID uuid.UUID) error {
	if cmd.Actor.MayAt(clinicID, care.AbsenceRead, care.SameClinic) {
		return nil
	}
	answer := care.Errorf(care.Forbidden, "none of your roles at this clinic can see absences")
	return s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.AbsenceRead, care.Ref{Kind: "clinic", ID: clinicID}, nil, &clinicID))
}

// mayWriteHours reports whether the actor may set the doctor's hours at the clinic; nil is every
// doctor there.
func mayWriteHours(actor care.Actor, clinicID uuid.UUID, doctorID *uuid.UUID) bool {
	relations := []care.Relation{care.SameClinic}
	if doctorID != nil && actor.UserID == *doctorID {
		relations = append(relations, care.Responsible)
	}
	return actor.MayAt(clinicID, care.HoursWrite, relations...)
}

func hoursForbidden(cmd care.Command, clinicID uuid.UUID) error {
	answer := care.Errorf(care.Forbidden, "you may only set your own hours, as a doctor of this clinic; none of your roles can set those of others")
	return outbox.Deny(cmd, answer, care.HoursWrite, care.Ref{Kind: "clinic", ID: clinicID}, nil, &clinicID)
}

func (s *Service) checkHoursWrite(ctx context.Context, cmd care.Command, clinicID uuid.UUID, doctorID *uuid.UUID) error {
	if mayWriteHours(cmd.Actor, clinicID, doctorID) {
		return nil
	}
	return s.writer.Audited(ctx, hoursForbidden(cmd, clinicID))
}

func absence(row db.Absence) Absence {
	return Absence{
		ID: row.ID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Kind: Kind(row.Kind), StartsAt: row.StartsAt.UTC(), EndsAt: row.EndsAt.UTC(),
		Note: row.Note, CreatedAt: row.CreatedAt.UTC(), CreatedBy: row.CreatedBy,
	}
}

// absenceEvent returns the event of an absence, without the note. It concerns no person if the
// whole clinic is closed.
func absenceEvent(cmd care.Command, typ string, row db.Absence) event.Event {
	data := event.DoctorAbsence{
		AbsenceID: row.ID, UserID: cmd.Actor.UserID, ClinicID: row.ClinicID, DoctorID: row.DoctorID, Kind: row.Kind,
		StartsAt: row.StartsAt.UTC().Format(time.RFC3339), EndsAt: row.EndsAt.UTC().Format(time.RFC3339),
	}
	subject := care.Ref{Kind: "absence", ID: row.ID}
	if row.DoctorID == nil {
		return event.New(cmd, typ, subject, data).At(cmd, &row.ClinicID)
	}
	data.UserID = *row.DoctorID
	return event.New(cmd, typ, subject, data).About(cmd, *row.DoctorID, &row.ClinicID)
}
