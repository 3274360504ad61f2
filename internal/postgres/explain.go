package postgres

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"carewire/internal/care"
)

// SQLSTATE codes and remedies of errors that stop a start or a command.
const (
	featureNotSupported    = "0A000"
	invalidAuthorization   = "28000"
	invalidPassword        = "28P01"
	invalidParameter       = "22023"
	invalidCatalogName     = "3D000"
	invalidSchemaName      = "3F000"
	insufficientPrivilege  = "42501"
	undefinedColumn        = "42703"
	undefinedFunction      = "42883"
	diskFull               = "53100"
	tooManyConnections     = "53300"
	objectNotInState       = "55000"
	cannotConnectNow       = "57P03"
	schemaMismatch         = "the schema does not match this binary: run `carewire migrate`"
	everyRole              = "carewire_owner, carewire_app, carewire_worker, carewire_auditor"
	serverReadOnly         = "the server is read-only: point DATABASE_URL at the primary, or unset default_transaction_read_only (server, database or user)"
	missingPrivilege       = "the user of DATABASE_URL lacks a privilege: run `carewire migrate` once as a user with CREATEROLE who owns the database, and grant " + everyRole + " to this one"
	sessionRefused         = "the server rejected the user or password: check both, and pg_hba.conf"
	databaseMissing        = "the database does not exist: create it first"
	connectionsExhausted   = "all connections are in use: raise max_connections, or lower CAREWIRE_DB_MAX_CONNS"
	lockTaken              = "another transaction holds a required lock: find it in pg_stat_activity, end it, and try again"
	roleCannotBeSet        = "run `carewire migrate`, and make the user a member of the role: GRANT %s TO %s"
	missingConnect         = "the user lacks a privilege: GRANT CONNECT ON DATABASE %s TO %s"
	noPrimaryAmongTheHosts = "no host matches target_session_attrs: is a failover in progress?"
)

// remedies maps SQLSTATEs that stop a start or a command to what the operator can do.
var remedies = map[string]string{
	readOnlyTransaction:   serverReadOnly,
	insufficientPrivilege: missingPrivilege,
	undefinedTable:        schemaMismatch,
	undefinedColumn:       schemaMismatch,
	undefinedFunction:     schemaMismatch,
	invalidSchemaName:     schemaMismatch,
	invalidPassword:       sessionRefused,
	invalidAuthorization:  sessionRefused,
	invalidCatalogName:    databaseMissing,
	tooManyConnections:    connectionsExhausted,
	lockNotAvailable:      lockTaken,
	cannotConnectNow:      "the server is starting up or shutting down: try again in a moment",
	diskFull:              "the server's disk is full: free space",
}

// explained is a one-line error with a remedy.
type explained struct {
	text  string
	cause error
}

// Error implements error.
func (e *explained) Error() string { return e.text }

// Unwrap returns the explained error, or nil.
func (e *explained) Unwrap() error { return e.cause }

// refuseDatabase returns the error for an unusable database. sqlState is PostgreSQL's code of the
// condition, although PostgreSQL did not return it.
func refuseDatabase(sqlState, format string, args ...any) error {
	return &explained{text: fmt.Sprintf(format, args...) + " (SQLSTATE " + sqlState + ")"}
}

// Explain returns err in one line, for the person who started the service or ran a command. A
// PostgreSQL error includes its SQLSTATE and, if known, a remedy. A domain error and an error that
// was explained already keep their text. The original remains in the chain.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*explained](err); ok {
		return oneLine(err)
	}
	if domain, ok := errors.AsType[*care.Error](err); ok && domain.Unwrap() == nil {
		return err
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || remedies[pgErr.Code] == "" {
		return oneLine(err)
	}
	text := err.Error()
	if !strings.Contains(text, pgErr.Code) { // A domain error has its own text.
		text += " (SQLSTATE " + pgErr.Code + ")"
	}
	return oneLine(&explained{text + ": " + remedies[pgErr.Code], err})
}

// Advice returns the remedy for a PostgreSQL error that stops a command, or "" if none is known. It
// contains nothing of the error's text.
func Advice(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return remedies[pgErr.Code]
	}
	return ""
}

// oneLine returns a one-line error unchanged, and joins the lines of another.
func oneLine(err error) error {
	text := err.Error()
	if !strings.ContainsAny(text, "\r\n") {
		return err
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return &explained{strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": "), err}
}

// connectError returns an error with the address of the connection and a remedy. It does not
// contain the password.
func (cfg Config) connectError(cc *pgx.ConnConfig, err error) error {
	role := cfg.Role
	where := fmt.Sprintf("%s, database %q, user %q", net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port))), cc.Database, cc.User)
	if role != "" {
		where += ", role " + string(role)
	}
	remedy := ""
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		remedy = remedies[pgErr.Code]
		switch {
		case role != "" && (pgErr.Code == invalidParameter || pgErr.Code == insufficientPrivilege && !connecting(err)):
			remedy = fmt.Sprintf(roleCannotBeSet, role, quoteIdentifier(cc.User))
		case pgErr.Code == insufficientPrivilege:
			remedy = fmt.Sprintf(missingConnect, quoteIdentifier(cc.Database), quoteIdentifier(cc.User))
		}
	} else if noPrimary(err) {
		remedy = noPrimaryAmongTheHosts
	}
	text := fmt.Sprintf("connect to %s (%s): %s", cfg.setting(), where, err.Error())
	if remedy != "" {
		text += ": " + remedy
	}
	return oneLine(&explained{text, err})
}

func quoteIdentifier(name string) string { return pgx.Identifier{name}.Sanitize() }
