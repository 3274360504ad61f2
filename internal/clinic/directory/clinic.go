package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Clinic is a place where care is provided.
type Clinic struct {
	ID       uuid.UUID `json:"id" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	Name     string    `json:"name" text:"line" minLength:"1" maxLength:"200" example:"Harbour Clinic"`
	TimeZone string    `json:"timeZone" minLength:"1" maxLength:"64" doc:"The IANA time zone of the clinic's days." example:"Europe/Berlin"`
}

// CreateClinic registers a clinic. Only carewire's own seed and import may call it.
func (s *Service) CreateClinic(ctx context.Context, cmd care.Command, c Clinic) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !cmd.Actor.MayOnPlatform(care.ClinicCreate) {
			answer := care.Errorf(care.Forbidden, "only the platform registers clinics")
			return outbox.Deny(cmd, answer, care.ClinicCreate, clinicRef(c.ID), nil, nil)
		}
		if err := c.Validate(); err != nil {
			return err
		}
		if err := db.New(tx).ClinicInsert(ctx, db.ClinicInsertParams{ID: c.ID, Name: c.Name, TimeZone: c.TimeZone}); err != nil {
			return fmt.Errorf("insert clinic: %w", err)
		}
		return nil
	})
}

// ListClinics returns the clinics of the actor in the order of their ids. Operators get all
// clinics.
func (s *Service) ListClinics(ctx context.Context, actor care.Actor) ([]Clinic, error) {
	var rows []db.Clinic
	var err error
	if actor.MayOnPlatform(care.ClinicRead) {
		rows, err = s.reads.ClinicList(ctx)
	} else {
		rows, err = s.reads.ClinicListOf(ctx, actor.ClinicsFor(care.ClinicRead, care.SameClinic))
	}
	if err != nil {
		return nil, reading("clinics", err)
	}
	clinics := make([]Clinic, len(rows))
	for i, row := range rows {
		clinics[i] = Clinic{ID: row.ID, Name: row.Name, TimeZone: row.TimeZone}
	}
	return clinics, nil
}

// GetClinic returns one of the actor's clinics, or any clinic for an operator. Other clinics are
// care.NotFound, which is audited.
func (s *Service) GetClinic(ctx context.Context, cmd care.Command, id uuid.UUID) (Clinic, error) {
	if cmd.Actor.MayOnPlatform(care.ClinicRead) || slices.Contains(cmd.Actor.ClinicsFor(care.ClinicRead, care.SameClinic), id) {
		rows, err := s.reads.ClinicListOf(ctx, []uuid.UUID{id})
		if err != nil {
			return Clinic{}, reading("clinic", err)
		}
		for _, row := range rows {
			return Clinic{ID: row.ID, Name: row.Name, TimeZone: row.TimeZone}, nil
		}
	}
	answer := care.Errorf(care.NotFound, "clinic not found, or you do not belong to it")
	return Clinic{}, s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.ClinicRead, clinicRef(id), nil, nil))
}

func clinicRef(id uuid.UUID) care.Ref { return care.Ref{Kind: "clinic", ID: id} }
