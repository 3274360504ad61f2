package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"carewire/internal/care"
)

// SQLSTATE codes, from PostgreSQL's appendix A.
const (
	valueTooLong         = "22001"
	numberOutOfRange     = "22003"
	dateOutOfRange       = "22008"
	badByteSequence      = "22021"
	untranslatableText   = "22P05"
	foreignKeyViolation  = "23503"
	uniqueViolation      = "23505"
	checkViolation       = "23514"
	exclusionViolation   = "23P01"
	readOnlyTransaction  = "25006"
	idleInTransaction    = "25P03"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	// refusedByStatement is of the function refuse(), of a class that PostgreSQL leaves to applications.
	refusedByStatement = "CW001"
	// actorChanged is of the function actor_holds().
	actorChanged = "CW002"
)

// transientClasses are the SQLSTATE classes that say nothing about the row: connection, rollback, resources, operator
// (shutdown, cancel, time-out), and input or output of the server itself.
var transientClasses = []string{"08", "40", "53", "57", "58"}

// rowClasses are the SQLSTATE classes that a single row can cause.
var rowClasses = []string{"22", "23", "44", "54", "P0"}

// Translate makes a care.Error of a PostgreSQL error: a violated constraint by its name, a value that cannot be stored,
// and whatever is about the database's state and not about the request as care.Unavailable. nil, a care.Error,
// care.ErrActorChanged, pgx.ErrNoRows, an ended context and every fault of ours pass unchanged. The original stays in the chain; its text can
// hold values, so log SafeError of it.
func Translate(err error) error {
	if err == nil || care.CodeOf(err) != "" {
		return err
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && !connecting(err) {
		if pgErr.Code == actorChanged {
			return care.ErrActorChanged
		}
		if refused := refusal(pgErr); refused != nil {
			return withCause(refused, err)
		}
	}
	if contextEnded(err) || !Transient(err) {
		return err
	}
	return withCause(&care.Error{Code: care.Unavailable, Message: "the database does not answer right now; try again"}, err)
}

// refusal says what the request did wrong, nil when it is not the request's doing.
func refusal(pgErr *pgconn.PgError) *care.Error {
	if known, ok := constraints[pgErr.ConstraintName]; ok {
		return known.refusal()
	}
	switch pgErr.Code {
	case uniqueViolation, exclusionViolation:
		return &care.Error{Code: care.Conflict, Message: "it contradicts what is already stored"}
	case foreignKeyViolation:
		return &care.Error{Code: care.Invalid, Message: "it refers to something that does not exist"}
	case checkViolation, valueTooLong, numberOutOfRange, dateOutOfRange:
		return &care.Error{Code: care.Invalid, Message: "a value is outside what is accepted"}
	case untranslatableText, badByteSequence:
		return &care.Error{Code: care.Invalid, Message: "a text holds a character that cannot be stored, such as U+0000"}
	case serializationFailure, deadlockDetected:
		return &care.Error{Code: care.Unavailable, Message: "somebody else changed the same thing at the same moment; try again"}
	}
	return nil
}

// Refused gives the names of the checks that failed in a statement that ended with refuse(); none for any other error.
func Refused(err error) []string {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pgErr.Code != refusedByStatement {
		return nil
	}
	return strings.Split(pgErr.Detail, ",")
}

// withCause keeps the original in the chain, and out of the message that a person reads.
func withCause(refused *care.Error, cause error) error {
	e := care.Errorf(refused.Code, "%w", cause)
	e.Message, e.Fields = refused.Message, refused.Fields
	return e
}

// Transient tells an error that a retry may get past and that no single row causes: a lost or refused connection,
// serialization, deadlock, time-out, cancellation, exhausted resources, a server that went read-only.
func Transient(err error) bool {
	if err == nil {
		return false
	}
	if connecting(err) || contextEnded(err) {
		return true
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return transientState(pgErr.Code)
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, puddle.ErrClosedPool} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return pgconn.SafeToRetry(err) || care.CodeOf(err) == care.Unavailable
}

// Closed reports whether err says that the pool of connections was closed: nothing will be written through it any more.
func Closed(err error) bool { return errors.Is(err, puddle.ErrClosedPool) }

func transientState(code string) bool {
	switch code {
	case readOnlyTransaction, idleInTransaction, lockNotAvailable:
		return true
	}
	return len(code) == 5 && slices.Contains(transientClasses, code[:2])
}

// RowFault reports whether a row can cause the error: a value or a constraint (classes 22, 23, 44), a program limit such as
// the size of an index entry (54), or what a trigger raised (P0). It is false for what a retry may get past, and for a fault
// of the schema, of rights or of this program, which would fail every row alike.
func RowFault(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(pgErr.Code) != 5 || Transient(err) {
		return false
	}
	return slices.Contains(rowClasses, pgErr.Code[:2])
}

// connecting tells an error of making a connection, whatever its SQLSTATE.
func connecting(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

// contextEnded tells that the caller gave up, or that its time was up. A connection attempt has a time-out of its own,
// which is the database's fault and not the caller's wish.
func contextEnded(err error) bool {
	return errors.Is(err, context.Canceled) || (errors.Is(err, context.DeadlineExceeded) && !connecting(err))
}

// SafeError says what kind of error err is, for logs and for columns that hold errors: SQLSTATE, constraint, code and
// Go type, never a message or a value. PostgreSQL's messages and details quote the row, which can be protected health
// information.
func SafeError(err error) string {
	if err == nil {
		return ""
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		text := "SQLSTATE " + pgErr.Code
		if pgErr.ConstraintName != "" {
			text += " constraint " + pgErr.ConstraintName
		}
		return text
	}
	if refused, ok := errors.AsType[*care.Error](err); ok && refused.Unwrap() == nil {
		parts := []string{"refused:", string(refused.Code)}
		for _, f := range refused.Fields {
			parts = append(parts, f.Field)
		}
		return strings.Join(parts, " ")
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", innermost(err)), "*")
}

// innermost is the error that the others wrap; of joined ones the first.
func innermost(err error) error {
	for {
		var next error
		switch e := err.(type) { //nolint:errorlint // each step looks at one error, not at the chain
		case interface{ Unwrap() error }:
			next = e.Unwrap()
		case interface{ Unwrap() []error }:
			if all := e.Unwrap(); len(all) > 0 {
				next = all[0]
			}
		}
		if next == nil {
			return err
		}
		err = next
	}
}
