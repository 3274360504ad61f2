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

// More SQLSTATE codes, those that a start or a command can meet.
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
	schemaIsAnother        = "the schema is not this binary's: run `carewire migrate`"
	everyRole              = "carewire_owner, carewire_app, carewire_worker, carewire_auditor"
	serverReadOnly         = "the server takes no writes: point DATABASE_URL at the primary, or lift default_transaction_read_only where it is set (server, database or user)"
	userLacksRight         = "the user of DATABASE_URL lacks a right: let `carewire migrate` run once as a user with CREATEROLE who owns the database, and grant " + everyRole + " to this one"
	sessionRefused         = "the server refuses this user or password: check both, and pg_hba.conf"
	databaseMissing        = "there is no such database: create it first"
	connectionsExhausted   = "all connections are taken: raise max_connections, or lower CAREWIRE_DB_MAX_CONNS"
	lockTaken              = "another transaction holds a lock that is needed: find it in pg_stat_activity, end it, and try again"
	roleCannotBeSet        = "run `carewire migrate`, and let the user be a member of that role: GRANT %s TO %s"
	connectRightMissing    = "the user lacks a right: GRANT CONNECT ON DATABASE %s TO %s"
	noPrimaryAmongTheHosts = "no host is what target_session_attrs asks for: is a failover under way?"
)

// remedies say what to do about a SQLSTATE that stops a start or a command.
var remedies = map[string]string{
	readOnlyTransaction:   serverReadOnly,
	insufficientPrivilege: userLacksRight,
	undefinedTable:        schemaIsAnother,
	undefinedColumn:       schemaIsAnother,
	undefinedFunction:     schemaIsAnother,
	invalidSchemaName:     schemaIsAnother,
	invalidPassword:       sessionRefused,
	invalidAuthorization:  sessionRefused,
	invalidCatalogName:    databaseMissing,
	tooManyConnections:    connectionsExhausted,
	lockNotAvailable:      lockTaken,
	cannotConnectNow:      "the server is starting up or shutting down: try again in a moment",
	diskFull:              "the server's disk is full: free space",
}

// explained is an error in one line that says what to do.
type explained struct {
	text  string
	cause error
}

// Error is the line.
func (e *explained) Error() string { return e.text }

// Unwrap is the error that was explained, or nil.
func (e *explained) Unwrap() error { return e.cause }

// refuseDatabase is the error of a database that cannot be used as it is. The SQLSTATE is the one that PostgreSQL has for the
// condition; it did not say so itself.
func refuseDatabase(sqlState, format string, args ...any) error {
	return &explained{text: fmt.Sprintf(format, args...) + " (SQLSTATE " + sqlState + ")"}
}

// Explain returns err in one line, for whoever started the service or ran a command: where it is PostgreSQL's, with its
// SQLSTATE and, where that is known, with what to do. A refusal in the domain's words and an error that was explained
// already keep their text. The original stays in the chain.
func Explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*explained](err); ok {
		return oneLine(err)
	}
	if refused, ok := errors.AsType[*care.Error](err); ok && refused.Unwrap() == nil {
		return err
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || remedies[pgErr.Code] == "" {
		return oneLine(err)
	}
	text := err.Error()
	if !strings.Contains(text, pgErr.Code) { // A domain error has words of its own.
		text += " (SQLSTATE " + pgErr.Code + ")"
	}
	return oneLine(&explained{text + ": " + remedies[pgErr.Code], err})
}

// Advice returns what to do about an error of PostgreSQL that stops a command, or "" where nothing is known. It holds nothing of
// the error's own text.
func Advice(err error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return remedies[pgErr.Code]
	}
	return ""
}

// oneLine keeps an error that is one, and puts the lines of another behind each other.
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

// connectError says where the connection was tried and what to do; the password is in none of its parts.
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
			remedy = fmt.Sprintf(connectRightMissing, quoteIdentifier(cc.Database), quoteIdentifier(cc.User))
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
