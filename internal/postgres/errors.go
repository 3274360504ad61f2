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
	// failedChecks is raised by the function refuse(). PostgreSQL leaves its class to
	// applications.
	failedChecks = "CW001"
	// actorChanged is raised by the function actor_holds().
	actorChanged = "CW002"
)

// transientClasses are the SQLSTATE classes that are independent of the row: connection, rollback,
// resources, operator (shutdown, cancel, time-out), and I/O of the server.
var transientClasses = []string{"08", "40", "53", "57", "58"}

// rowClasses are the SQLSTATE classes that a single row can cause.
var rowClasses = []string{"22", "23", "44", "54", "P0"}

// Translate converts a PostgreSQL error to a care.Error: a violated constraint by its name, a value
// that cannot be stored, and errors of the database's state rather than of the request as
// care.Unavailable. It returns nil, a care.Error, care.ErrActorChanged, pgx.ErrNoRows, an ended
// context and every fault of the program unchanged. The original remains in the chain. Its text can
// contain values, so log SafeError of it.
func Translate(err error) error {
	if err == nil || care.CodeOf(err) != "" {
		return err
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && !connecting(err) {
		if pgErr.Code == actorChanged {
			return care.ErrActorChanged
		}
		if requestErr := requestError(pgErr); requestErr != nil {
			return withCause(requestErr, err)
		}
	}
	if contextEnded(err) || !Transient(err) {
		return err
	}
	return withCause(&care.Error{Code: care.Unavailable, Message: "the database is not available right now; try again"}, err)
}

// requestError returns the error of a request that caused pgErr, or nil if the request did not
// cause it.
func requestError(pgErr *pgconn.PgError) *care.Error {
	if known, ok := constraints[pgErr.ConstraintName]; ok {
		return known.err()
	}
	switch pgErr.Code {
	case uniqueViolation, exclusionViolation:
		return &care.Error{Code: care.Conflict, Message: "the request conflicts with stored data"}
	case foreignKeyViolation:
		return &care.Error{Code: care.Invalid, Message: "the request refers to something that does not exist"}
	case checkViolation, valueTooLong, numberOutOfRange, dateOutOfRange:
		return &care.Error{Code: care.Invalid, Message: "a value is out of range"}
	case untranslatableText, badByteSequence:
		return &care.Error{Code: care.Invalid, Message: "a text contains a character that cannot be stored, such as U+0000"}
	case serializationFailure, deadlockDetected:
		return &care.Error{Code: care.Unavailable, Message: "another request changed the same data at the same time; try again"}
	}
	return nil
}

// FailedChecks returns the names of the failed checks of a statement that ended with refuse(), or
// none for any other error.
func FailedChecks(err error) []string {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pgErr.Code != failedChecks {
		return nil
	}
	return strings.Split(pgErr.Detail, ",")
}

// withCause keeps the original in the chain, but not in the message to the caller.
func withCause(err *care.Error, cause error) error {
	e := care.Errorf(err.Code, "%w", cause)
	e.Message, e.Fields = err.Message, err.Fields
	return e
}

// Transient reports whether a retry may succeed and no single row causes the error: a lost or
// refused connection, serialization, deadlock, time-out, cancellation, exhausted resources, a
// server that became read-only.
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

// Exhausted reports whether the error is transient and a smaller transaction may succeed: a
// time-out of a statement, of a transaction or of an idle transaction, insufficient resources, and
// a session that ended in progress. A server that ends an idle transaction sends the error before
// the next statement, which may see only a broken pipe.
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

// lost reports an error of an established connection.
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

// Closed reports whether the pool of connections was closed: no more writes go through it.
func Closed(err error) bool { return errors.Is(err, puddle.ErrClosedPool) }

func transientState(code string) bool {
	switch code {
	case readOnlyTransaction, idleInTransaction, transactionTimeout, lockNotAvailable:
		return true
	}
	return len(code) == 5 && slices.Contains(transientClasses, code[:2])
}

// Away reports whether the server is unreachable or takes no work at the moment, so that waiting
// may help: refused, lost and timed-out connections, names that do not resolve, a server that is
// starting up or shutting down, too many connections. It is false for errors that waiting does not
// change: a wrong password, a missing database, a missing privilege, a read-only server, a
// certificate that does not verify.
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

// unreachable reports whether a connection failed before the server answered. If several hosts were
// tried, one such failure is enough.
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

// noPrimary reports whether hosts answered, but none with the target_session_attrs: a failover is
// in progress. pgx has no type for it.
func noPrimary(err error) bool { return strings.Contains(err.Error(), "ValidateConnect failed") }

// RowFault reports whether a row can cause the error: a value or a constraint (classes 22, 23, 44),
// a program limit such as the size of an index entry (54), or an error that a trigger raised (P0).
// It is false for errors that a retry may fix, and for faults of the schema, of privileges or of
// this program, which would fail every row.
func RowFault(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(pgErr.Code) != 5 || Transient(err) {
		return false
	}
	return slices.Contains(rowClasses, pgErr.Code[:2])
}

// connecting reports an error of establishing a connection, with any SQLSTATE.
func connecting(err error) bool {
	_, ok := errors.AsType[*pgconn.ConnectError](err)
	return ok
}

// contextEnded reports whether the caller cancelled or its deadline passed. The time-out of a
// connection attempt is the database's fault, not the caller's.
func contextEnded(err error) bool {
	return errors.Is(err, context.Canceled) || (errors.Is(err, context.DeadlineExceeded) && !connecting(err))
}

// A SafeTexter is an error with a text without values, which may be logged.
type SafeTexter interface {
	error
	// SafeText returns that text.
	SafeText() string
}

// SafeError returns the kind of err for logs and for columns that store errors: SQLSTATE,
// constraint, code and Go type, never a message or a value. PostgreSQL's messages and details quote
// the row, which can be protected health information. For a value that could not be read it returns
// the column and the Go type.
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
	if domain, ok := errors.AsType[*care.Error](err); ok && domain.Unwrap() == nil {
		parts := []string{"refused:", string(domain.Code)}
		for _, f := range domain.Fields {
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

// scannedInto matches the Go type at the end of pgx's "cannot scan … into *time.Time".
var scannedInto = regexp.MustCompile(` (?:into|to) \*{0,2}(\[\]|\[[0-9]+\])?([a-z][a-z0-9]*(\.[A-Z][A-Za-z0-9]*)?)$`)

// ScanTarget returns "column <name> into <Go type>" for a value that pgx could not scan, never the
// value. It omits the type if pgx does not name it.
func ScanTarget(column string, err error) string {
	text := "column " + column
	if err != nil {
		if m := scannedInto.FindStringSubmatch(err.Error()); m != nil {
			text += " into " + m[1] + m[2]
		}
	}
	return text
}

// innermost returns the innermost wrapped error; of joined errors, the first.
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
