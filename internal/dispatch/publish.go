package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// MaxNote is the most characters of a note.
const MaxNote = 500

// liveRules is the subject of rules.published; its version is the set's.
const liveRules = "rules/live"

// Publish checks a rule set, stores it as the next version and announces it with rules.published, in one transaction. It
// is in force from the event after that one on. A source that is the newest version's gives that version and does
// nothing. Whoever calls it has seen to it that the actor may.
//
// A set with mistakes is a care.Error of code care.Invalid with each of them as a field; its chain holds the rule.Errors.
func Publish(ctx context.Context, writer *outbox.Writer, cmd care.Command, src []byte, note string, known rule.Known) (int32, error) {
	if _, err := Check(src, known); err != nil {
		return 0, err
	}
	var p care.FieldErrors
	if p.Text("note", note, 0, MaxNote); len(p) > 0 {
		return 0, p.Err()
	}
	checksum := sha256.Sum256(src)
	var version int32
	err := writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		queries := db.New(tx)
		if err := queries.RuleSetLock(ctx); err != nil {
			return fmt.Errorf("lock rule sets: %w", err)
		}
		newest, err := queries.RuleSetCurrent(ctx)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("read newest rule set: %w", err)
		}
		if version = newest.Version; bytes.Equal(newest.Checksum, checksum[:]) {
			return nil
		}
		version++
		err = queries.RuleSetInsert(ctx, db.RuleSetInsertParams{
			Version: version, Source: string(src), Checksum: checksum[:], Note: note, PublishedBy: cmd.Actor.ID,
		})
		if err != nil {
			return fmt.Errorf("insert rule set: %w", err)
		}
		return outbox.Append(ctx, tx, publication(cmd, version))
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

func publication(cmd care.Command, version int32) event.Event {
	e := event.New(cmd, publishedType, care.Ref{}, event.RulesPublished{Version: version})
	e.Subject = liveRules
	if cmd.Actor.UserID != uuid.Nil {
		e.ActorRole = cmp.Or(string(cmd.Actor.PlatformRole()), "none")
	}
	return e.AtVersion(int64(version))
}

// refusal makes a care.Error of the mistakes in a rule set.
func refusal(mistakes rule.Errors) *care.Error {
	refused := care.Errorf(care.Invalid, "the rule set has %d mistakes: %w", len(mistakes), mistakes)
	refused.Message = fmt.Sprintf("the rule set has %d mistakes", len(mistakes))
	for _, m := range mistakes {
		field := "rules"
		if m.Field != "" {
			field = m.Field
		}
		refused.Fields = append(refused.Fields, care.FieldError{Field: field, Message: m.Error(), Line: m.Line})
	}
	return refused
}
