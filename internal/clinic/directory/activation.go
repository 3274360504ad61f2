package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// ActivationLife is the validity of a service account's activation code.
const ActivationLife = 7 * 24 * time.Hour

// ActivateServiceAccount binds the service account with the code to the client of the token, which
// must be the registered one. If several clinics registered the client, it is bound to the account
// with the code. Repeating it changes nothing. The error is care.NotFound for an unknown code, and
// care.Conflict for an expired code, for a client that is bound elsewhere, and for the token of a
// person.
func (s *Service) ActivateServiceAccount(ctx context.Context, cmd care.Command, identity Identity, code string) (ServiceAccount, error) {
	var account ServiceAccount
	// The caller is not signed in yet.
	cmd.Actor = care.SystemActor("sign-in")
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		found, err := q.ServiceAccountByCode(ctx, digestOf(code))
		if err != nil && !notFound(err) {
			return fmt.Errorf("look for service account: %w", err)
		}
		row := found.ServiceAccount
		if err != nil || row.Issuer != identity.Issuer || row.Subject != identity.Subject {
			return care.Errorf(care.NotFound, "no service account of this client is pending with this code: compare clientId with the sub of the token, or ask the clinic's administrator for a new code")
		}
		if row.Status == Active {
			account = serviceAccountFrom(row)
			return nil
		}
		if err := checkActivation(ctx, q, identity, row, found.Expired); err != nil {
			return err
		}
		if row, err = q.ServiceAccountActivate(ctx, row.ID); err != nil {
			return fmt.Errorf("activate service account: %w", err)
		}
		account = serviceAccountFrom(row)
		as := cmd
		as.Actor = care.ServiceActor(row.ID, []care.Membership{{ClinicID: &row.ClinicID, Role: care.Service}})
		return outbox.Append(ctx, tx, serviceAccountEvent(as, "service_account.activated", row, nil))
	})
	if err != nil {
		return ServiceAccount{}, err
	}
	return account, nil
}

// checkActivation returns an error for an expired code, and for the token of a person, because a
// person is not a program.
func checkActivation(ctx context.Context, q *db.Queries, identity Identity, row db.ServiceAccount, expired bool) error {
	if row.Status == Disabled {
		return care.Errorf(care.Forbidden, "this service account is disabled: ask the clinic's administrator")
	}
	if expired {
		return conflict("code", "the code has expired: ask the clinic's administrator for a new one")
	}
	_, err := q.IdentityGet(ctx, db.IdentityGetParams{Issuer: identity.Issuer, Subject: identity.Subject})
	if err != nil && !notFound(err) {
		return fmt.Errorf("read identity: %w", err)
	}
	persons := err == nil
	if !persons {
		if persons, err = q.AddressLinkable(ctx, db.AddressLinkableParams{Issuer: identity.Issuer, Subject: identity.Subject, Emails: identity.addresses()}); err != nil {
			return fmt.Errorf("look for a person: %w", err)
		}
	}
	if persons {
		return care.Errorf(care.Conflict, "this token belongs to a person: a service account requires a separate client (client credentials grant)")
	}
	return nil
}

// RenewActivationCode replaces the activation code of a service account that is not activated yet.
func (s *Service) RenewActivationCode(ctx context.Context, cmd care.Command, id uuid.UUID) (ServiceAccount, error) {
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
		if row.Status != Pending {
			return care.Errorf(care.Conflict, "the service account is %s: only a pending one needs a code", row.Status)
		}
		code, digest := secret()
		row, err = q.ServiceAccountCode(ctx, db.ServiceAccountCodeParams{ID: id, ActivationDigest: digest, TtlSeconds: ActivationLife.Seconds()})
		if err != nil {
			return fmt.Errorf("renew code: %w", err)
		}
		account = serviceAccountFrom(row)
		account.ActivationCode = code
		return outbox.Append(ctx, tx, serviceAccountEvent(cmd, "service_account.updated", row, []string{"activationCode"}))
	})
	if err != nil {
		return ServiceAccount{}, err
	}
	return account, nil
}
