package templateset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
	"carewire/internal/versionset"
)

// Publish checks a template set, stores it as the next version and announces it with
// templates.published, in one transaction. It is in force from the event after that one on. If the
// source equals the newest version's, Publish changes nothing and returns that version. The caller
// has checked that the actor may publish.
//
// The error for an invalid set, and for one without a template that the newest rules need, is a
// care.Error of code care.Invalid with each mistake as a field; its chain contains the
// template.Errors.
func (s *Sets) Publish(ctx context.Context, writer *outbox.Writer, cmd care.Command, src []byte, note string) (int32, error) {
	set, err := s.Parse(src)
	if err != nil {
		return 0, invalid(err)
	}
	return versionset.Templates.Publish(ctx, writer, cmd, src, note, func(tx pgx.Tx) error {
		return s.checkFit(ctx, tx, set)
	})
}

// Rollback publishes an earlier version's source again, as a new version, and returns that. The
// default note contains the earlier version. The error for a version that was not published is
// care.NotFound; a source that no longer passes the checks fails as in Publish. If the source equals
// the newest version's, Rollback changes nothing and returns that version.
func (s *Sets) Rollback(ctx context.Context, writer *outbox.Writer, cmd care.Command, version int32, note string) (int32, error) {
	old, note, err := versionset.Templates.Rollback(ctx, writer.Pool(), version, note)
	if err != nil {
		return 0, err
	}
	published, err := s.Publish(ctx, writer, cmd, []byte(old.Source), note)
	if mistakes, ok := errors.AsType[template.Errors](err); ok {
		answer := invalid(mistakes)
		if e, ok := errors.AsType[*care.Error](answer); ok {
			e.Message = fmt.Sprintf("version %d no longer passes the checks: it has %d mistakes", version, len(mistakes))
		}
		return 0, answer
	}
	return published, err
}

// Check returns the number of templates in a source, and stores nothing. The error for mistakes is
// that of Publish.
func (s *Sets) Check(ctx context.Context, conn db.DBTX, src []byte) (int, error) {
	set, err := s.Parse(src)
	if err != nil {
		return 0, invalid(err)
	}
	return len(set.Names()), s.checkFit(ctx, conn, set)
}

// PublishBuiltin publishes the set in the binary as version 1 of a database. On a database that
// nobody but the setup has published a set on, it also publishes the set of a newer release, so that
// corrections of the built-in texts arrive; a set that was published before is not published again,
// so that instances of two releases do not alternate. It returns the new version, or 0 for none.
func (s *Sets) PublishBuiltin(ctx context.Context, writer *outbox.Writer) (int32, error) {
	cmd := care.Command{Actor: care.SystemActor("setup")}
	src := template.Source()
	checksum := sha256.Sum256(src)
	seeded, err := db.New(writer.Pool()).TemplateSetSeeded(ctx, db.TemplateSetSeededParams{Checksum: checksum[:], PublishedBy: cmd.Actor.ID})
	if err != nil {
		return 0, fmt.Errorf("read the template sets: %w", err)
	}
	if seeded.Known || seeded.Edited {
		return 0, nil
	}
	return s.Publish(ctx, writer, cmd, src, "the built-in templates")
}

// checkFit reports the templates that the newest rules need and the set does not have.
func (s *Sets) checkFit(ctx context.Context, conn db.DBTX, set *template.Set) error {
	rules, err := versionset.Rules.Newest(ctx, conn)
	if care.CodeOf(err) == care.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	known := rule.Known{Channels: s.channels()}
	if _, err := rule.Load([]byte(rules.Source), known); err != nil {
		return care.Errorf(care.Conflict, "the templates cannot be checked: rule set version %d is not understood by this binary; run one that does, or publish other rules first", rules.Version)
	}
	known.Template = set.Has
	_, err = rule.Load([]byte(rules.Source), known)
	missing, ok := errors.AsType[rule.Errors](err)
	if !ok {
		return err
	}
	var mistakes template.Errors
	for _, m := range missing {
		mistakes = append(mistakes, template.Error{Line: 1, Field: "templates", Message: fmt.Sprintf(
			"rule %s needs what this set does not have (rule set version %d, line %d): %s; or first publish rules without it",
			m.Rule, rules.Version, m.Line, m.Message)})
	}
	return invalid(mistakes)
}

// invalid returns a care.Error for the mistakes in a template set; any other error is returned as it
// is.
func invalid(err error) error {
	mistakes, ok := errors.AsType[template.Errors](err)
	if !ok {
		return err
	}
	answer := care.Errorf(care.Invalid, "the template set has %d mistakes: %w", len(mistakes), mistakes)
	answer.Message = fmt.Sprintf("the template set has %d mistakes", len(mistakes))
	for _, m := range mistakes {
		field := "templates"
		if m.Field != "" {
			field = m.Field
		}
		answer.Fields = append(answer.Fields, care.FieldError{Field: field, Message: m.Error(), Line: m.Line})
	}
	return answer
}
