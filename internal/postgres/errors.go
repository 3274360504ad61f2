package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
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
	transactionTimeout   = "25P04" // PostgreSQL 17.
	queryCanceled        = "57014"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
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

// FailedChecks gives the names of the checks that failed in a statement that ended with refuse(); none for any other error.
func FailedChecks(err error) []string {
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
	return lost(err) || errors.Is(err, puddle.ErrClosedPool) || pgconn.SafeToRetry(err) || care.CodeOf(err) == care.Unavailable
}

// Exhausted tells a transient error that a smaller transaction may get past: a time-out of a statement, of a transaction or
// of one that was idle, resources that do not suffice, and a session that ended under way. A server that ends an idle
// transaction has said so before the next statement, which may find no more than a broken pipe.
func Exhausted(err error) bool {
	if err == nil || connecting(err) || errors.Is(err, context.Canceled) {
		return false
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pgErr.Code {
		case queryCanceled, idleInTransaction, transactionTimeout, adminShutdown, crashShutdown:
			return true
		}
		return strings.HasPrefix(pgErr.Code, "53")
	}
	return errors.Is(err, context.DeadlineExceeded) || lost(err)
}

// lost tells an error of an established connection.
func lost(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// Closed reports whether err says that the pool of connections was closed: nothing will be written through it any more.
func Closed(err error) bool { return errors.Is(err, puddle.ErrClosedPool) }

func transientState(code string) bool {
	switch code {
	case readOnlyTransaction, idleInTransaction, transactionTimeout, lockNotAvailable:
		return true
	}
	return len(code) == 5 && slices.Contains(transientClasses, code[:2])
}

// Away reports whether err says that the server cannot be reached or takes no work right now, so that it is worth waiting
// for: refused, lost and timed-out connections, names that do not resolve, a server that is starting up or shutting down, too
// many connections. What waiting does not change is not among it: a wrong password, a missing database, a missing right,
// a server that is read-only, a certificate that does not verify.
func Away(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pgErr.Code != readOnlyTransaction && transientState(pgErr.Code)
	}
	if connecting(err) {
		return unreachable(err)
	}
	return errors.Is(err, driver.ErrBadConn) || Transient(err)
}

// unreachable reports whether a connection failed before the server said anything. Where several hosts were tried, one such
// is enough.
func unreachable(err error) bool {
	if errors.Is(err, fs.ErrPermission) {
		return false // A socket's directory that the user may not enter.
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return slices.Contains([]string{"dial", "read", "write"}, op.Op) // "remote error" is TLS's.
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded} {
		if errors.Is(err, lost) {
			return true
		}
	}
	return noPrimary(err)
}

// noPrimary reports whether hosts answered, but none of the kind that target_session_attrs asks for: a failover is under way.
// pgx has no type for it.
func noPrimary(err error) bool { return strings.Contains(err.Error(), "ValidateConnect failed") }

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

// A SafeTexter is an error that knows which of its words hold no value, and may be logged.
type SafeTexter interface {
	error
	// SafeText returns those words.
	SafeText() string
}

// SafeError says what kind of error err is, for logs and for columns that hold errors: SQLSTATE, constraint, code and
// Go type, never a message or a value. PostgreSQL's messages and details quote the row, which can be protected health
// information. Of a value that could not be read it names the column and the Go type that it was to become.
func SafeError(err error) string {
	if err == nil {
		return ""
	}
	if safe, ok := errors.AsType[SafeTexter](err); ok {
		return safe.SafeText()
	}
	if scan, ok := errors.AsType[pgx.ScanArgError](err); ok {
		return strings.TrimSpace("cannot read " + ScanTarget(scan.FieldName, scan.Err))
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

// scannedInto finds the Go type at the end of pgx's "cannot scan … into *time.Time".
var scannedInto = regexp.MustCompile(` (?:into|to) \*{0,2}(\[\]|\[[0-9]+\])?([a-z][a-z0-9]*(\.[A-Z][A-Za-z0-9]*)?)$`)

// ScanTarget returns "column <name> into <Go type>" of a value that pgx could not scan, never the value. Where pgx does
// not name the type it is left out.
func ScanTarget(column string, err error) string {
	text := "column " + column
	if err != nil {
		if m := scannedInto.FindStringSubmatch(err.Error()); m != nil {
			text += " into " + m[1] + m[2]
		}
	}
	return text
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
