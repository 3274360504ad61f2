package operator

import (
	"errors"

	"carewire/internal/care"
	"carewire/internal/postgres"
)

// safe returns err as userError has it if the operator serves a terminal, else unchanged.
func (o *Operator) safe(err error) error {
	if !o.terminal {
		return err
	}
	return postgres.Explain(userError(err))
}

// oneLine returns err in one line and with a remedy if the operator serves a terminal, else
// unchanged.
func (o *Operator) oneLine(err error) error {
	if !o.terminal {
		return err
	}
	return postgres.Explain(err)
}

// userError returns an error for a terminal: the message of a domain error, which includes how to
// proceed; otherwise the SQLSTATE or type, with a remedy if there is one. PostgreSQL's own messages
// can quote protected health information.
func userError(err error) error {
	if err == nil {
		return nil
	}
	if advice := postgres.Advice(err); advice != "" {
		return errors.New(postgres.SafeError(err) + ": " + advice)
	}
	if e, ok := errors.AsType[*care.Error](err); ok {
		return e
	}
	return errors.New(postgres.SafeError(err))
}
