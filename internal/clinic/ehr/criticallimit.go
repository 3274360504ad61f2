package ehr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// The sources of critical limits.
const (
	FromClinic  = "clinic"
	FromBuiltIn = "built-in"
)

// CriticalLimit is a limit for a result or a measurement: values at or below Low and at or above
// High are critical.
type CriticalLimit struct {
	LimitOf
	LimitInput
	Source    string     `json:"source" enum:"built-in,clinic" doc:"The clinic, or built-in if the clinic has no limit for the code and unit."`
	Reference string     `json:"reference,omitempty" doc:"The source of a built-in limit." example:"Kost, JAMA 1990;263:704"`
	UpdatedAt *time.Time `json:"updatedAt,omitempty" format:"date-time" doc:"The time at which the clinic set it."`
	UpdatedBy string     `json:"updatedBy,omitempty" doc:"The id of the person who set it."`
}

// LimitOf identifies a limit: one code in one unit.
type LimitOf struct {
	CodeSystem string `json:"codeSystem" doc:"The URI of the code system." example:"http://loinc.org"`
	Code       string `json:"code" doc:"The measurement." example:"2823-3"`
	Unit       string `json:"unit" doc:"The unit, in UCUM; 1 for results without one." example:"mmol/L"`
}

// LimitInput is the two sides of a limit, of which one may be open.
type LimitInput struct {
	Low  *float64 `json:"low,omitempty" doc:"Values at or below it are critical." example:"2.8"`
	High *float64 `json:"high,omitempty" doc:"Values at or above it are critical." example:"6.2"`
}

// maxLimits is the maximum number of limits of one clinic; maxLimitValue bounds their absolute
// values.
const (
	maxLimits     = 500
	maxLimitValue = 1e12
)

// check adds an error for each invalid part, under the name of its parameter.
func (of LimitOf) check(errs *care.FieldErrors) {
	fields := map[string]string{".system": "codeSystem", ".code": "code"}
	var found care.FieldErrors
	(Coding{System: of.CodeSystem, Code: of.Code}).check(&found, "")
	for _, f := range found {
		errs.Add(fields[f.Field], "%s", f.Message)
	}
	if of.Unit == "" {
		errs.Add("unit", "must be a UCUM unit, such as mmol/L; use 1 for results without a unit")
	}
	checkUnit(errs, "unit", of.Unit)
}

func (in LimitInput) check(errs *care.FieldErrors) {
	if in.Low == nil && in.High == nil {
		errs.Add("low", "is required without high")
	}
	for _, side := range []struct {
		field string
		value *float64
	}{{"low", in.Low}, {"high", in.High}} {
		if side.value != nil && (math.IsNaN(*side.value) || math.Abs(*side.value) > maxLimitValue) {
			errs.Add(side.field, "must be from %g to %g", -maxLimitValue, maxLimitValue)
		}
	}
	if in.Low != nil && in.High != nil && *in.Low >= *in.High {
		errs.Add("low", "must be below high")
	}
}

// CriticalLimits serves the critical limits of clinics. It is safe for concurrent use.
type CriticalLimits struct {
	writer *outbox.Writer
}

// NewCriticalLimits returns a service on the writer's database.
func NewCriticalLimits(writer *outbox.Writer) *CriticalLimits { return &CriticalLimits{writer: writer} }

// List returns the limits in force at the clinic, its own and built-in ones, in the order of code
// system, code and unit. Errors: care.NotFound for actors who do not belong to the clinic,
// care.Forbidden for other actors without the right.
func (s *CriticalLimits) List(ctx context.Context, cmd care.Command, clinicID uuid.UUID) ([]CriticalLimit, error) {
	if err := s.may(ctx, cmd, care.CriticalLimitsRead, clinicID); err != nil {
		return nil, err
	}
	var rows []db.CriticalLimitListRow
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) (err error) {
		rows, err = db.New(tx).CriticalLimitList(ctx, []uuid.UUID{clinicID})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read critical limits: %w", err)
	}
	all, own := []CriticalLimit{}, map[LimitOf]bool{}
	for _, row := range rows {
		if row.Code == nil {
			continue // The set is empty.
		}
		l := ownLimit(db.CriticalLimit{
			CodeSystem: *row.CodeSystem, Code: *row.Code, Unit: *row.Unit, Low: row.Low, High: row.High, UpdatedAt: *row.UpdatedAt, UpdatedBy: *row.UpdatedBy,
		})
		all, own[l.LimitOf] = append(all, l), true
	}
	for _, l := range builtInLimits() {
		if !own[l.LimitOf] {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b CriticalLimit) int {
		return cmp.Or(strings.Compare(a.CodeSystem, b.CodeSystem), strings.Compare(a.Code, b.Code), strings.Compare(a.Unit, b.Unit))
	})
	return all, nil
}

func ownLimit(row db.CriticalLimit) CriticalLimit {
	return CriticalLimit{
		LimitOf: LimitOf{row.CodeSystem, row.Code, row.Unit}, LimitInput: LimitInput{row.Low, row.High},
		Source: FromClinic, UpdatedAt: new(row.UpdatedAt.UTC()), UpdatedBy: row.UpdatedBy,
	}
}

func builtInLimits() []CriticalLimit {
	side := func(v float64) *float64 {
		if math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	var all []CriticalLimit
	for code, limits := range criticalLimits {
		reference := laboratoryReference
		if _, vital := bounds[code]; vital {
			reference = vitalReference
		}
		for _, l := range limits {
			all = append(all, CriticalLimit{
				LimitOf: LimitOf{loinc, code, l.unit}, LimitInput: LimitInput{side(l.low), side(l.high)}, Source: FromBuiltIn, Reference: reference,
			})
		}
	}
	return all
}

// Update sets the clinic's limit for a code and unit, and appends clinic.critical_limits_changed.
// It applies to all records written afterwards, on all instances. An unchanged limit is not
// written. Errors: as for List; care.Invalid by field; care.Conflict if the clinic has the maximum
// number of limits.
func (s *CriticalLimits) Update(ctx context.Context, cmd care.Command, clinicID uuid.UUID, of LimitOf, in LimitInput) (CriticalLimit, error) {
	var limit CriticalLimit
	err := s.change(ctx, cmd, clinicID, of, in.check, func(q *db.Queries) (bool, error) {
		others, err := q.CriticalLimitCountOthers(ctx, db.CriticalLimitCountOthersParams{ClinicID: clinicID, CodeSystem: of.CodeSystem, Code: of.Code, Unit: of.Unit})
		if err != nil {
			return false, fmt.Errorf("count critical limits: %w", err)
		}
		if others >= maxLimits {
			return false, care.Errorf(care.Conflict, "the clinic already has the maximum of %d critical limits: delete one that is no longer needed", others)
		}
		row, err := q.CriticalLimitPut(ctx, db.CriticalLimitPutParams{
			ClinicID: clinicID, CodeSystem: of.CodeSystem, Code: of.Code, Unit: of.Unit, Low: in.Low, High: in.High, UpdatedBy: cmd.Actor.ID,
		})
		changed := !errors.Is(err, pgx.ErrNoRows)
		if !changed {
			row, err = q.CriticalLimitGet(ctx, db.CriticalLimitGetParams{ClinicID: clinicID, CodeSystem: of.CodeSystem, Code: of.Code, Unit: of.Unit})
		}
		if err != nil {
			return false, fmt.Errorf("put critical limit: %w", err)
		}
		limit = ownLimit(row)
		return changed, nil
	})
	return limit, err
}

// Delete removes the clinic's limit for a code and unit, so that the built-in limit applies again.
// It does nothing if the clinic has no such limit. Errors as for Update.
func (s *CriticalLimits) Delete(ctx context.Context, cmd care.Command, clinicID uuid.UUID, of LimitOf) error {
	return s.change(ctx, cmd, clinicID, of, nil, func(q *db.Queries) (bool, error) {
		n, err := q.CriticalLimitDelete(ctx, db.CriticalLimitDeleteParams{ClinicID: clinicID, CodeSystem: of.CodeSystem, Code: of.Code, Unit: of.Unit})
		if err != nil {
			return false, fmt.Errorf("delete critical limit: %w", err)
		}
		return n > 0, nil
	})
}

// change runs write while it holds the lock on the clinic's set of limits. If write changed a
// limit, change increments the version of the set.
func (s *CriticalLimits) change(ctx context.Context, cmd care.Command, clinicID uuid.UUID, of LimitOf, check func(*care.FieldErrors), write func(*db.Queries) (changed bool, err error)) error {
	if err := s.may(ctx, cmd, care.CriticalLimitsWrite, clinicID); err != nil {
		return err
	}
	var errs care.FieldErrors
	of.check(&errs)
	if check != nil {
		check(&errs)
	}
	if err := errs.Err(); err != nil {
		return err
	}
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.CriticalLimitSetLock(ctx, db.CriticalLimitSetLockParams{ClinicID: clinicID, UpdatedBy: cmd.Actor.ID}); err != nil {
			return fmt.Errorf("lock critical limits: %w", err)
		}
		changed, err := write(q)
		if err != nil || !changed {
			return err
		}
		version, err := q.CriticalLimitSetAdvance(ctx, db.CriticalLimitSetAdvanceParams{ClinicID: clinicID, UpdatedBy: cmd.Actor.ID})
		if err != nil {
			return fmt.Errorf("advance critical limits: %w", err)
		}
		return outbox.Append(ctx, tx, event.New(cmd, "clinic.critical_limits_changed", care.Ref{Kind: "critical_limits", ID: clinicID}, event.CriticalLimits{
			ClinicID: clinicID, Version: version,
		}).At(cmd, &clinicID).AtVersion(version))
	})
}

// may returns nil if the actor may do the action at the clinic. Actors who do not belong to the
// clinic get the same error as for a clinic that does not exist.
func (s *CriticalLimits) may(ctx context.Context, cmd care.Command, action care.Action, clinicID uuid.UUID) error {
	actor := cmd.Actor
	if actor.MayAt(clinicID, action, care.SameClinic) {
		return nil
	}
	answer := care.Errorf(care.NotFound, "clinic not found, or you do not belong to it")
	if actor.MayOnPlatform(care.ClinicRead) || actor.MayAt(clinicID, care.ClinicRead, care.SameClinic) {
		answer = care.Errorf(care.Forbidden, "only staff of the clinic may read its critical limits, and only its doctors and administrators may change them")
	}
	return s.writer.Audited(ctx, outbox.Deny(cmd, answer, action, care.Ref{Kind: "clinic", ID: clinicID}, nil, nil))
}
