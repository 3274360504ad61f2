package notify

import (
	"context"

	"carewire/internal/notify/template"
	"carewire/internal/postgres"
)

// DigestTemplate is the template of digests: messages that were collected and are sent as one.
const DigestTemplate = "digest"

// ActionInbox is the action of links that lead to the inbox; see Links.Open.
const ActionInbox = 9

// addItems adds to the data what the digest is about. A digest whose items all became untrue since it
// was closed is not sent. It returns the set that has the texts: a
// published set without a template for digests leaves them to the one in the binary.
func (w *Worker) addItems(ctx context.Context, a *attempt, set *template.Set, data *template.Data) (*template.Set, *result) {
	ctx, cancel := context.WithTimeout(ctx, issueTimeout)
	defer cancel()
	rows, err := w.queries.DigestContents(ctx, a.NotificationID)
	if err != nil {
		w.cfg.Logger.ErrorContext(ctx, "message held: the items of its digest cannot be read", "delivery_id", a.ID, "error", postgres.SafeError(err))
		return nil, &result{outcome: OutcomeHeld, code: "database"}
	}
	if len(rows) == 0 {
		return nil, &result{outcome: OutcomeCutOff, code: CutOffPrefix + "digest"}
	}
	byType := make(map[string]int, len(rows))
	for _, r := range rows {
		byType[r.EventType] = int(r.Items)
	}
	data.AddItems(byType)
	if set.Has(DigestTemplate, a.Channel) {
		return set, nil
	}
	builtin, err := w.cfg.Templates.TemplateSet(ctx, 0)
	if err != nil {
		w.cfg.Logger.ErrorContext(ctx, "message held: its template set is not available", "delivery_id", a.ID, "template_version", 0, "error", postgres.SafeError(err))
		return nil, &result{outcome: OutcomeHeld, code: "template_version"}
	}
	return builtin, nil
}
