package dispatch

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/rule"
	"carewire/internal/templateset"
	"carewire/internal/versionset"
)

// MaxNote is the maximum length of a note, in characters.
const MaxNote = versionset.MaxNote

// Known is what a rule set is checked against.
type Known struct {
	rule.Known
	// Templates are the template sets: Publish checks the rules against the newest published one, and
	// against Known.Template only before the first publication. Nil checks against Known.Template.
	Templates *templateset.Sets
}

// Publish checks a rule set, stores it as the next version and announces it with rules.published,
// in one transaction. It is in force from the event after that one on. If the source equals the
// newest version's, Publish changes nothing and returns that version. The caller has checked that
// the actor may publish.
//
// The error for an invalid set is a care.Error of code care.Invalid with each mistake as a field;
// its chain contains the rule.Errors.
func Publish(ctx context.Context, writer *outbox.Writer, cmd care.Command, src []byte, note string, known Known) (int32, error) {
	// Before the lock: it takes most of the time.
	if _, err := parseRules(src, rule.Known{Channels: known.Channels}); err != nil {
		if _, all := parseRules(src, known.Known); all != nil {
			err = all
		}
		return 0, err
	}
	return versionset.Rules.Publish(ctx, writer, cmd, src, note, func(tx pgx.Tx) error {
		_, err := Check(ctx, tx, src, known)
		return err
	})
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
