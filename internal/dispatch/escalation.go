package dispatch

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/postgres/db"
)

// insertEscalations writes the steps that follow if nobody reacts to the notifications, once for
// each event and rule.
func insertEscalations(ctx context.Context, tx pgx.Tx, fresh []notification) error {
	type key struct {
		position int64
		rule     string
	}
	done := map[key]bool{}
	var rows db.EscalationInsertManyParams
	for i := range fresh {
		n := &fresh[i]
		k := key{n.event.Position, n.match.Rule.Name}
		if len(n.match.Rule.Escalate) == 0 || done[k] {
			continue
		}
		done[k] = true
		for step, e := range n.match.Rule.Escalate {
			rows.EventPositions = append(rows.EventPositions, n.event.Position)
			rows.EventIds = append(rows.EventIds, n.event.ID)
			rows.Rules = append(rows.Rules, n.match.Rule.Name)
			rows.RuleVersions = append(rows.RuleVersions, n.version)
			rows.Steps = append(rows.Steps, int32(step))
			rows.Unlesses = append(rows.Unlesses, string(e.Unless))
			rows.AfterSeconds = append(rows.AfterSeconds, e.After.Seconds())
			rows.Subjects = append(rows.Subjects, n.event.Subject)
			rows.SubjectVersions = append(rows.SubjectVersions, care.OrZero(n.event.SubjectVersion))
			rows.ClinicIds = append(rows.ClinicIds, care.OrZero(n.event.ClinicID))
		}
	}
	if len(rows.Rules) == 0 {
		return nil
	}
	if err := db.New(tx).EscalationInsertMany(ctx, rows); err != nil {
		return fmt.Errorf("insert escalations: %w", err)
	}
	return nil
}
