package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
)

// people is the data of two clinics that violates the constraints.
const people = `
INSERT INTO clinics (id, name, time_zone) VALUES ('00000000-0000-7000-8000-0000000000c1', 'North', 'UTC');
INSERT INTO users (id, email, given_name, family_name) VALUES
	('00000000-0000-7000-8000-0000000000a1', 'one@example.com', 'One', 'A'),
	('00000000-0000-7000-8000-0000000000a2', 'two@example.com', 'Two', 'B');
INSERT INTO memberships (id, user_id, clinic_id, role)
	VALUES ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000a1', '00000000-0000-7000-8000-0000000000c1', 'doctor');
INSERT INTO devices (id, user_id, platform, token)
	VALUES ('00000000-0000-7000-8000-0000000000d1', '00000000-0000-7000-8000-0000000000a1', 'web', 'token');`

func TestTranslate_NamesTheInputThatViolatedAConstraint(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, err := db.Owner.Exec(t.Context(), people)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		sql   string
		code  care.Code
		field string
	}{
		"unique":          {`INSERT INTO users (id, email, email_verified, given_name, family_name) SELECT gen_random_uuid(), 'two@example.com', true, 'X', 'Y' FROM generate_series(1, 2)`, care.Conflict, "email"},
		"unique, partial": {`INSERT INTO memberships (id, user_id, clinic_id, role) SELECT gen_random_uuid(), user_id, clinic_id, role FROM memberships`, care.Conflict, "role"},
		"primary key":     {`INSERT INTO clinics SELECT * FROM clinics`, care.Conflict, "id"},
		"foreign key":     {`INSERT INTO memberships (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), '00000000-0000-7000-8000-0000000000a1', gen_random_uuid(), 'nurse')`, care.Invalid, "clinicId"},
		"check":           {`UPDATE users SET phone = '030 123456'`, care.Invalid, "phone"},
		"length":          {`UPDATE users SET given_name = ''`, care.Invalid, "givenName"},
		"not in a table":  {`INSERT INTO rule_publications VALUES (1, 99)`, care.Invalid, ""},
		"U+0000 in JSON":  {`SELECT '{"a": "\u0000"}'::jsonb ->> 'a'`, care.Invalid, ""},
		"too large":       {`SELECT 2147483647::int4 + 1`, care.Invalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := db.Owner.Exec(t.Context(), c.sql)
			require.Error(t, err)
			got := postgres.Translate(fmt.Errorf("do it: %w", err))
			refused, ok := errors.AsType[*care.Error](got)
			require.True(t, ok, got)
			require.Equal(t, c.code, refused.Code)
			require.NotContains(t, refused.Error(), "SQLSTATE")
			require.ErrorIs(t, got, err, "the cause stays for the log")
			if c.field == "" {
				require.Empty(t, refused.Fields)
				return
			}
			require.Equal(t, c.field, refused.Fields[0].Field)
			require.False(t, postgres.Transient(err))
		})
	}
}

func TestTranslate_KnowsOnlyConstraintsThatAreInTheSchema(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	rows, err := db.Owner.Query(t.Context(), `
		SELECT conname::text FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		UNION
		SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique
		UNION
		SELECT (regexp_matches(prosrc, '''(outbox_[a-z_]+)''', 'g'))[1] FROM pg_proc WHERE proname = 'outbox_valid'`)
	require.NoError(t, err)
	inSchema, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Subset(t, inSchema, postgres.ConstraintNames())
}

func TestTranslate_ReturnsOtherErrorsUnchanged(t *testing.T) {
	t.Parallel()
	require.NoError(t, postgres.Translate(nil))
	for _, err := range []error{
		errors.New("a fault of ours"),
		pgx.ErrNoRows,
		context.Canceled,
		context.DeadlineExceeded,
		care.Errorf(care.Forbidden, "no"),
		&pgconn.PgError{Code: "42601", Message: "syntax error"},
	} {
		require.Equal(t, err, postgres.Translate(err))
	}
}

func TestTranslate_ConvertsALostConnectionToUnavailable(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	err := postgres.InTx(t.Context(), db.App, func(tx pgx.Tx) error {
		var pid int
		if err := tx.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
			return err
		}
		kill(t, db, pid)
		_, err := tx.Exec(t.Context(), addClinic)
		require.Error(t, err)
		require.True(t, postgres.Transient(err), err)
		_, again := tx.Exec(t.Context(), addClinic)
		require.True(t, postgres.Transient(again), again)
		return err
	})
	require.Equal(t, care.Unavailable, care.CodeOf(err))
	require.True(t, postgres.Transient(err))

	_, err = pgx.Connect(t.Context(), "postgres://u@127.0.0.1:1/db?sslmode=disable")
	require.True(t, postgres.Transient(err))
	require.Equal(t, care.Unavailable, care.CodeOf(postgres.Translate(err)))
}

func kill(t *testing.T, db *postgrestest.DB, pid int) {
	t.Helper()
	conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: db.URL})
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid)
	require.NoError(t, err)
}

func TestTransient_DistinguishesTheDatabasesStateFromRowFaults(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	for sql, transient := range map[string]bool{
		"SET statement_timeout = 1; SELECT pg_sleep(1)": true,
		"BEGIN; SELECT 1/0":                             false,
		"SELECT 'x'::uuid":                              false,
		"SELECT * FROM nowhere":                         false,
		"SELECT pg_terminate_backend(pg_backend_pid())": true,
		"DO $$BEGIN RAISE SQLSTATE '57P03'; END$$":      true,
		"DO $$BEGIN RAISE SQLSTATE '40001'; END$$":      true,
		"DO $$BEGIN RAISE SQLSTATE '40P01'; END$$":      true,
		"DO $$BEGIN RAISE SQLSTATE '53100'; END$$":      true,
		"DO $$BEGIN RAISE SQLSTATE '55P03'; END$$":      true,
		"BEGIN READ ONLY; CREATE TABLE t (n int)":       true,
		"DO $$BEGIN RAISE SQLSTATE '42501'; END$$":      false,
	} {
		conn, err := postgres.ConnectListener(t.Context(), postgres.Config{URL: db.URL})
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), sql)
		require.Error(t, err)
		require.Equal(t, transient, postgres.Transient(err), sql)
		require.NoError(t, conn.Close(t.Context()))
	}
	require.False(t, postgres.Transient(nil))
	require.False(t, postgres.Transient(pgx.ErrNoRows))
	require.True(t, postgres.Transient(fmt.Errorf("read: %w", io.ErrUnexpectedEOF)))
	require.True(t, postgres.Transient(context.DeadlineExceeded))
}

func TestSafeError_NeverShowsAValue(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	_, err := db.Owner.Exec(t.Context(), people)
	require.NoError(t, err)
	_, err = db.Owner.Exec(t.Context(), people)
	require.Error(t, err)
	wrapped := fmt.Errorf("store Ada Lovelace: %w", err)
	require.Equal(t, "SQLSTATE 23505 constraint clinics_pkey", postgres.SafeError(wrapped))
	require.Equal(t, "SQLSTATE 23505 constraint clinics_pkey", postgres.SafeError(postgres.Translate(wrapped)))

	require.Equal(t, "refused: invalid results[0].value", postgres.SafeError(care.InvalidField("results[0].value", "is not a number: %s", "Ada")))
	require.Equal(t, "context canceled", postgres.SafeError(fmt.Errorf("Ada: %w", context.Canceled)))
	require.Equal(t, "errors.errorString", postgres.SafeError(errors.Join(fmt.Errorf("Ada: %w", errors.New("Lovelace")))))
	require.Empty(t, postgres.SafeError(nil))
}

func TestSafeError_HasColumnAndTypeOfAnUnreadableValue(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	for sql, want := range map[string]string{
		"SELECT 1, 'infinity'::timestamptz AS born": "cannot read column born into time.Time",
		"SELECT 1, NULL::timestamptz AS born":       "cannot read column born into time.Time",
		"SELECT 1, 'Ada into *time.Time'::xml AS x": "cannot read column x",
	} {
		var n int
		var born time.Time
		err := db.App.QueryRow(t.Context(), sql).Scan(&n, &born)
		require.Error(t, err)
		text := postgres.SafeError(fmt.Errorf("read: %w", err))
		require.True(t, strings.HasPrefix(text, want), text)
		require.NotContains(t, text, "Ada")
	}
}

func TestExhausted_IsTrueIfASmallerTransactionMaySucceed(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&pgconn.PgError{Code: "57014"}, &pgconn.PgError{Code: "25P03"}, &pgconn.PgError{Code: "25P04"}, &pgconn.PgError{Code: "53200"}, &pgconn.PgError{Code: "57P01"},
		context.DeadlineExceeded, io.ErrUnexpectedEOF, fmt.Errorf("insert: %w", &net.OpError{Op: "write", Err: syscall.EPIPE}),
	} {
		require.True(t, postgres.Exhausted(fmt.Errorf("x: %w", err)), "%v", err)
		require.True(t, postgres.Exhausted(postgres.Translate(err)), "%v", err)
		require.True(t, postgres.Transient(err), "%v", err)
	}
	for _, err := range []error{nil, &pgconn.PgError{Code: "40001"}, &pgconn.PgError{Code: "23514"}, &pgconn.PgError{Code: "57P03"}, context.Canceled, errors.New("x"), care.Errorf(care.Unavailable, "x")} {
		require.False(t, postgres.Exhausted(err), "%v", err)
	}
}
