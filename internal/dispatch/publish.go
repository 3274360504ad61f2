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

// MaxNote is the maximum length of a note, in characters.
const MaxNote = 500

// liveRules is the subject of rules.published; its version is the set's.
const liveRules = "rules/live"

// Publish checks a rule set, stores it as the next version and announces it with rules.published,
// in one transaction. It is in force from the event after that one on. If the source equals the
// newest version's, Publish changes nothing and returns that version. The caller has checked that
// the actor may publish.
//
// The error for an invalid set is a care.Error of code care.Invalid with each mistake as a field;
// its chain contains the rule.Errors.
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

// invalidRules returns a care.Error for the mistakes in a rule set.
func invalidRules(mistakes rule.Errors) *care.Error {
	invalid := care.Errorf(care.Invalid, "the rule set has %d mistakes: %w", len(mistakes), mistakes)
	invalid.Message = fmt.Sprintf("the rule set has %d mistakes", len(mistakes))
	for _, m := range mistakes {
		field := "rules"
		if m.Field != "" {
			field = m.Field
		}
		invalid.Fields = append(invalid.Fields, care.FieldError{Field: field, Message: m.Error(), Line: m.Line})
	}
	return invalid
}
