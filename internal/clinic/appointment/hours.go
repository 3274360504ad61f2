package appointment

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Hours are a doctor's weekly hours at a clinic.
type Hours struct {
	ClinicID uuid.UUID `json:"clinicId" format:"uuid"`
	DoctorID uuid.UUID `json:"doctorId" format:"uuid"`
	Version  int64     `json:"version" doc:"1 for the first; the ETag is this number in quotes. 0 if none are set." example:"1"`
	TimeZone string    `json:"timeZone" doc:"The clinic's time zone, which applies to all times." example:"Europe/Berlin"`
	Default  bool      `json:"default" doc:"No hours are set; these are the default, Monday to Friday from 09:00 to 17:00."`
	Openings []Opening `json:"openings" doc:"Sorted by weekday and time."`
}

// Opening is a time of one weekday, in the clinic's local time.
type Opening struct {
	Weekday  string `json:"weekday" enum:"monday,tuesday,wednesday,thursday,friday,saturday,sunday" example:"monday"`
	OpensAt  string `json:"opensAt" doc:"From 00:00 to 23:59." example:"09:00"`
	ClosesAt string `json:"closesAt" doc:"After opensAt; 24:00 is the end of the day." example:"12:30"`
}

// maxOpenings allows six openings a day.
const maxOpenings = 42

// weekdays are in the order of ISO 8601.
var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// defaultOpenings are the hours of a doctor without hours.
var defaultOpenings = func() []Opening {
	var week []Opening
	for _, weekday := range weekdays[:5] {
		week = append(week, Opening{Weekday: weekday, OpensAt: "09:00", ClosesAt: "17:00"})
	}
	return week
}()

var clockPattern = regexp.MustCompile(`^(?:[01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`)

// minutes returns the times since midnight. Both must match clockPattern.
func (o Opening) minutes() (opens, closes time.Duration) {
	return sinceMidnight(o.OpensAt), sinceMidnight(o.ClosesAt)
}

func sinceMidnight(clock string) time.Duration {
	hours, _ := strconv.Atoi(clock[:2])
	minutes, _ := strconv.Atoi(clock[3:])
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute
}

// checkOpenings returns the openings in the order of the week, or the errors by field.
func checkOpenings(openings []Opening) ([]Opening, error) {
	var p care.FieldErrors
	if len(openings) > maxOpenings {
		p.Add("openings", "must be at most %d", maxOpenings)
		return nil, p.Err()
	}
	for i, o := range openings {
		path := fmt.Sprintf("openings[%d]", i)
		if !slices.Contains(weekdays, o.Weekday) {
			p.Add(path+".weekday", "must be a day of the week such as monday")
		}
		if !clockPattern.MatchString(o.OpensAt) || o.OpensAt == "24:00" {
			p.Add(path+".opensAt", "must be a time of day such as 09:00")
		}
		if !clockPattern.MatchString(o.ClosesAt) {
			p.Add(path+".closesAt", "must be a time of day such as 17:00, or 24:00")
		} else if clockPattern.MatchString(o.OpensAt) && o.ClosesAt <= o.OpensAt {
			p.Add(path+".closesAt", "must be after opensAt")
		}
		for _, other := range openings[:i] {
			if o.Weekday == other.Weekday && o.OpensAt < other.ClosesAt && other.OpensAt < o.ClosesAt {
				p.Add(path, "must not overlap with another opening of the same day")
				break
			}
		}
	}
	sorted := append([]Opening{}, openings...)
	slices.SortFunc(sorted, func(a, b Opening) int {
		if days := slices.Index(weekdays, a.Weekday) - slices.Index(weekdays, b.Weekday); days != 0 {
			return days
		}
		return strings.Compare(a.OpensAt, b.OpensAt)
	})
	return sorted, p.Err()
}

// GetHours returns the doctor's hours at the clinic. It returns care.Forbidden if the actor has no
// role at the clinic, and care.NotFound if the person is not a doctor there.
func (s *Service) GetHours(ctx context.Context, cmd care.Command, clinicID, doctorID uuid.UUID) (Hours, error) {
	if err := s.checkAvailabilityRead(ctx, cmd, clinicID); err != nil {
		return Hours{}, err
	}
	var hours Hours
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		var err error
		hours, err = readHours(ctx, db.New(tx), cmd, care.AvailabilityRead, clinicID, doctorID)
		return err
	})
	return hours, err
}

// checkAvailabilityRead denies actors without a role at the clinic.
func (s *Service) checkAvailabilityRead(ctx context.Context, cmd care.Command, clinicID uuid.UUID) error {
	if cmd.Actor.MayAt(clinicID, care.AvailabilityRead, care.SameClinic) {
		return nil
	}
	answer := care.Errorf(care.Forbidden, "you have no role at this clinic")
	return s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.AvailabilityRead, care.Ref{Kind: "clinic", ID: clinicID}, nil, &clinicID))
}

// readHours returns the doctor's hours, or the default. It returns care.NotFound if the person is
// not a doctor of the clinic.
func readHours(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, clinicID, doctorID uuid.UUID) (Hours, error) {
	plan, err := doctorSchedule(ctx, q, cmd, action, clinicID, doctorID, time.Time{}, time.Time{})
	return plan.Hours, err
}

// doctorNotFound denies a request about a person who is not a doctor of the clinic.
func doctorNotFound(cmd care.Command, action care.Action, clinicID uuid.UUID) error {
	answer := care.Errorf(care.NotFound, "doctor not found at this clinic")
	return outbox.Deny(cmd, answer, action, care.Ref{Kind: "clinic", ID: clinicID}, nil, &clinicID)
}

// UpdateHours replaces the doctor's hours at the clinic, with doctor.hours_changed. ifMatch is the
// version to replace, 0 if none are set. Without openings the doctor sees no patients there. Booked
// appointments are not changed. It returns care.Invalid by field, care.Forbidden, care.NotFound if
// the person is not a doctor there, care.PreconditionRequired, and care.PreconditionFailed with the
// current version.
func (s *Service) UpdateHours(ctx context.Context, cmd care.Command, clinicID, doctorID uuid.UUID, ifMatch int64, openings []Opening) (Hours, error) {
	if err := s.checkHoursWrite(ctx, cmd, clinicID, &doctorID); err != nil {
		return Hours{}, err
	}
	openings, err := checkOpenings(openings)
	if err != nil {
		return Hours{}, err
	}
	var hours Hours
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if hours, err = readHours(ctx, q, cmd, care.HoursWrite, clinicID, doctorID); err != nil {
			return err
		}
		row, err := nextHoursVersion(ctx, q, cmd, clinicID, doctorID, ifMatch)
		if err != nil {
			return err
		}
		if err := replaceOpenings(ctx, q, clinicID, doctorID, openings); err != nil {
			return err
		}
		hours.Version, hours.Default, hours.Openings = row.Version, false, openings
		e := event.New(cmd, "doctor.hours_changed", care.Ref{Kind: "doctor_hours", ID: row.ID}, event.DoctorHours{
			UserID: doctorID, ClinicID: clinicID, DoctorID: doctorID,
		}).About(cmd, doctorID, &clinicID).AtVersion(row.Version)
		return outbox.Append(ctx, tx, e)
	})
	if err != nil {
		return Hours{}, err
	}
	return hours, nil
}

// nextHoursVersion creates the next version of the hours and locks their row.
func nextHoursVersion(ctx context.Context, q *db.Queries, cmd care.Command, clinicID, doctorID uuid.UUID, ifMatch int64) (db.DoctorHour, error) {
	old, err := q.DoctorHoursLock(ctx, db.DoctorHoursLockParams{ClinicID: clinicID, DoctorID: doctorID})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return db.DoctorHour{}, fmt.Errorf("lock hours: %w", err)
	}
	if err := care.MatchOptionalVersion("the hours", ifMatch, old.Version); err != nil {
		return db.DoctorHour{}, err
	}
	if old.Version == 0 {
		row, err := q.DoctorHoursInsert(ctx, db.DoctorHoursInsertParams{ID: uuid.Must(uuid.NewV7()), ClinicID: clinicID, DoctorID: doctorID, UpdatedBy: cmd.Actor.ID})
		if err != nil {
			return db.DoctorHour{}, fmt.Errorf("insert hours: %w", err)
		}
		return row, nil
	}
	row, err := q.DoctorHoursUpdate(ctx, db.DoctorHoursUpdateParams{ID: old.ID, UpdatedBy: cmd.Actor.ID})
	if err != nil {
		return db.DoctorHour{}, fmt.Errorf("update hours: %w", err)
	}
	return row, nil
}

func replaceOpenings(ctx context.Context, q *db.Queries, clinicID, doctorID uuid.UUID, openings []Opening) error {
	if err := q.DoctorHoursSpanDelete(ctx, db.DoctorHoursSpanDeleteParams{ClinicID: clinicID, DoctorID: doctorID}); err != nil {
		return fmt.Errorf("delete openings: %w", err)
	}
	p := db.DoctorHoursSpanInsertParams{ClinicID: clinicID, DoctorID: doctorID}
	for _, o := range openings {
		opens, closes := o.minutes()
		p.Weekdays = append(p.Weekdays, int16(slices.Index(weekdays, o.Weekday))+1)
		p.OpensAt = append(p.OpensAt, pgtype.Time{Microseconds: opens.Microseconds(), Valid: true})
		p.ClosesAt = append(p.ClosesAt, pgtype.Time{Microseconds: closes.Microseconds(), Valid: true})
	}
	if err := q.DoctorHoursSpanInsert(ctx, p); err != nil {
		return fmt.Errorf("insert openings: %w", err)
	}
	return nil
}

func clockText(t pgtype.Time) string {
	minutes := t.Microseconds / time.Minute.Microseconds()
	return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
}
