package operator

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/outbox"
)

type (
	// Clinic is a clinic with its version.
	Clinic = directory.Clinic
	// ClinicInput has the name and the time zone of a clinic.
	ClinicInput = directory.ClinicInput
	// NewClinic is a clinic to register.
	NewClinic = directory.NewClinic
	// ClinicFilter selects a page of clinics.
	ClinicFilter = directory.ClinicFilter
	// Account is a person who works with carewire.
	Account = directory.Account
	// AccountFilter narrows a list of accounts or of roles.
	AccountFilter = directory.AccountFilter
	// NewUser is a person to register.
	NewUser = directory.NewUser
	// RoleGrant is a role of a person.
	RoleGrant = directory.RoleGrant
	// RoleInput is a role to grant or revoke.
	RoleInput = directory.MembershipInput
	// Identity is an identity at an identity provider.
	Identity = directory.Identity
	// Role is a role at a clinic or on the platform.
	Role = care.Role
)

// withDirectory runs fn with the directory on the pool of carewire_app. The service learns of these
// writes from its own poll.
func (o *Operator) withDirectory(ctx context.Context, fn func(dir *directory.Service) error) error {
	return o.read(ctx, func(pool *pgxpool.Pool) error {
		err := fn(directory.New(outbox.NewWriter(pool, outbox.NewWaker(pool, o.logger))))
		if !o.terminal {
			return err
		}
		return namedFlags(err)
	})
}

// flags are the flags of fields whose names differ.
var flags = map[string]string{
	"clinicId": "clinic", "cursor": "after", "roles": "role", "platformRoles": "role", "familyName": "family-name", "givenName": "given-name",
	"timeZone": "time-zone",
}

// namedFlags returns an error about invalid fields with the names of their flags, and the message
// alone of other domain errors.
func namedFlags(err error) error {
	invalid, ok := errors.AsType[*care.Error](err)
	if !ok || len(invalid.Fields) == 0 {
		return err
	}
	if invalid.Code != care.Invalid {
		return care.Errorf(invalid.Code, "%s", invalid.Message)
	}
	texts := make([]string, len(invalid.Fields))
	for i, f := range invalid.Fields {
		name, _, _ := strings.Cut(f.Field, "[")
		texts[i] = "--" + cmp.Or(flags[name], name) + ": " + f.Message
	}
	return care.Errorf(care.Invalid, "%s", strings.Join(texts, "; "))
}

// SplitRoles separates roles at a clinic from those on the platform. An unknown role counts as one
// at a clinic.
func SplitRoles(names []string) (clinic, platform []care.Role) {
	for _, name := range names {
		if role := care.Role(name); slices.Contains(care.PlatformRoles, role) {
			platform = append(platform, role)
		} else {
			clinic = append(clinic, role)
		}
	}
	return clinic, platform
}

// orElse returns err, or an error with another message if its code is care.NotFound.
func orElse(err error, format string, args ...any) error {
	if care.CodeOf(err) == care.NotFound {
		return care.Errorf(care.NotFound, format, args...)
	}
	return err
}

// CreateClinic registers a clinic. A name that another clinic has is care.Conflict.
func (o *Operator) CreateClinic(ctx context.Context, cmd care.Command, in NewClinic) (c Clinic, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		c, err = dir.CreateClinic(ctx, cmd, in)
		return err
	})
	return c, err
}

// ChangeClinic changes the name, the time zone or both of a clinic; an empty value keeps it.
func (o *Operator) ChangeClinic(ctx context.Context, cmd care.Command, id uuid.UUID, in ClinicInput) (c Clinic, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		if c, err = dir.GetClinic(ctx, cmd, id); err != nil {
			return orElse(err, "no clinic %s; see carewire clinic list", id)
		}
		if in.Name == "" {
			in.Name = c.Name
		}
		if in.TimeZone == "" {
			in.TimeZone = c.TimeZone
		}
		c, err = dir.UpdateClinic(ctx, cmd, id, c.Version, in)
		return err
	})
	return c, err
}

// ListClinics returns one page of clinics in the order of their ids.
func (o *Operator) ListClinics(ctx context.Context, cmd care.Command, f ClinicFilter) (all []Clinic, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		page, err := dir.ListClinics(ctx, cmd.Actor, f)
		all = page.Items
		return err
	})
	return all, err
}

// FindClinic returns the clinic with the name, ignoring case. found is false if there is none.
func (o *Operator) FindClinic(ctx context.Context, cmd care.Command, name string) (c Clinic, found bool, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		c, found, err = dir.FindClinic(ctx, cmd.Actor, name)
		return err
	})
	return c, found, err
}

// CreateUser registers a person with roles at one clinic, or on the platform.
func (o *Operator) CreateUser(ctx context.Context, cmd care.Command, in NewUser) (u Account, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		created, err := dir.CreateUser(ctx, cmd, in)
		if known, ok := errors.AsType[*care.Error](err); ok && known.Code == care.Conflict {
			return care.Errorf(care.Conflict, "a person is registered with this email address: find them with carewire user list --email, and use carewire role grant")
		}
		u = Account{
			ID: created.ID, Version: created.Version, Email: created.Email, GivenName: created.GivenName, FamilyName: created.FamilyName,
			Status: created.Status, CreatedAt: created.CreatedAt, Memberships: created.Memberships,
		}
		return err
	})
	return u, err
}

// ListUsers returns one page of the accounts of staff in the order of their ids. email, if it is not
// empty, selects the accounts with that address.
func (o *Operator) ListUsers(ctx context.Context, cmd care.Command, f AccountFilter, email string) (all []Account, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		if email == "" {
			page, err := dir.ListAccounts(ctx, cmd, f)
			all = page.Items
			return err
		}
		all = []Account{}
		ids, err := dir.FindAccounts(ctx, cmd, email)
		for _, id := range ids {
			f.UserID = id
			page, err := dir.ListAccounts(ctx, cmd, f)
			if err != nil {
				return err
			}
			all = append(all, page.Items...)
		}
		return err
	})
	return all, err
}

// FindUser returns the id of the person with the id or the email address. The error is
// care.NotFound if nobody has the address, and care.Conflict, with the ids, if several people do.
func (o *Operator) FindUser(ctx context.Context, cmd care.Command, idOrEmail string) (id uuid.UUID, err error) {
	if id, err := uuid.Parse(idOrEmail); err == nil {
		return id, nil
	}
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		ids, err := dir.FindAccounts(ctx, cmd, idOrEmail)
		switch {
		case care.CodeOf(err) == care.Invalid:
			return care.Errorf(care.Invalid, "want the ID or the email address of a person")
		case err != nil:
			return err
		case len(ids) == 0:
			return care.Errorf(care.NotFound, "no person is registered with this email address; see carewire user list")
		case len(ids) > 1:
			return care.Errorf(care.Conflict, "several people are registered with this email address: use one of the IDs %s", joinIDs(ids))
		}
		id = ids[0]
		return nil
	})
	return id, err
}

func joinIDs(ids []uuid.UUID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return strings.Join(texts, ", ")
}

const unknownPerson = "no person %s; see carewire user list"

// SetUserStatus disables or enables an account. changed is false if it has the status already.
func (o *Operator) SetUserStatus(ctx context.Context, cmd care.Command, id uuid.UUID, status string) (changed bool, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		changed, err = dir.SetAccountStatus(ctx, cmd, id, status)
		return orElse(err, unknownPerson, id)
	})
	return changed, err
}

// LinkSignIn links the identity to the person. changed is false if it is linked already.
func (o *Operator) LinkSignIn(ctx context.Context, cmd care.Command, id uuid.UUID, identity Identity) (changed bool, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		changed, err = dir.LinkSignIn(ctx, cmd, id, identity)
		return orElse(err, unknownPerson, id)
	})
	return changed, err
}

// GrantRole grants a role at a clinic or on the platform. changed is false if the person holds it
// already.
func (o *Operator) GrantRole(ctx context.Context, cmd care.Command, in RoleInput) (changed bool, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		err := dir.GrantMembership(ctx, cmd, in)
		changed = err == nil
		if care.CodeOf(err) == care.Conflict {
			return nil
		}
		return orElse(err, unknownPerson, in.UserID)
	})
	return changed, err
}

// RevokeRole revokes a role at a clinic or on the platform. A role that is not held is
// care.NotFound.
func (o *Operator) RevokeRole(ctx context.Context, cmd care.Command, in RoleInput) error {
	return o.withDirectory(ctx, func(dir *directory.Service) error { return dir.RevokeMembership(ctx, cmd, in) })
}

// ListRoles returns one page of roles in the order of the people's ids.
func (o *Operator) ListRoles(ctx context.Context, cmd care.Command, f AccountFilter) (all []RoleGrant, err error) {
	err = o.withDirectory(ctx, func(dir *directory.Service) error {
		page, err := dir.ListRoles(ctx, cmd, f)
		all = page.Items
		return err
	})
	return all, err
}
