package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// checkNewAtClinic returns an error if the address is in use at the clinic, or the patient may
// already be registered there. If the caller overrides the latter, it returns the ids of the
// possible duplicates. Registrations of one address, and of patients of one clinic, are serialized.
func checkNewAtClinic(ctx context.Context, q *db.Queries, cmd care.Command, in NewUser) ([]uuid.UUID, error) {
	if in.Email != "" {
		if err := q.EmailAtClinicLock(ctx, db.EmailAtClinicLockParams{ClinicID: in.ClinicID, Email: in.Email}); err != nil {
			return nil, fmt.Errorf("lock address: %w", err)
		}
		if err := checkEmailFree(ctx, q, in.Email, in.ID, []uuid.UUID{in.ClinicID}); err != nil {
			return nil, err
		}
	}
	if in.ClinicID == uuid.Nil {
		return nil, checkEmailUnknown(ctx, q, in)
	}
	if cmd.Actor.MayOnPlatform(care.UserCreate) || !slices.Contains(in.Roles, care.Patient) {
		return nil, nil
	}
	if err := q.RegistrationLock(ctx, in.ClinicID); err != nil {
		return nil, fmt.Errorf("lock registrations: %w", err)
	}
	numbers := []string{}
	for _, number := range []*string{in.Phone, in.WhatsApp} {
		if number != nil {
			numbers = append(numbers, *number)
		}
	}
	found, err := q.PatientDuplicates(ctx, db.PatientDuplicatesParams{
		ClinicID: in.ClinicID, Name: in.GivenName + " " + in.FamilyName, BirthDate: dateOf(in.BirthDate), Numbers: numbers,
	})
	if err != nil {
		return nil, fmt.Errorf("look for duplicates: %w", err)
	}
	if len(found) > 0 && !in.AllowDuplicate {
		answer := care.Errorf(care.PossibleDuplicate, "a patient of the clinic has the same name and birth date, or the same phone number: use that registration, or send allowDuplicate if this is another person")
		answer.Duplicates = found
		return nil, answer
	}
	return found, nil
}

// checkEmailUnknown returns an error if another person has the address, at any clinic. Only
// carewire itself registers people without a clinic, and it may learn of all others.
func checkEmailUnknown(ctx context.Context, q *db.Queries, in NewUser) error {
	ids, err := q.UserByEmail(ctx, care.EmailSpellings(in.Email))
	if err != nil {
		return fmt.Errorf("look up address: %w", err)
	}
	for _, id := range ids {
		if id != in.ID {
			return conflict("email", "the person %s is registered with this email address: grant that person a role", id)
		}
	}
	return nil
}
