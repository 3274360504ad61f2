package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
)

// EnvURL is the environment variable with the URL of a running cluster, for Main and New.
const EnvURL = "CAREWIRE_TEST_DATABASE_URL"

const (
	dirPrefix = "carewire-test-"
	// settled is longer than a cluster takes from its directory to its lock.
	settled = 10 * time.Minute

	// Named clusters have one of these ports, below the ephemeral ones of Linux.
	firstPort, ports = 22000, 10000

	sharedMemory = "/dev/shm"
	// memoryNeeded is about 12 MB for each of 100 databases, and the write-ahead log.
	memoryNeeded = 4 << 30
)

// Cluster is a PostgreSQL in a temporary directory.
type Cluster struct {
	server *embedded.Server
	dir    string
}

// StartCluster starts a cluster without durability. The caller must stop it.
func StartCluster(ctx context.Context) (*Cluster, error) {
	sweep()
	dir, err := makeDataDir()
	if err != nil {
		return nil, err
	}
	return startCluster(ctx, dir, 0)
}

// StartNamedCluster is StartCluster with the same URL for the same name, if its port is free. The
// URL is in the environment of tests, so that go test can use the cached results of an earlier run.
// It fails while another cluster with the name runs.
func StartNamedCluster(ctx context.Context, name string) (*Cluster, error) {
	sweep()
	dir := filepath.Join(parentDir(), dirPrefix+name)
	if !unheld(dir) {
		return nil, fmt.Errorf("a PostgreSQL for tests is already running in %s", dir)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return nil, fmt.Errorf("make a directory for the tests' PostgreSQL: %w", err)
	}
	if err := letPass(dir); err != nil {
		return nil, err
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	cluster, err := startCluster(ctx, dir, firstPort+int(hash.Sum32()%ports))
	if err == nil {
		return cluster, nil
	}
	return StartCluster(ctx) // The port is in use.
}

func startCluster(ctx context.Context, dir string, port int) (*Cluster, error) {
	server, err := embedded.Start(ctx, embedded.Config{DataDir: dir, Fast: true, Port: port})
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

// DataDir returns an empty directory for an embedded PostgreSQL and removes it when the test ends.
// It is in memory when there is room, unlike tb.TempDir, short enough for a socket, and the
// server's user can enter it when root runs the tests.
func DataDir(tb testing.TB) string {
	tb.Helper()
	dir, err := makeDataDir()
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func makeDataDir() (string, error) {
	dir, err := os.MkdirTemp(parentDir(), dirPrefix)
	if err != nil {
		return "", fmt.Errorf("make a directory for the tests' PostgreSQL: %w", err)
	}
	return dir, letPass(dir)
}

// letPass lets the server's user, who is another one if root runs the tests, enter the directory.
func letPass(dir string) error {
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the directory has only the server's files
		return fmt.Errorf("open the directory of the tests' PostgreSQL: %w", err)
	}
	return nil
}

// parentDir returns the directory that clusters are made in: the shared memory file system when it
// has room. Tests create and delete 700 files with each database; on ext4 that took half of the CPU
// time of all tests.
func parentDir() string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(sharedMemory, &fs); err == nil && fs.Bavail*uint64(fs.Bsize) >= memoryNeeded {
		return sharedMemory
	}
	return os.TempDir()
}

// sweep removes the directories of test binaries that panicked or were killed. Their servers ended
// with them, and with their service's lock.
func sweep() {
	onDisk, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	inMemory, _ := filepath.Glob(filepath.Join(sharedMemory, dirPrefix+"*"))
	for _, dir := range append(onDisk, inMemory...) {
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
