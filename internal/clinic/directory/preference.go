package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// categories are the categories of preferences, in the order in which preferences are listed.
var categories = []event.Category{
	event.CategoryClinical, event.CategoryAppointment, event.CategoryBilling, event.CategoryAccount, event.CategoryChat, event.CategorySystem,
}

// ListPreferences returns the actor's preference for each category on each channel. A preference
// that was never set is enabled.
func (s *Service) ListPreferences(ctx context.Context, actor care.Actor) ([]Preference, error) {
	var rows []db.PreferenceListRow
	err := s.writer.Read(ctx, actor, func(tx pgx.Tx) (err error) {
		rows, err = db.New(tx).PreferenceList(ctx, actor.UserID)
		return err
	})
	if err != nil {
		return nil, reading("preferences", err)
	}
	var list []Preference
	for _, category := range categories {
		for _, channel := range s.preferable {
			i := slices.IndexFunc(rows, func(r db.PreferenceListRow) bool { return r.Category == string(category) && r.Channel == channel })
			list = append(list, Preference{Category: string(category), Channel: channel, Enabled: i < 0 || rows[i].Enabled})
		}
	}
	return list, nil
}

// UpdatePreference stores the actor's preference for one category on one channel.
func (s *Service) UpdatePreference(ctx context.Context, cmd care.Command, p Preference) error {
	if err := requirePerson(cmd); err != nil {
		return err
	}
	if err := p.Validate(s.preferable); err != nil {
		return err
	}
	return s.setPreference(ctx, cmd, cmd.Actor.UserID, p)
}

// Unsubscribe turns the person's messages of one category on one channel off, on behalf of the owner
// of a signed link, who is not signed in. Repeating it changes nothing. The error for a person who is
// not registered, or a preference that does not exist, is care.NotFound.
func (s *Service) Unsubscribe(ctx context.Context, cmd care.Command, userID uuid.UUID, category, channel string) error {
	p := Preference{Category: category, Channel: channel}
	if err := p.Validate(s.preferable); err != nil {
		return care.Errorf(care.NotFound, "no such preference")
	}
	cmd.Actor = care.SystemActor("unsubscribe")
	err := s.setPreference(ctx, cmd, userID, p)
	if care.CodeOf(err) == care.Invalid { // The foreign key.
		return care.Errorf(care.NotFound, "no such person")
	}
	return err
}

func (s *Service) setPreference(ctx context.Context, cmd care.Command, userID uuid.UUID, p Preference) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		changed, err := db.New(tx).PreferenceSet(ctx, db.PreferenceSetParams{
			UserID: userID, Category: p.Category, Channel: p.Channel, Enabled: p.Enabled,
		})
		if err != nil {
			return fmt.Errorf("set preference: %w", err)
		}
		if changed == 0 {
			return nil
		}
		e := event.New(cmd, "user.preference_changed", userRef(userID), event.Preference{
			UserID: userID, Category: p.Category, Channel: p.Channel, Enabled: p.Enabled,
		})
		return outbox.Append(ctx, tx, e.About(cmd, userID, nil))
	})
}
