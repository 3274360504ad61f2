package directory

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// requirePerson returns an error for programs, and for roles that may not manage their own account.
func requirePerson(cmd care.Command) error {
	if !cmd.Actor.MayOwn(care.SelfManage) {
		return care.Errorf(care.Forbidden, "only people have an account")
	}
	return nil
}

// MaxDevices is the maximum number of devices of a person that receive push messages. Another
// registration replaces the device that was not seen for the longest time, so that a person can
// always register a new installation.
const MaxDevices = 20

// RegisterDevice registers a device for the actor's push messages. A token belongs to one person at
// a time: a token of another person moves to the actor, and device.removed is appended for the
// other person. Registering the actor's own token again only updates its last use. The actor's
// oldest devices beyond MaxDevices are removed.
func (s *Service) RegisterDevice(ctx context.Context, cmd care.Command, platform, token string) (Device, error) {
	if err := requirePerson(cmd); err != nil {
		return Device{}, err
	}
	if err := (NewDevice{Platform: platform, Token: token}).Validate(); err != nil {
		return Device{}, err
	}
	var device Device
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		if err := q.DeviceTokenLock(ctx, token); err != nil {
			return fmt.Errorf("lock device token: %w", err)
		}
		had, err := q.DeviceSeen(ctx, db.DeviceSeenParams{Token: token, UserID: cmd.Actor.UserID, Platform: platform})
		if err == nil {
			device = deviceFrom(had)
			return nil
		}
		if !notFound(err) {
			return fmt.Errorf("read device by token: %w", err)
		}
		// Registrations of one person are serialized, so that each counts the others.
		if _, err := q.UserLock(ctx, cmd.Actor.UserID); err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		released, err := q.DeviceRelease(ctx, db.DeviceReleaseParams{Token: token, UserID: cmd.Actor.UserID})
		if err != nil {
			return fmt.Errorf("take device over: %w", err)
		}
		var events []event.Event
		for _, d := range released {
			taken := db.Device{ID: d.ID, UserID: d.UserID, Platform: d.Platform}
			events = append(events, deviceEvent(cmd, "device.removed", taken, "taken_over"))
		}
		row, err := q.DeviceInsert(ctx, db.DeviceInsertParams{
			ID: uuid.Must(uuid.NewV7()), UserID: cmd.Actor.UserID, Platform: platform, Token: token,
		})
		if err != nil {
			return fmt.Errorf("insert device: %w", err)
		}
		device = deviceFrom(row)
		device.Created = true
		evicted, err := q.DeviceEvict(ctx, db.DeviceEvictParams{UserID: cmd.Actor.UserID, ID: row.ID, Keep: MaxDevices - 1})
		if err != nil {
			return fmt.Errorf("remove the oldest devices: %w", err)
		}
		for _, d := range evicted {
			events = append(events, deviceEvent(cmd, "device.removed", d, "too_many"))
		}
		return outbox.Append(ctx, tx, append(events, deviceEvent(cmd, "device.registered", row, ""))...)
	})
	if err != nil {
		return Device{}, err
	}
	return device, nil
}

// ListDevices returns the actor's devices, oldest first.
func (s *Service) ListDevices(ctx context.Context, actor care.Actor) ([]Device, error) {
	var rows []db.Device
	err := s.writer.Read(ctx, actor, func(tx pgx.Tx) (err error) {
		rows, err = db.New(tx).DeviceListOfUser(ctx, actor.UserID)
		return err
	})
	if err != nil {
		return nil, reading("devices", err)
	}
	devices := make([]Device, len(rows))
	for i, row := range rows {
		devices[i] = deviceFrom(row)
	}
	return devices, nil
}

// DeleteDevice removes one of the actor's devices. A device of another person is care.NotFound, as
// a missing one is.
func (s *Service) DeleteDevice(ctx context.Context, cmd care.Command, id uuid.UUID) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		row, err := db.New(tx).DeviceDelete(ctx, db.DeviceDeleteParams{ID: id, UserID: cmd.Actor.UserID})
		if notFound(err) {
			answer := care.Errorf(care.NotFound, "device not found")
			return outbox.Deny(cmd, answer, care.SelfManage, care.Ref{Kind: "device", ID: id}, nil, nil)
		}
		if err != nil {
			return fmt.Errorf("delete device: %w", err)
		}
		return outbox.Append(ctx, tx, deviceEvent(cmd, "device.removed", row, ""))
	})
}

func deviceEvent(cmd care.Command, typ string, d db.Device, reason string) event.Event {
	return event.New(cmd, typ, care.Ref{Kind: "device", ID: d.ID}, event.Device{
		DeviceID: d.ID, UserID: d.UserID, Platform: d.Platform, Reason: reason,
	}).About(cmd, d.UserID, nil)
}

func deviceFrom(d db.Device) Device {
	return Device{ID: d.ID, Platform: d.Platform, CreatedAt: d.CreatedAt, LastSeenAt: d.LastSeenAt}
}
