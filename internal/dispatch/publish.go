package dispatch

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
)

// maxNote is the most characters of a note.
const maxNote = 500

// liveRules is the subject of rules.published; its version is the set's.
const liveRules = "rules/live"

// Publish checks a rule set, stores it as the next version and announces it with rules.published, in one transaction. It
// is in force from the event after that one on. A source that is the newest version's gives that version and does
// nothing. Whoever calls it has seen to it that the actor may.
//
// A set with mistakes is a care.Error of code care.Invalid with each of them as a field; its chain holds the rule.Errors.
func Publish(ctx context.Context, writer *outbox.Writer, cmd care.Command, src []byte, note string, known rule.Known) (int32, error) {
	if _, err := rule.Parse(src, known); err != nil {
		return 0, refusal(err)
	}
	if n := len([]rune(note)); n > maxNote {
		return 0, care.InvalidField("note", "has %d characters; at most %d are kept", n, maxNote)
	}
	checksum := sha256.Sum256(src)
	var version int32
	err := writer.InTx(ctx, func(tx pgx.Tx) error {
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
func refusal(err error) error {
	mistakes, ok := errors.AsType[rule.Errors](err)
	if !ok {
		return fmt.Errorf("check rule set: %w", err)
	}
	refused := care.Errorf(care.Invalid, "the rule set has %d mistakes: %w", len(mistakes), err)
	refused.Message = fmt.Sprintf("the rule set has %d mistakes", len(mistakes))
	for _, m := range mistakes {
		field := "rules"
		if m.Field != "" {
			field = m.Field
		}
		refused.Fields = append(refused.Fields, care.FieldError{Field: field, Message: m.Error()})
	}
	return refused
}

// Version is a rule set that was published.
type Version struct {
	Version int32  `json:"version"`
	Note    string `json:"note"`
	// PublishedBy is the id of the actor.
	PublishedBy string    `json:"publishedBy"`
	PublishedAt time.Time `json:"publishedAt"`
	// Position is that of the event after which the set is in force; 0 while the planner has not passed it.
	Position int64 `json:"position,omitempty"`
	// Source is the YAML; only Current gives it.
	Source string `json:"source,omitempty"`
}

// Current gives the newest rule set, with its source. Before the first it is a care.Error of code care.NotFound.
func Current(ctx context.Context, conn db.DBTX) (Version, error) {
	newest, err := Versions(ctx, conn, 1)
	if err != nil {
		return Version{}, err
	}
	if len(newest) == 0 {
		return Version{}, care.Errorf(care.NotFound, "no rule set was published yet")
	}
	v := newest[0]
	rows, err := db.New(conn).RuleSetSources(ctx, []int32{v.Version})
	if err != nil {
		return Version{}, postgres.Translate(fmt.Errorf("read rule set: %w", err))
	}
	for _, row := range rows {
		v.Source = row.Source
	}
	return v, nil
}

// Versions lists the published rule sets, newest first, at most limit of them.
func Versions(ctx context.Context, conn db.DBTX, limit int32) ([]Version, error) {
	rows, err := db.New(conn).RuleSetList(ctx, limit)
	if err != nil {
		return nil, postgres.Translate(fmt.Errorf("list rule sets: %w", err))
	}
	versions := make([]Version, len(rows))
	for i, row := range rows {
		versions[i] = Version{Version: row.Version, Note: row.Note, PublishedBy: row.PublishedBy, PublishedAt: row.PublishedAt, Position: row.Position}
	}
	return versions, nil
}
