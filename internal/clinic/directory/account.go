package directory

import (
	"context"
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

// Account is a person who works with carewire, as shown on the command line.
type Account struct {
	ID          uuid.UUID         `json:"id"`
	Version     int64             `json:"version"`
	Email       string            `json:"email,omitempty"`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	Status      string            `json:"status"`
	SignIns     int64             `json:"signIns"`
	CreatedAt   time.Time         `json:"createdAt"`
	Memberships []care.Membership `json:"memberships"`
}

// AccountPage is one page of a list.
type AccountPage care.Page[Account]

// AccountFilter narrows a list of accounts or of roles. The zero value is the first page of all.
type AccountFilter struct {
	// UserID and ClinicID are zero for all.
	UserID, ClinicID uuid.UUID
	// Role is empty for all.
	Role care.Role
	// Status is active, disabled, or empty for both. A list of roles ignores it.
	Status string
	// Cursor is the Next of the previous page.
	Cursor string
	// Limit is 1 to 200; 0 means 50.
	Limit int
}

// accountsSubject is the subject of an event about the accounts of all clinics.
const accountsSubject = "accounts/all"

// ListAccounts returns the people with a role at a clinic other than patient, or on the platform,
// in the order of their ids. With a UserID it returns that account only, also if it has no role, but
// not if its only role is patient. The read is audited as account.listed.
func (s *Service) ListAccounts(ctx context.Context, cmd care.Command, f AccountFilter) (AccountPage, error) {
	var page AccountPage
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		after, err := f.check(cmd)
		if err != nil {
			return err
		}
		q := db.New(tx)
		ids := []uuid.UUID{f.UserID}
		if f.UserID == uuid.Nil {
			ids, err = q.StaffList(ctx, db.StaffListParams{
				Role: string(f.Role), ClinicID: care.NonZero(f.ClinicID), Status: f.Status, After: after, RowLimit: int32(f.Limit) + 1,
			})
			if err != nil {
				return fmt.Errorf("list staff: %w", err)
			}
		}
		ids, page.Next = care.Paginate(ids, f.Limit, uuid.UUID.String)
		if page.Items, err = accountsOf(ctx, q, ids); err != nil {
			return err
		}
		shown := make([]uuid.UUID, len(page.Items))
		for i := range page.Items {
			shown[i] = page.Items[i].ID
		}
		return outbox.Append(ctx, tx, f.listed(cmd, shown))
	})
	return page, err
}

// FindAccounts returns the ids of the people with the email address, at most 10. Several people can
// have one address until they have verified it.
func (s *Service) FindAccounts(ctx context.Context, cmd care.Command, email string) ([]uuid.UUID, error) {
	if !cmd.Actor.MayOnPlatform(care.AccountRead) {
		return nil, s.writer.Audited(ctx, denyAccounts(cmd))
	}
	if _, err := care.ParseEmail(email); err != nil {
		return nil, care.InvalidField("email", "%s", err.Error())
	}
	var ids []uuid.UUID
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) (err error) {
		ids, err = db.New(tx).UserByEmail(ctx, care.EmailSpellings(email))
		return err
	})
	if err != nil {
		return nil, reading("account", err)
	}
	return ids, nil
}

// accountsOf returns the accounts, without people whose only role is patient.
func accountsOf(ctx context.Context, q *db.Queries, ids []uuid.UUID) ([]Account, error) {
	accounts := []Account{}
	rows, err := q.AccountListOf(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	for _, row := range rows {
		held, err := memberships(row.Memberships)
		if err != nil {
			return nil, err
		}
		if len(held) > 0 && !slices.ContainsFunc(held, func(m care.Membership) bool { return m.Role != care.Patient }) {
			continue
		}
		accounts = append(accounts, Account{
			ID: row.ID, Version: row.Version, Email: care.OrZero(row.Email), GivenName: row.GivenName, FamilyName: row.FamilyName,
			Status: row.Status, SignIns: row.SignIns, CreatedAt: row.CreatedAt.UTC(), Memberships: held,
		})
	}
	return accounts, nil
}

// check checks the actor's right and the filter.
func (f *AccountFilter) check(cmd care.Command) (after uuid.UUID, err error) {
	if !cmd.Actor.MayOnPlatform(care.AccountRead) {
		return uuid.Nil, denyAccounts(cmd)
	}
	var errs care.FieldErrors
	f.Limit = errs.PageLimit(f.Limit)
	known := slices.DeleteFunc(slices.Concat(care.ClinicRoles, care.PlatformRoles), func(r care.Role) bool { return r == care.Patient })
	if f.Role != "" && !slices.Contains(known, f.Role) {
		errs.Add("role", "must be one of %s", join(known))
	}
	if f.Status != "" && f.Status != Active && f.Status != Disabled {
		errs.Add("status", "must be %s or %s", Active, Disabled)
	}
	after = errs.IDCursor(f.Cursor)
	return after, errs.Err()
}

// listed returns the event of a page that showed the accounts of these people.
func (f *AccountFilter) listed(cmd care.Command, shown []uuid.UUID) event.Event {
	filters := event.FiltersInUse(
		event.Filter{Name: "clinic", Used: f.ClinicID != uuid.Nil},
		event.Filter{Name: "role", Used: f.Role != ""},
		event.Filter{Name: "status", Used: f.Status != ""},
		event.Filter{Name: "user", Used: f.UserID != uuid.Nil},
	)
	e := event.New(cmd, "account.listed", clinicRef(f.ClinicID), event.AccountsListed{Filters: filters, UserIDs: shown})
	if f.ClinicID == uuid.Nil {
		e.Subject = accountsSubject
		return e
	}
	return e.At(cmd, &f.ClinicID)
}

func denyAccounts(cmd care.Command) error {
	answer := care.Errorf(care.Forbidden, "only the command line lists accounts")
	denied := outbox.Deny(cmd, answer, care.AccountRead, care.Ref{}, nil, nil)
	denied.Event.Subject = accountsSubject
	return denied
}

// SetAccountStatus disables or enables an account. Disabling it ends its sessions. changed is false
// if the account has the status already.
func (s *Service) SetAccountStatus(ctx context.Context, cmd care.Command, id uuid.UUID, status string) (changed bool, err error) {
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !cmd.Actor.MayOnPlatform(care.UserUpdate) {
			return denyUser(cmd, care.UserUpdate, id, nil)
		}
		q := db.New(tx)
		row, err := lockAccount(ctx, q, cmd, care.UserUpdate, id)
		if err != nil || row.Status == status {
			return err
		}
		held, err := heldBy(ctx, q, id)
		if err != nil {
			return err
		}
		// The platform roles are not at a clinic, and nothing is left behind there.
		held = slices.DeleteFunc(held, func(m care.Membership) bool { return m.ClinicID == nil })
		in := inputOf(row)
		in.Status = status
		if err := in.validateChanged([]string{"status"}, held); err != nil {
			return err
		}
		changed = true
		_, err = s.replace(ctx, tx, cmd, row, in, []string{"status"}, held)
		return err
	})
	return changed, err
}

// LinkSignIn links the identity at an identity provider to a person, for a provider that does not
// report verified email addresses. changed is false if it is linked to them already. An identity of
// another person, or a second one of the person at the provider, is care.Conflict.
func (s *Service) LinkSignIn(ctx context.Context, cmd care.Command, id uuid.UUID, identity Identity) (changed bool, err error) {
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !cmd.Actor.MayOnPlatform(care.SignInLink) {
			return denyUser(cmd, care.SignInLink, id, nil)
		}
		var errs care.FieldErrors
		errs.Line("issuer", identity.Issuer, 1, 500)
		errs.Line("subject", identity.Subject, 1, 255)
		if err := errs.Err(); err != nil {
			return err
		}
		q := db.New(tx)
		row, err := lockAccount(ctx, q, cmd, care.SignInLink, id)
		if err != nil {
			return err
		}
		holder, err := q.IdentityGet(ctx, db.IdentityGetParams{Issuer: identity.Issuer, Subject: identity.Subject})
		switch {
		case err == nil && holder == id:
			return nil
		case err == nil:
			return conflict("subject", "this sign-in is linked to another person: unlink it first (DELETE /api/users/ID/sign-ins/ID)")
		case !notFound(err):
			return fmt.Errorf("read identity: %w", err)
		}
		changed = true
		return linkSignIn(ctx, tx, cmd, row, identity)
	})
	return changed, err
}

func linkSignIn(ctx context.Context, tx pgx.Tx, cmd care.Command, row db.User, identity Identity) error {
	q := db.New(tx)
	n, err := q.IdentityInsert(ctx, db.IdentityInsertParams{Issuer: identity.Issuer, Subject: identity.Subject, UserID: row.ID})
	if err != nil {
		return fmt.Errorf("link identity: %w", err)
	}
	if n == 0 {
		return conflict("subject", "the person has another sign-in of this issuer, or the subject is that of a service account")
	}
	list, err := q.SignInList(ctx, row.ID)
	if err != nil {
		return fmt.Errorf("read sign-ins: %w", err)
	}
	linked := uuid.Nil
	for _, signIn := range list {
		if signIn.Issuer == identity.Issuer && signIn.Subject == identity.Subject {
			linked = signIn.ID
		}
	}
	e := event.New(cmd, "user.sign_in_linked", care.Ref{Kind: "sign_in", ID: linked}, event.SignIn{SignInID: linked, UserID: row.ID})
	return outbox.Append(ctx, tx, e.About(cmd, row.ID, nil))
}

// lockAccount returns the row of a person with its lock held. A merged or unknown person is
// care.NotFound.
func lockAccount(ctx context.Context, q *db.Queries, cmd care.Command, action care.Action, id uuid.UUID) (db.User, error) {
	row, err := q.UserLock(ctx, id)
	if notFound(err) || (err == nil && row.MergedInto != nil) {
		return row, denyUser(cmd, action, id, nil)
	}
	if err != nil {
		return row, fmt.Errorf("lock user: %w", err)
	}
	return row, nil
}
