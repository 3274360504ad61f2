package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	// downloadVersion is the version for a machine without PostgreSQL.
	downloadVersion = embeddedpostgres.V17
	downloadMajor   = 17
	mavenCentral    = "https://repo1.maven.org/maven2"
)

// download returns the binaries from the cache, and fetches them first if they are not there. A
// download cannot be interrupted: if ctx ends, it finishes in the background.
func download(ctx context.Context, cfg Config) (binaries, error) {
	cache, err := cacheDir(cfg.cache)
	if err != nil {
		return binaries{}, err
	}
	final := filepath.Join(cache, "postgresql-"+string(downloadVersion))
	if b, err := inspect(ctx, filepath.Join(final, "bin")); err == nil {
		return b, nil
	}
	repository := cmp.Or(cfg.BinaryRepositoryURL, mavenCentral)
	cfg.Logger.InfoContext(ctx, "no PostgreSQL on this machine; downloading it", "version", string(downloadVersion), "repository", repository)
	port, err := choosePort(ctx, 0, 0)
	if err != nil {
		return binaries{}, err
	}
	done := make(chan error, 1)
	go func() { done <- fetch(repository, cache, final, port) }()
	select {
	case err := <-done:
		if err != nil {
			return binaries{}, fmt.Errorf("no PostgreSQL %d or newer on this machine, and downloading it from %s: %w (install PostgreSQL, or set DATABASE_URL)", oldestMajor, repository, err)
		}
	case <-ctx.Done():
		return binaries{}, fmt.Errorf("download PostgreSQL from %s: %w", repository, ctx.Err())
	}
	return inspect(ctx, filepath.Join(final, "bin"))
}

// fetch downloads and unpacks beside the final path, so that the files there are always complete.
// The library can do so only when it starts a server; the server that it starts here has an empty
// cluster and exits at once.
func fetch(repository, cache, final string, port int) (err error) {
	work, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return fmt.Errorf("create a directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	unpacked, cluster := filepath.Join(work, "postgresql"), filepath.Join(work, "cluster")
	if err := os.MkdirAll(cluster, 0o700); err != nil {
		return fmt.Errorf("create a directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(cluster, "PG_VERSION"), []byte("17\n"), 0o600); err != nil {
		return fmt.Errorf("write a placeholder cluster: %w", err)
	}
	library := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(downloadVersion).Port(uint32(port)).BinaryRepositoryURL(repository).Logger(io.Discard).
		CachePath(work).RuntimePath(filepath.Join(work, "runtime")).BinariesPath(unpacked).DataPath(cluster))
	// The library writes a log into the temporary directory and leaves it there.
	const logs = "embedded_postgres_log*"
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), logs))
	startErr := library.Start()
	after, _ := filepath.Glob(filepath.Join(os.TempDir(), logs))
	for _, log := range after {
		if !slices.Contains(before, log) {
			_ = os.Remove(log)
		}
	}
	if startErr == nil {
		_ = library.Stop()
	}
	if _, err := os.Stat(filepath.Join(unpacked, "bin", "initdb")); err != nil {
		return cmp.Or(startErr, err)
	}
	if err := makeAccessible(unpacked); err != nil {
		return err
	}
	// Two services may have fetched at once: the first one's files remain.
	if err := os.Rename(unpacked, final); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return fmt.Errorf("move it into place: %w", err)
	}
	return nil
}

// makeAccessible lets the user that root runs the server as read and run the unpacked files, with
// any umask.
func makeAccessible(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if d.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode) //nolint:gosec // no other user can have put a link there yet
	})
	if err != nil {
		return fmt.Errorf("make it accessible to the database's user: %w", err)
	}
	return nil
}

// cacheDir returns the user's own cache directory, or for root a directory that the server's user
// can reach.
func cacheDir(override string) (string, error) {
	dir := override
	if dir == "" && os.Geteuid() == 0 {
		dir = "/var/tmp/carewire-binaries"
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a cache directory for PostgreSQL's binaries: %w", err)
		}
		dir = filepath.Join(user, "carewire")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's user must be able to pass
		return "", fmt.Errorf("create the cache directory for PostgreSQL's binaries: %w", err)
	}
	// The owner of the directory controls the programs that are run.
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("check the cache directory for PostgreSQL's binaries: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || owner.Uid != uint32(os.Geteuid()) {
		return "", fmt.Errorf("%s is not a directory of this user: remove it", dir)
	}
	return dir, nil
}
