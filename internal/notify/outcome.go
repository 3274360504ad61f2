package notify

import "slices"

// MessageOutcome is what became of a message: sent, failed, uncertain or suppressed after an attempt,
// or delivered, read, bounced or complained by a receipt.
type MessageOutcome struct {
	Channel string
	// Provider is the configured provider; empty if none was called.
	Provider string
	// TemplateVersion is the version of the templates that the message was rendered from.
	TemplateVersion int32
	Outcome         string
}

// messageOutcomes are the outcomes of attempts that are reported: those after which no attempt
// follows.
var messageOutcomes = []Outcome{OutcomeSent, OutcomeFailed, OutcomeUncertain, OutcomeSuppressed}

// observeMessage reports the outcome of an attempt.
func (w *Worker) observeMessage(a *attempt, e result) {
	if slices.Contains(messageOutcomes, e.outcome) {
		w.cfg.ObserveMessage(MessageOutcome{a.Channel, e.receipt.Provider, a.TemplateVersion, string(e.outcome)})
	}
}

// bounced is the outcome of a message that the provider accepted and could not deliver.
const bounced = "bounced"

// observeReceipts reports the outcomes of receipts that were committed.
func (w *Worker) observeReceipts(all []MessageOutcome) {
	for _, m := range all {
		w.cfg.ObserveMessage(m)
	}
}
