package directory

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// UpdateSelf replaces the details that people change themselves if ifMatch is the current version
// of the account, and otherwise returns care.PreconditionFailed. A changed number must be verified
// again. If nothing changes, there is no new version and no event.
func (s *Service) UpdateSelf(ctx context.Context, cmd care.Command, ifMatch int64, in SelfInput) (Me, error) {
	if err := requirePerson(cmd); err != nil {
		return Me{}, err
	}
	in.Phone, in.WhatsApp = normalPhone(in.Phone), normalPhone(in.WhatsApp)
	var me Me
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		row, err := db.New(tx).UserLock(ctx, cmd.Actor.UserID)
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		if err := checkVersion("your account", row.Version, ifMatch); err != nil {
			return err
		}
		whole := inputOf(row)
		whole.Phone, whole.WhatsApp, whole.Locale, whole.TimeZone = in.Phone, in.WhatsApp, in.Locale, in.TimeZone
		changed := whole.changes(row)
		if err := whole.validateChanged(changed, nil); err != nil {
			return err
		}
		if len(changed) > 0 {
			if row, err = s.replace(ctx, tx, cmd, row, whole, changed, nil); err != nil {
				return err
			}
		}
		me = meFrom(row, cmd.Actor)
		return nil
	})
	if err != nil {
		return Me{}, err
	}
	return me, nil
}

// inputOf returns the input that changes nothing.
func inputOf(u db.User) UserInput {
	return UserInput{
		Email: care.OrZero(u.Email), GivenName: u.GivenName, FamilyName: u.FamilyName, Phone: u.Phone, WhatsApp: u.Whatsapp,
		Locale: u.Locale, TimeZone: u.TimeZone, BirthDate: dateText(u.BirthDate), Sex: care.OrZero(u.Sex), Status: u.Status,
	}
}

func meFrom(u db.User, actor care.Actor) Me {
	held := actor.Memberships
	if held == nil {
		held = []care.Membership{}
	}
	return Me{
		ID: u.ID, Version: u.Version, Email: care.OrZero(u.Email), GivenName: u.GivenName, FamilyName: u.FamilyName, Phone: u.Phone, WhatsApp: u.Whatsapp,
		Locale: u.Locale, TimeZone: u.TimeZone, BirthDate: dateText(u.BirthDate), Sex: care.OrZero(u.Sex), Memberships: held,
	}
}
