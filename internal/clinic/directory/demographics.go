package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// numbersField is the name of the medical record numbers in user.updated.
const numbersField = "medicalRecordNumbers"

// dateOf returns the day of a validated text; "" is NULL.
func dateOf(s string) pgtype.Date {
	d, err := time.Parse(time.DateOnly, s)
	return pgtype.Date{Time: d, Valid: err == nil}
}

func dateText(d pgtype.Date) string {
	if !d.Valid {
		return ""
	}
	return d.Time.Format(time.DateOnly)
}

// number stores the number of the new patient at the clinic, if any.
func (n NewUser) number(ctx context.Context, q *db.Queries) ([]MedicalRecordNumber, error) {
	if n.MedicalRecordNumber == "" {
		return nil, nil
	}
	numbers := []MedicalRecordNumber{{ClinicID: n.ClinicID, Number: n.MedicalRecordNumber}}
	return numbers, replaceNumbers(ctx, q, n.ID, nil, numbers)
}

// numbersOf returns the person's numbers at the clinics visible in the actor's scope, in the order
// of the clinics' ids.
func numbersOf(ctx context.Context, q *db.Queries, id uuid.UUID) ([]MedicalRecordNumber, error) {
	rows, err := q.MedicalRecordNumberList(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read medical record numbers: %w", err)
	}
	var numbers []MedicalRecordNumber
	for _, row := range rows {
		numbers = append(numbers, MedicalRecordNumber{ClinicID: row.ClinicID, Number: row.Number})
	}
	return numbers, nil
}

// numbersAt returns the numbers at the clinics.
func numbersAt(numbers []MedicalRecordNumber, clinics []uuid.UUID) []MedicalRecordNumber {
	return slices.DeleteFunc(slices.Clone(numbers), func(n MedicalRecordNumber) bool { return !slices.Contains(clinics, n.ClinicID) })
}

// sameNumbers reports whether the lists contain the same numbers in any order.
func sameNumbers(a, b []MedicalRecordNumber) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(n MedicalRecordNumber) bool { return !slices.Contains(b, n) })
}

// checkNumbers adds an error for each invalid number of a patient. clinics are those where the
// actor may change the patient.
func checkNumbers(errs *care.FieldErrors, numbers []MedicalRecordNumber, clinics []uuid.UUID) {
	for i, n := range numbers {
		field := fmt.Sprintf("%s[%d]", numbersField, i)
		errs.Line(field+".number", n.Number, 1, 64)
		again := slices.ContainsFunc(numbers[:i], func(o MedicalRecordNumber) bool { return o.ClinicID == n.ClinicID })
		switch {
		case !slices.Contains(clinics, n.ClinicID):
			errs.Add(field+".clinicId", "must be one of your clinics where the person is a patient")
		case again:
			errs.Add(field+".clinicId", "is a duplicate: a patient has one number at a clinic")
		}
	}
}

// replaceNumbers replaces the person's numbers had by want.
func replaceNumbers(ctx context.Context, q *db.Queries, id uuid.UUID, had, want []MedicalRecordNumber) error {
	for _, n := range had {
		if slices.ContainsFunc(want, func(w MedicalRecordNumber) bool { return w.ClinicID == n.ClinicID }) {
			continue
		}
		if err := q.MedicalRecordNumberDelete(ctx, db.MedicalRecordNumberDeleteParams{ClinicID: n.ClinicID, UserID: id}); err != nil {
			return fmt.Errorf("delete medical record number: %w", err)
		}
	}
	for _, n := range want {
		if slices.Contains(had, n) {
			continue
		}
		if err := q.MedicalRecordNumberPut(ctx, db.MedicalRecordNumberPutParams{ClinicID: n.ClinicID, UserID: id, Number: n.Number}); err != nil {
			return fmt.Errorf("store medical record number: %w", err)
		}
	}
	return nil
}
