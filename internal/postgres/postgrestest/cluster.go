package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
)

// EnvURL is the environment variable with the URL of a running cluster, for Main and New.
const EnvURL = "CAREWIRE_TEST_DATABASE_URL"

const (
	dirPrefix = "carewire-test-"
	// settled is longer than a cluster takes from its directory to its lock.
	settled = 10 * time.Minute
)

// Cluster is a PostgreSQL in a temporary directory.
type Cluster struct {
	server *embedded.Server
	dir    string
}

// StartCluster starts a cluster without durability. The caller must stop it.
func StartCluster(ctx context.Context) (*Cluster, error) {
	sweep()
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a directory for the tests' PostgreSQL: %w", err)
	}
	// The server of root runs as another user, who must be able to pass.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the directory has only the server's files
		return nil, fmt.Errorf("open the directory of the tests' PostgreSQL: %w", err)
	}
	server, err := embedded.Start(ctx, embedded.Config{DataDir: dir, Fast: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Cluster{server: server, dir: dir}, nil
}

// URL returns the connection URL of the cluster's superuser.
func (c *Cluster) URL() string { return c.server.URL() }

// LoginURL returns the connection URL of the role's own login.
func (c *Cluster) LoginURL(role postgres.Role) string { return c.server.LoginURL(role) }

// Stop ends the cluster and removes its files.
func (c *Cluster) Stop(ctx context.Context) error {
	return errors.Join(c.server.Stop(ctx), os.RemoveAll(c.server.Dir()), os.RemoveAll(c.dir))
}

// sweep removes the directories of test binaries that panicked or were killed. Their servers ended
// with them, and with their service's lock.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > settled && unheld(dir) {
			_ = os.RemoveAll(dir)
		}
	}
}

func unheld(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "postgres.lock")) //nolint:gosec // a test's own directory
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	defer func() { _ = f.Close() }()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
