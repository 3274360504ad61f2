package postgres

import (
	"context"
	"io/fs"
	"log/slog"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
)

// MigrateFiles is Migrate with other migrations.
func MigrateFiles(ctx context.Context, url string, files fs.FS, logger *slog.Logger) error {
	return migrate(ctx, url, files, logger)
}

// PendingFiles is Pending with other migrations.
func PendingFiles(ctx context.Context, pool *pgxpool.Pool, files fs.FS) (bool, error) {
	return pending(ctx, pool, files)
}

// CheckVersions is checkVersions.
func CheckVersions(applied, known []int64) ([]int64, error) { return checkVersions(applied, known) }

// ConstraintNames are those that Translate knows.
func ConstraintNames() []string { return slices.Sorted(maps.Keys(constraints)) }
