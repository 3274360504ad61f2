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

// oldestServer is the oldest supported PostgreSQL, as server_version_num.
const oldestServer = 150000

var (
	//go:embed sql/server.sql
	serverSQL string
	//go:embed sql/strangers.sql
	strangersSQL string
)

// checkServer returns an error for a server on which the service cannot run.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var number int
	var version string
	var standby, readOnly bool
	if err := conn.QueryRow(ctx, serverSQL).Scan(&number, &version, &standby, &readOnly); err != nil {
		return fmt.Errorf("check the server: %w", err)
	}
	switch {
	case number < oldestServer:
		return refuseDatabase(featureNotSupported, "the server is PostgreSQL %s; carewire requires 15 or newer: upgrade it, or point DATABASE_URL at a newer server", version)
	case standby:
		return refuseDatabase(readOnlyTransaction, "the server is a standby: point DATABASE_URL at the primary, or list all hosts in it with target_session_attrs=read-write")
	case readOnly:
		return refuseDatabase(readOnlyTransaction, "%s", serverReadOnly)
	}
	return nil
}

// checkStrangers returns an error for a database that has tables of another program and none of
// carewire.
func checkStrangers(ctx context.Context, conn *pgx.Conn) error {
	var owner, example string
	var relations int
	if err := conn.QueryRow(ctx, strangersSQL).Scan(&owner, &relations, &example); err != nil {
		return fmt.Errorf("check the database's tables: %w", err)
	}
	switch {
	case owner == string(Owner), owner == "" && relations == 0:
		return nil
	case owner == "":
		return refuseDatabase(objectNotInState, "the database has tables of another program (%d, such as %s): point DATABASE_URL at an empty database", relations, example)
	}
	return refuseDatabase(objectNotInState, "the database's migrations (goose_db_version) belong to %q, not to %s: point DATABASE_URL at an empty database; restore backups with their owners", owner, Owner)
}

// checkVersions compares the applied migrations with those of this binary. newer are the versions
// that only a later release has; they must be contiguous, as carewire's are. checkVersions returns
// an error for any other unknown version, and for a gap that goose would refuse to fill.
func checkVersions(applied, known []int64) (newer []int64, err error) {
	newest := slices.Max(known)
	for _, v := range applied {
		if !slices.Contains(known, v) {
			newer = append(newer, v)
		}
	}
	for i, v := range newer {
		if v != newest+1+int64(i) {
			return nil, refuseDatabase(objectNotInState, "the database has migration %d, which is unknown to this release (newest %d): it belongs to another program or a much newer release; point DATABASE_URL at carewire's database, or run that release", v, newest)
		}
	}
	if len(applied) == 0 {
		return nil, nil
	}
	for _, v := range known {
		if v < slices.Max(applied) && !slices.Contains(applied, v) {
			return nil, refuseDatabase(objectNotInState, "migration %d has not run, but later ones have: this binary is not a release; run a release", v)
		}
	}
	return newer, nil
}

// versions returns the numbers of the migrations in files, ascending.
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
