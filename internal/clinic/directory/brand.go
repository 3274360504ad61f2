package directory

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// maxDisplayName is the maximum length of a display name in characters; phones and inboxes cut longer
// ones.
const maxDisplayName = 60

// Brand is how a clinic's messages look. An empty field has the look of the service. The display name
// is chosen, and not the clinic's name, which may itself disclose why somebody is a patient.
type Brand struct {
	DisplayName string `json:"displayName" text:"line" maxLength:"60" doc:"The name in messages and as the sender of emails; the default is the service's. Choose one that discloses nothing: everybody who sees a locked phone can read it." example:"Your care team"`
	LogoURL     string `json:"logoUrl" maxLength:"500" doc:"The logo in emails: an https URL without a query, on a host of the setting CAREWIRE_IMAGE_HOSTS." example:"https://img.example.org/logo.png"`
	Color       string `json:"color" pattern:"^(#[0-9a-f]{6})?$" maxLength:"7" doc:"The color of buttons, as #rrggbb in lower case. It needs a contrast of at least 4.5 with white." example:"#0b5c6b"`
	ReplyTo     string `json:"replyTo" maxLength:"254" doc:"The address that answers to emails go to; the default is none." example:"desk@clinic.example"`
}

// ClinicBrand is the current brand of a clinic.
type ClinicBrand struct {
	ClinicID uuid.UUID `json:"clinicId" format:"uuid"`
	Version  int64     `json:"version" doc:"1 for the first brand; the ETag is this number in quotes. 0 if none was set." example:"1"`
	Brand
}

// WithImageHosts returns a directory that accepts logos on these hosts. The default is none.
func (s *Service) WithImageHosts(hosts []string) *Service {
	with := *s
	with.imageHosts = hosts
	return &with
}

// GetClinicBrand returns the brand of one of the actor's clinics, or of any clinic for an operator.
// Other clinics are care.NotFound, which is audited.
func (s *Service) GetClinicBrand(ctx context.Context, cmd care.Command, id uuid.UUID) (ClinicBrand, error) {
	if _, err := s.GetClinic(ctx, cmd, id); err != nil {
		return ClinicBrand{}, err
	}
	row, err := s.reads.ClinicBrandGet(ctx, id)
	if notFound(err) {
		return ClinicBrand{ClinicID: id}, nil
	}
	if err != nil {
		return ClinicBrand{}, reading("clinic brand", err)
	}
	return brandFrom(row), nil
}

// UpdateClinicBrand replaces the brand of the clinic, and appends clinic.brand_changed. Messages that
// are sent afterwards have it. ifMatch is the current version, or 0 if none was set. Errors:
// care.Forbidden, care.Invalid with the fields, care.NotFound for an operator;
// care.PreconditionRequired and care.PreconditionFailed with the current version.
func (s *Service) UpdateClinicBrand(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, in Brand) (ClinicBrand, error) {
	switch {
	case cmd.Actor.MayOnPlatform(care.ClinicBrandWrite):
		if _, err := s.GetClinic(ctx, cmd, id); err != nil {
			return ClinicBrand{}, err
		}
	case !cmd.Actor.MayAt(id, care.ClinicBrandWrite, care.SameClinic):
		answer := care.Errorf(care.Forbidden, "only administrators of the clinic and operators may change its brand")
		return ClinicBrand{}, s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.ClinicBrandWrite, clinicRef(id), nil, &id))
	}
	if err := s.checkBrand(&in); err != nil {
		return ClinicBrand{}, err
	}
	var set ClinicBrand
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		row, err := brandVersion(ctx, db.New(tx), cmd, id, ifMatch, in)
		if err != nil {
			return err
		}
		set = brandFrom(row)
		e := event.New(cmd, "clinic.brand_changed", care.Ref{Kind: "clinic_brand", ID: id}, event.ClinicBrand{ClinicID: id})
		e.ClinicID = &id
		return outbox.Append(ctx, tx, e.AtVersion(row.Version))
	})
	return set, err
}

// checkBrand returns all invalid fields, and writes the address in its normal form.
func (s *Service) checkBrand(in *Brand) error {
	var p care.FieldErrors
	if in.DisplayName != "" {
		p.Line("displayName", in.DisplayName, 1, maxDisplayName)
	}
	if in.LogoURL != "" {
		if err := care.CheckImageURL(in.LogoURL, s.imageHosts); err != nil {
			p.Add("logoUrl", "%v", err)
		}
	}
	if in.Color != "" {
		if err := care.CheckColor(in.Color); err != nil {
			p.Add("color", "%v", err)
		}
	}
	if in.ReplyTo != "" {
		email, err := care.ParseEmail(in.ReplyTo)
		if err != nil {
			p.Add("replyTo", "%v", err)
		}
		in.ReplyTo = email
	}
	return p.Err()
}

// brandVersion writes the next version of the brand. Its row remains locked.
func brandVersion(ctx context.Context, q *db.Queries, cmd care.Command, id uuid.UUID, ifMatch int64, in Brand) (row db.ClinicBrand, err error) {
	old, err := q.ClinicBrandLock(ctx, id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return db.ClinicBrand{}, fmt.Errorf("lock clinic brand: %w", err)
	}
	if err := care.MatchOptionalVersion("the brand", ifMatch, old.Version); err != nil {
		return db.ClinicBrand{}, err
	}
	if old.Version == 0 {
		row, err = q.ClinicBrandInsert(ctx, db.ClinicBrandInsertParams{
			ClinicID: id, DisplayName: in.DisplayName, LogoUrl: in.LogoURL, Color: in.Color, ReplyTo: in.ReplyTo, UpdatedBy: cmd.Actor.ID,
		})
	} else {
		row, err = q.ClinicBrandUpdate(ctx, db.ClinicBrandUpdateParams{
			ClinicID: id, DisplayName: in.DisplayName, LogoUrl: in.LogoURL, Color: in.Color, ReplyTo: in.ReplyTo, UpdatedBy: cmd.Actor.ID,
		})
	}
	if err != nil {
		return db.ClinicBrand{}, fmt.Errorf("write clinic brand: %w", err)
	}
	return row, nil
}

func brandFrom(row db.ClinicBrand) ClinicBrand {
	return ClinicBrand{ClinicID: row.ClinicID, Version: row.Version, Brand: Brand{
		DisplayName: row.DisplayName, LogoURL: row.LogoUrl, Color: row.Color, ReplyTo: row.ReplyTo,
	}}
}
