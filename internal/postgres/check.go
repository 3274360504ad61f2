package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"io/fs"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
)

// oldestServer is the oldest PostgreSQL that the service works with, as server_version_num has it.
const oldestServer = 150000

var (
	//go:embed sql/server.sql
	serverSQL string
	//go:embed sql/strangers.sql
	strangersSQL string
)

// checkServer refuses a server on which the service cannot run, before anything is tried there.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var number int
	var version string
	var standby, readOnly bool
	if err := conn.QueryRow(ctx, serverSQL).Scan(&number, &version, &standby, &readOnly); err != nil {
		return fmt.Errorf("look at the server: %w", err)
	}
	switch {
	case number < oldestServer:
		return refuseDatabase(featureNotSupported, "the server is PostgreSQL %s; carewire needs 15 or newer: upgrade it, or point DATABASE_URL at one that is", version)
	case standby:
		return refuseDatabase(readOnlyTransaction, "the server is a standby: point DATABASE_URL at the primary, or name all hosts in it with target_session_attrs=read-write")
	case readOnly:
		return refuseDatabase(readOnlyTransaction, "%s", serverReadOnly)
	}
	return nil
}

// checkStrangers refuses a database that another program's tables are in and ours are not.
func checkStrangers(ctx context.Context, conn *pgx.Conn) error {
	var keeper, one string
	var relations int
	if err := conn.QueryRow(ctx, strangersSQL).Scan(&keeper, &relations, &one); err != nil {
		return fmt.Errorf("look at the database's tables: %w", err)
	}
	switch {
	case keeper == string(Owner), keeper == "" && relations == 0:
		return nil
	case keeper == "":
		return refuseDatabase(objectNotInState, "the database holds tables that are not carewire's (%d, such as %s): point DATABASE_URL at an empty database", relations, one)
	}
	return refuseDatabase(objectNotInState, "the database's migrations (goose_db_version) are those of %q, not of %s: point DATABASE_URL at an empty database; a backup is restored with its owners", keeper, Owner)
}

// checkVersions compares the migrations that ran with those of this binary. newer are those that only a later release has:
// contiguous numbers, as ours are. Anything else that is unknown, and a gap that goose would refuse to fill, is an error.
func checkVersions(applied, known []int64) (newer []int64, err error) {
	newest := slices.Max(known)
	for _, v := range applied {
		if !slices.Contains(known, v) {
			newer = append(newer, v)
		}
	}
	for i, v := range newer {
		if v != newest+1+int64(i) {
			return nil, refuseDatabase(objectNotInState, "the database has run migration %d, which no carewire near this one has (its newest is %d): it is another program's, or much newer; point DATABASE_URL at carewire's database, or run the release that it belongs to", v, newest)
		}
	}
	if len(applied) == 0 {
		return nil, nil
	}
	for _, v := range known {
		if v < slices.Max(applied) && !slices.Contains(applied, v) {
			return nil, refuseDatabase(objectNotInState, "migration %d has not run, but later ones have: this binary is not a release; run one in which numbers only grow", v)
		}
	}
	return newer, nil
}

// versions are the numbers of the migrations in files, rising.
func versions(files fs.FS) ([]int64, error) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	var all []int64
	for _, e := range entries {
		version, err := goose.NumericComponent(e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the migration %s: %w", e.Name(), err)
		}
		all = append(all, version)
	}
	slices.Sort(all)
	return all, nil
}
