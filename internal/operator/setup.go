package operator

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// Setup names the first clinic and its administrator.
type Setup struct {
	Clinic ClinicInput
	// Admin is registered at the clinic with the role admin.
	Admin NewUser
	// Operator also grants the administrator the role operator on the platform.
	Operator bool
}

// SetupResult is the outcome of SetUp. New reports whether this run created the item.
type SetupResult struct {
	Clinic    Clinic    `json:"clinic"`
	NewClinic bool      `json:"newClinic"`
	AdminID   uuid.UUID `json:"adminId"`
	NewAdmin  bool      `json:"newAdmin"`
}

// SetUp registers a clinic and its first administrator. It can be repeated: a clinic with the name
// and a person with the address are used as they are.
func (o *Operator) SetUp(ctx context.Context, cmd care.Command, s Setup) (r SetupResult, err error) {
	var found bool
	if r.Clinic, found, err = o.FindClinic(ctx, cmd, s.Clinic.Name); err != nil {
		return r, err
	}
	if !found {
		if r.Clinic, err = o.CreateClinic(ctx, cmd, NewClinic{ClinicInput: s.Clinic}); err != nil {
			return r, err
		}
		r.NewClinic = true
	}
	r.AdminID, err = o.FindUser(ctx, cmd, s.Admin.Email)
	switch care.CodeOf(err) {
	case "":
		if err != nil {
			return r, err
		}
	case care.NotFound:
		s.Admin.ClinicID, s.Admin.Roles, r.NewAdmin = r.Clinic.ID, []care.Role{care.Admin}, true
		u, err := o.CreateUser(ctx, cmd, s.Admin)
		if err != nil {
			return r, err
		}
		r.AdminID = u.ID
	default:
		return r, err
	}
	if _, err := o.GrantRole(ctx, cmd, RoleInput{UserID: r.AdminID, ClinicID: &r.Clinic.ID, Role: care.Admin}); err != nil {
		return r, fmt.Errorf("grant the role admin: %w", err)
	}
	if s.Operator {
		if _, err := o.GrantRole(ctx, cmd, RoleInput{UserID: r.AdminID, Role: care.Operator}); err != nil {
			return r, fmt.Errorf("grant the role operator: %w", err)
		}
	}
	return r, nil
}
