package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Clinic is a place where care is provided.
type Clinic struct {
	ID       uuid.UUID `json:"id" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Version  int64     `json:"version" example:"1"`
	Name     string    `json:"name" text:"line" minLength:"1" maxLength:"200" example:"Harbour Clinic"`
	TimeZone string    `json:"timeZone" minLength:"1" maxLength:"64" doc:"The IANA time zone of the clinic's days." example:"Europe/Berlin"`
}

// ClinicInput has the details of a clinic that can be changed.
type ClinicInput struct {
	Name     string `json:"name" text:"line" minLength:"1" maxLength:"200" example:"Harbour Clinic"`
	TimeZone string `json:"timeZone" minLength:"1" maxLength:"64" doc:"The IANA time zone of the clinic's days." example:"Europe/Berlin"`
}

// NewClinic is a clinic to register. ID is chosen by the service if it is zero; the seed sets it.
type NewClinic struct {
	ID uuid.UUID `json:"-"`
	ClinicInput
}

// ClinicPage is one page of a list.
type ClinicPage care.Page[Clinic]

// ClinicFilter selects a page of a list. Cursor is the Next of the previous page; Limit is 1 to
// 200, and 0 means 50.
type ClinicFilter struct {
	Cursor string
	Limit  int
}

// CreateClinic registers a clinic and appends clinic.created. Operators, and carewire's own seed
// and command line may call it. If another clinic has the name, ignoring case, the error is
// care.Conflict on the field name; the seed, which chooses ids, may use a name twice.
func (s *Service) CreateClinic(ctx context.Context, cmd care.Command, in NewClinic) (Clinic, error) {
	var clinic Clinic
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !cmd.Actor.MayOnPlatform(care.ClinicCreate) {
			answer := care.Errorf(care.Forbidden, "only operators register clinics")
			return outbox.Deny(cmd, answer, care.ClinicCreate, clinicRef(in.ID), nil, nil)
		}
		if err := in.Validate(); err != nil {
			return err
		}
		q := db.New(tx)
		if in.ID == uuid.Nil {
			in.ID = uuid.Must(uuid.NewV7())
			if err := checkClinicName(ctx, q, in.ID, in.Name); err != nil {
				return err
			}
		}
		row, err := q.ClinicInsert(ctx, db.ClinicInsertParams{ID: in.ID, Name: in.Name, TimeZone: in.TimeZone})
		if err != nil {
			return fmt.Errorf("insert clinic: %w", err)
		}
		clinic = clinicFrom(row)
		return outbox.Append(ctx, tx, clinicEvent(cmd, "clinic.created", row, nil))
	})
	return clinic, err
}

// UpdateClinic replaces the details of a clinic if ifMatch is its current version, and otherwise
// returns care.PreconditionFailed. It appends clinic.updated. If nothing changes, there is no new
// version and no event. A name that another clinic has is care.Conflict. Appointments keep their
// times when the time zone changes; days and consulting hours from then on are those of the new
// zone.
func (s *Service) UpdateClinic(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, in ClinicInput) (Clinic, error) {
	var clinic Clinic
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !cmd.Actor.MayOnPlatform(care.ClinicUpdate) {
			answer := care.Errorf(care.Forbidden, "only operators change the name and the time zone of a clinic")
			return outbox.Deny(cmd, answer, care.ClinicUpdate, clinicRef(id), nil, nil)
		}
		if err := in.Validate(); err != nil {
			return err
		}
		q := db.New(tx)
		row, err := q.ClinicLock(ctx, id)
		if notFound(err) {
			return denyClinic(cmd, care.ClinicUpdate, id)
		}
		if err != nil {
			return fmt.Errorf("lock clinic: %w", err)
		}
		if err := checkVersion("the clinic", row.Version, ifMatch); err != nil {
			return err
		}
		changed := in.changes(row)
		if len(changed) > 0 {
			if row, err = updateClinic(ctx, q, row, in, changed); err != nil {
				return err
			}
			if err := outbox.Append(ctx, tx, clinicEvent(cmd, "clinic.updated", row, changed)); err != nil {
				return err
			}
		}
		clinic = clinicFrom(row)
		return nil
	})
	return clinic, err
}

func updateClinic(ctx context.Context, q *db.Queries, row db.Clinic, in ClinicInput, changed []string) (db.Clinic, error) {
	if slices.Contains(changed, "name") {
		if err := checkClinicName(ctx, q, row.ID, in.Name); err != nil {
			return row, err
		}
	}
	row, err := q.ClinicUpdate(ctx, db.ClinicUpdateParams{ID: row.ID, Name: in.Name, TimeZone: in.TimeZone})
	if err != nil {
		return row, fmt.Errorf("update clinic: %w", err)
	}
	return row, nil
}

// checkClinicName returns an error if another clinic has the name. It holds a lock until the end of
// the transaction, so that two registrations cannot both find the name free.
func checkClinicName(ctx context.Context, q *db.Queries, id uuid.UUID, name string) error {
	if err := q.ClinicNameLock(ctx); err != nil {
		return fmt.Errorf("lock the names of clinics: %w", err)
	}
	other, err := q.ClinicByName(ctx, db.ClinicByNameParams{Name: name, ID: id})
	if notFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up the name of a clinic: %w", err)
	}
	return conflict("name", "the clinic %s has this name: choose another one", other.ID)
}

// changes returns the JSON names of the details in which the input differs from the row.
func (in ClinicInput) changes(row db.Clinic) []string {
	var changed []string
	if in.Name != row.Name {
		changed = append(changed, "name")
	}
	if in.TimeZone != row.TimeZone {
		changed = append(changed, "timeZone")
	}
	return changed
}

// ListClinics returns the clinics of the actor in the order of their ids. Operators get all
// clinics.
func (s *Service) ListClinics(ctx context.Context, actor care.Actor, f ClinicFilter) (ClinicPage, error) {
	var errs care.FieldErrors
	f.Limit = errs.PageLimit(f.Limit)
	after := errs.IDCursor(f.Cursor)
	if err := errs.Err(); err != nil {
		return ClinicPage{}, err
	}
	var rows []db.Clinic
	var err error
	limit := int32(f.Limit) + 1
	if actor.MayOnPlatform(care.ClinicRead) {
		rows, err = s.reads.ClinicList(ctx, db.ClinicListParams{After: after, RowLimit: limit})
	} else {
		ids := actor.ClinicsFor(care.ClinicRead, care.SameClinic)
		rows, err = s.reads.ClinicListOf(ctx, db.ClinicListOfParams{Ids: ids, After: after, RowLimit: limit})
	}
	if err != nil {
		return ClinicPage{}, reading("clinics", err)
	}
	page := ClinicPage{Items: []Clinic{}}
	rows, page.Next = care.Paginate(rows, f.Limit, func(last db.Clinic) string { return last.ID.String() })
	for _, row := range rows {
		page.Items = append(page.Items, clinicFrom(row))
	}
	return page, nil
}

// FindClinic returns the clinic with the name, ignoring case, to actors who may see all clinics.
// found is false if there is none.
func (s *Service) FindClinic(ctx context.Context, actor care.Actor, name string) (c Clinic, found bool, err error) {
	if !actor.MayOnPlatform(care.ClinicRead) {
		return Clinic{}, false, nil
	}
	row, err := s.reads.ClinicByName(ctx, db.ClinicByNameParams{Name: name})
	if notFound(err) {
		return Clinic{}, false, nil
	}
	if err != nil {
		return Clinic{}, false, reading("clinic", err)
	}
	return clinicFrom(row), true, nil
}

// GetClinic returns one of the actor's clinics, or any clinic for an operator. Other clinics are
// care.NotFound, which is audited.
func (s *Service) GetClinic(ctx context.Context, cmd care.Command, id uuid.UUID) (Clinic, error) {
	if cmd.Actor.MayOnPlatform(care.ClinicRead) || slices.Contains(cmd.Actor.ClinicsFor(care.ClinicRead, care.SameClinic), id) {
		row, err := s.reads.ClinicGet(ctx, id)
		if err == nil {
			return clinicFrom(row), nil
		}
		if !notFound(err) {
			return Clinic{}, reading("clinic", err)
		}
	}
	return Clinic{}, s.writer.Audited(ctx, denyClinic(cmd, care.ClinicRead, id))
}

func denyClinic(cmd care.Command, action care.Action, id uuid.UUID) error {
	answer := care.Errorf(care.NotFound, "clinic not found, or you do not belong to it")
	return outbox.Deny(cmd, answer, action, clinicRef(id), nil, nil)
}

func clinicRef(id uuid.UUID) care.Ref { return care.Ref{Kind: "clinic", ID: id} }

func clinicFrom(row db.Clinic) Clinic {
	return Clinic{ID: row.ID, Version: row.Version, Name: row.Name, TimeZone: row.TimeZone}
}

func clinicEvent(cmd care.Command, typ string, row db.Clinic, changed []string) event.Event {
	e := event.New(cmd, typ, clinicRef(row.ID), event.Clinic{ClinicID: row.ID, Changed: changed})
	return e.At(cmd, &row.ID).AtVersion(row.Version)
}
