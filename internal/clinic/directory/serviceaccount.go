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

// Pending is the status of a service account before its activation.
const Pending = "pending"

// ServiceAccount lets another system act at a clinic in the role service, once that system has
// activated it.
type ServiceAccount struct {
	ID         uuid.UUID  `json:"id" format:"uuid" doc:"The system's events have /services/<id> as their source."`
	Version    int64      `json:"version"`
	ClinicID   uuid.UUID  `json:"clinicId" format:"uuid"`
	Name       string     `json:"name"`
	Issuer     string     `json:"issuer"`
	ClientID   string     `json:"clientId"`
	Status     string     `json:"status" enum:"pending,active,disabled" doc:"Pending until the system activates it."`
	CreatedAt  time.Time  `json:"createdAt" format:"date-time"`
	CreatedBy  string     `json:"createdBy" doc:"The id of the person who registered it."`
	DisabledAt *time.Time `json:"disabledAt,omitempty" format:"date-time"`
	// ActivationCode is a secret. It is only in the response that created it.
	ActivationCode string `json:"activationCode,omitempty" example:"qCJqAH6V1Yt9dIhTn8kIqJbKXq6nUe0Xn4T8W0yE0eU" doc:"The code that the system sends with its own token to /api/service-accounts/activate within 7 days. It is shown only once."`
}

// NewServiceAccount is a service account to register. The service chooses the ID if it is zero; the
// seed sets it.
type NewServiceAccount struct {
	ID       uuid.UUID `json:"-"`
	ClinicID uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic at which the system acts; it cannot change."`
	Name     string    `json:"name" minLength:"1" maxLength:"200" doc:"The display name of the system." example:"Device gateway"`
	Issuer   string    `json:"issuer,omitempty" maxLength:"500" doc:"The iss of the system's tokens. The default is the identity provider that this service trusts."`
	ClientID string    `json:"clientId" minLength:"1" maxLength:"255" doc:"The sub of the system's own tokens (client credentials grant); with many providers it is the client's id." example:"device-gateway"`
}

// ServiceAccountInput replaces the mutable details of a service account.
type ServiceAccountInput struct {
	Name   string `json:"name" minLength:"1" maxLength:"200" example:"Device gateway"`
	Status string `json:"status" enum:"pending,active,disabled" doc:"Requests of a disabled system fail. An account that was never activated is pending instead of active."`
}

// ServiceAccountPage is one page of a list.
type ServiceAccountPage care.Page[ServiceAccount]

// Validate returns an error with every invalid field, or nil.
func (n NewServiceAccount) Validate() error {
	var errs care.FieldErrors
	errs.Line("name", n.Name, 1, 200)
	errs.Line("issuer", n.Issuer, 1, 500)
	if len(n.ClientID) > 255 || !tokenForm.MatchString(n.ClientID) {
		errs.Add("clientId", "must be 1 to 255 printable ASCII characters without spaces")
	}
	return errs.Err()
}

// Validate returns an error with every invalid field, or nil.
func (u ServiceAccountInput) Validate() error {
	var errs care.FieldErrors
	errs.Line("name", u.Name, 1, 200)
	if u.Status != Active && u.Status != Disabled && u.Status != Pending {
		errs.Add("status", "must be %s, %s or %s", Pending, Active, Disabled)
	}
	return errs.Err()
}

// CreateServiceAccount registers another system at a clinic that the actor administers. It has no
// effect until its client activates it with the code in the response (ActivateServiceAccount).
// Accounts of carewire's own seed are active at once. A second account of the clinic for the same
// client is care.Conflict. The response does not reveal whether the client is known elsewhere.
func (s *Service) CreateServiceAccount(ctx context.Context, cmd care.Command, in NewServiceAccount) (ServiceAccount, error) {
	var account ServiceAccount
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if !cmd.Actor.MayOnPlatform(care.ServiceAccountManage) && !cmd.Actor.MayAt(in.ClinicID, care.ServiceAccountManage, care.SameClinic) {
			answer := care.Errorf(care.Forbidden, "only administrators of the clinic may register service accounts")
			return outbox.Deny(cmd, answer, care.ServiceAccountManage, care.Ref{Kind: "clinic", ID: in.ClinicID}, nil, care.NonZero(in.ClinicID))
		}
		if err := in.Validate(); err != nil {
			return err
		}
		if in.ID == uuid.Nil {
			in.ID = uuid.Must(uuid.NewV7())
		}
		q := db.New(tx)
		code, digest := secret()
		if cmd.Actor.IsSystem() {
			code, digest = "", nil
		}
		row, err := q.ServiceAccountInsert(ctx, db.ServiceAccountInsertParams{
			ID: in.ID, ClinicID: in.ClinicID, Name: in.Name, Issuer: in.Issuer, Subject: in.ClientID, CreatedBy: cmd.Actor.ID,
			ActivationDigest: digest, TtlSeconds: ActivationLife.Seconds(),
		})
		if notFound(err) {
			return clientTaken(ctx, q, in)
		}
		if err != nil {
			return fmt.Errorf("insert service account: %w", err)
		}
		account = serviceAccountFrom(row)
		account.ActivationCode = code
		return outbox.Append(ctx, tx, serviceAccountEvent(cmd, "service_account.created", row, nil))
	})
	if err != nil {
		return ServiceAccount{}, err
	}
	return account, nil
}

// clientTaken returns the error that identifies the clinic's existing account of the client.
func clientTaken(ctx context.Context, q *db.Queries, in NewServiceAccount) error {
	row, err := q.ServiceAccountOfClient(ctx, db.ServiceAccountOfClientParams{ClinicID: in.ClinicID, Issuer: in.Issuer, Subject: in.ClientID})
	if err != nil {
		return fmt.Errorf("look for service account: %w", err)
	}
	conflict := care.Errorf(care.Conflict, "this client of the identity provider is already registered at the clinic")
	conflict.Fields = []care.FieldError{{Field: "clientId", Message: fmt.Sprintf("already has the service account %s (%s): update that one", row.ID, row.Status)}}
	return conflict
}

// ListServiceAccounts returns the service accounts of the clinics that the actor administers, in
// the order of their ids.
func (s *Service) ListServiceAccounts(ctx context.Context, cmd care.Command, clinicID uuid.UUID, cursor string, limit int) (ServiceAccountPage, error) {
	clinics := cmd.Actor.ClinicsFor(care.ServiceAccountManage, care.SameClinic)
	if len(clinics) == 0 || (clinicID != uuid.Nil && !slices.Contains(clinics, clinicID)) {
		answer := care.Errorf(care.Forbidden, "only administrators of the clinic may list its service accounts")
		subject := care.Ref{Kind: "clinic", ID: clinicID}
		return ServiceAccountPage{}, s.writer.Audited(ctx, outbox.Deny(cmd, answer, care.ServiceAccountManage, subject, nil, care.NonZero(clinicID)))
	}
	f := UserFilter{Cursor: cursor, Limit: limit}
	after, err := f.check()
	if err != nil {
		return ServiceAccountPage{}, err
	}
	if clinicID != uuid.Nil {
		clinics = []uuid.UUID{clinicID}
	}
	var rows []db.ServiceAccount
	err = s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) (err error) {
		rows, err = db.New(tx).ServiceAccountList(ctx, db.ServiceAccountListParams{ClinicIds: clinics, After: after, RowLimit: int32(f.Limit) + 1})
		return err
	})
	if err != nil {
		return ServiceAccountPage{}, reading("service accounts", err)
	}
	page := ServiceAccountPage{Items: []ServiceAccount{}}
	rows, page.Next = care.Paginate(rows, f.Limit, func(last db.ServiceAccount) string { return last.ID.String() })
	for _, row := range rows {
		page.Items = append(page.Items, serviceAccountFrom(row))
	}
	return page, nil
}

// GetServiceAccount returns a service account to the administrators of its clinic. For others the
// error is care.NotFound.
func (s *Service) GetServiceAccount(ctx context.Context, cmd care.Command, id uuid.UUID) (ServiceAccount, error) {
	var row db.ServiceAccount
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) (err error) {
		row, err = db.New(tx).ServiceAccountGet(ctx, id)
		return err
	})
	if err != nil && !notFound(err) {
		return ServiceAccount{}, reading("service account", err)
	}
	if err := mayManageAccount(cmd, id, row, err); err != nil {
		return ServiceAccount{}, s.writer.Audited(ctx, err)
	}
	return serviceAccountFrom(row), nil
}

// UpdateServiceAccount renames, disables or enables a service account if ifMatch is its current
// version, and otherwise returns care.PreconditionFailed. If nothing changes, there is no new
// version and no event.
func (s *Service) UpdateServiceAccount(ctx context.Context, cmd care.Command, id uuid.UUID, ifMatch int64, in ServiceAccountInput) (ServiceAccount, error) {
	var account ServiceAccount
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		row, err := q.ServiceAccountLock(ctx, id)
		if err != nil && !notFound(err) {
			return fmt.Errorf("lock service account: %w", err)
		}
		if err := mayManageAccount(cmd, id, row, err); err != nil {
			return err
		}
		if err := checkVersion("the service account", row.Version, ifMatch); err != nil {
			return err
		}
		if err := in.Validate(); err != nil {
			return err
		}
		if err := in.checkStatus(row); err != nil {
			return err
		}
		changed := in.changes(row)
		account = serviceAccountFrom(row)
		if len(changed) == 0 {
			return nil
		}
		row, err = q.ServiceAccountUpdate(ctx, db.ServiceAccountUpdateParams{ID: id, Name: in.Name, Status: in.Status})
		if err != nil {
			return fmt.Errorf("update service account: %w", err)
		}
		// One version is one event, so the event of a disabling also lists the other changes.
		typ := "service_account.updated"
		if account.Status != Disabled && row.Status == Disabled {
			typ = "service_account.disabled"
		}
		account = serviceAccountFrom(row)
		return outbox.Append(ctx, tx, serviceAccountEvent(cmd, typ, row, changed))
	})
	if err != nil {
		return ServiceAccount{}, err
	}
	return account, nil
}

// mayManageAccount returns the same error for a missing account and for one that the actor may not
// know of.
func mayManageAccount(cmd care.Command, id uuid.UUID, row db.ServiceAccount, found error) error {
	if found == nil && cmd.Actor.MayAt(row.ClinicID, care.ServiceAccountManage, care.SameClinic) {
		return nil
	}
	answer := care.Errorf(care.NotFound, "service account not found, or not at a clinic that you administer")
	return outbox.Deny(cmd, answer, care.ServiceAccountManage, serviceAccountRef(id), nil, care.NonZero(row.ClinicID))
}

// checkStatus returns an error for a status that only the client's activation sets, and for pending
// after it.
func (u ServiceAccountInput) checkStatus(row db.ServiceAccount) error {
	switch {
	case u.Status == Active && row.ActivatedAt == nil:
		return care.InvalidField("status", "must be %s until the system activates the account with its code", Pending)
	case u.Status == Pending && row.ActivatedAt != nil:
		return care.InvalidField("status", "must be %s or %s after the activation", Active, Disabled)
	}
	return nil
}

func (u ServiceAccountInput) changes(row db.ServiceAccount) []string {
	var changed []string
	if u.Name != row.Name {
		changed = append(changed, "name")
	}
	if u.Status != row.Status {
		changed = append(changed, "status")
	}
	return changed
}

func serviceAccountRef(id uuid.UUID) care.Ref { return care.Ref{Kind: "service_account", ID: id} }

func serviceAccountEvent(cmd care.Command, typ string, row db.ServiceAccount, changed []string) event.Event {
	return event.New(cmd, typ, serviceAccountRef(row.ID), event.ServiceAccount{
		ServiceAccountID: row.ID, ClinicID: row.ClinicID, Changed: changed,
	}).At(cmd, &row.ClinicID).AtVersion(row.Version)
}

func serviceAccountFrom(r db.ServiceAccount) ServiceAccount {
	return ServiceAccount{
		ID: r.ID, Version: r.Version, ClinicID: r.ClinicID, Name: r.Name, Issuer: r.Issuer, ClientID: r.Subject,
		Status: r.Status, CreatedAt: r.CreatedAt.UTC(), CreatedBy: r.CreatedBy, DisabledAt: r.DisabledAt,
	}
}
