package embedded

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	// clusterDir is below the data directory.
	clusterDir = "postgres"
	// longestSocketDir leaves room for "/.s.PGSQL.65535.lock" in the 104 bytes that macOS allows
	// (Linux: 108).
	longestSocketDir = 80
	// maxLogBytes bounds the server's log; with the old log, the disk space is twice as much.
	maxLogBytes = 10 << 20
)

var (
	//go:embed sql/roles.sql
	rolesSQL string
	//go:embed sql/database.sql
	databaseSQL string
)

// place is the location of a cluster, and the user that runs it.
type place struct {
	bin binaries
	// base has data (PGDATA), the log and the superuser's password for TCP.
	base   string
	socket string
	// as is the user that the server runs as; nil is this process's own.
	as *syscall.Credential
}

func (p place) data() string         { return filepath.Join(p.base, "data") }
func (p place) logFile() string      { return filepath.Join(p.base, "postgres.log") }
func (p place) passwordFile() string { return filepath.Join(p.base, "password") }

// findPlace returns the place of the cluster. PostgreSQL refuses to run as root. The user that it
// then runs as may be unable to reach the data directory, because only root may enter one above it.
// The cluster is then outside, permanently. An existing cluster is never replaced by a new one.
func findPlace(ctx context.Context, dataDir string, bin binaries, logger *slog.Logger) (place, error) {
	p := place{bin: bin}
	if os.Geteuid() == 0 {
		as, err := serverUser()
		if err != nil {
			return place{}, err
		}
		p.as = as
	}
	existing, err := existingBase(dataDir)
	if err != nil {
		return place{}, err
	}
	p.base = cmp.Or(existing, filepath.Join(dataDir, clusterDir))
	err = p.makeBase(ctx)
	if err != nil && existing == "" && p.as != nil && p.tryAs(ctx, "/") == nil {
		_ = os.Remove(p.base)
		p.base = fallbackBase(dataDir)
		logger.WarnContext(ctx, "the database's user cannot reach the data directory; the database is in another directory", "uid", p.as.Uid, "dir", p.base)
		err = p.makeBase(ctx)
	}
	if err != nil {
		return place{}, err
	}
	return p, p.makeSocketDir()
}

// existingBase returns the location of the data directory's cluster, or an empty string if it has
// none yet.
func existingBase(dataDir string) (string, error) {
	for _, base := range []string{filepath.Join(dataDir, clusterDir), fallbackBase(dataDir)} {
		if holdsCluster(base) {
			return base, nil
		}
	}
	if noted := readState(dataDir).Base; noted != "" && holdsCluster(noted) && !inside(noted, dataDir) {
		return "", fmt.Errorf("the database of this directory is in %s, which belongs to the directory's previous path: stop its server and move it to %s", noted, fallbackBase(dataDir))
	}
	return "", nil
}

func holdsCluster(base string) bool {
	_, err := os.Stat(filepath.Join(base, "data", "PG_VERSION"))
	return err == nil
}

// inside reports whether base looks like a cluster within a data directory, this one or another:
// the state of a copied data directory has the other's location.
func inside(base, dataDir string) bool {
	return filepath.Base(base) == clusterDir || filepath.Dir(base) == dataDir
}

// fallbackBase returns the location of a cluster that cannot be in its data directory. It is the
// same at every start.
func fallbackBase(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	parent := "/var/tmp"
	if _, err := os.Stat(parent); err != nil {
		parent = os.TempDir()
	}
	return filepath.Join(parent, "carewire-"+hex.EncodeToString(sum[:6]))
}

// serverUser returns the user that the server runs as if this process is root: postgres if it
// exists, or else nobody.
func serverUser() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and neither user postgres nor nobody exists: run carewire as another user, or set DATABASE_URL")
}

// tryAs runs the server's program in dir as the server's user: the only test that takes every mode,
// ACL and mount into account.
func (p place) tryAs(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, p.bin.path("postgres"), "--version") //nolint:gosec // found by us
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s in %s as user %d, because PostgreSQL refuses to run as root: %w", cmd.Path, dir, p.as.Uid, err)
	}
	return nil
}

// makeBase creates the cluster's directory and checks that the server can enter it. This process's
// user owns it. The server's user owns only the files that the server writes, so that it cannot
// redirect our own writes.
func (p place) makeBase(ctx context.Context) error {
	mode := os.FileMode(0o700)
	if p.as != nil {
		mode = 0o711
	}
	if err := os.Mkdir(p.base, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create the database's directory: %w", err)
	}
	info, err := os.Lstat(p.base)
	if err != nil {
		return fmt.Errorf("check the database's directory: %w", err)
	}
	// In a shared directory another user may have created it before us.
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || owner.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%s is not a directory of this user: remove it, or set CAREWIRE_DATA_DIR to another directory", p.base)
	}
	if p.as == nil {
		return nil
	}
	return p.tryAs(ctx, p.base)
}

// makeFor creates a directory for the server's user, in a directory of this process's user.
func (p place) makeFor(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create a directory of the database: %w", err)
	}
	return p.chown(dir)
}

// chown makes the server's user the owner of a path.
func (p place) chown(path string) error {
	if p.as == nil {
		return nil
	}
	if err := os.Lchown(path, int(p.as.Uid), int(p.as.Gid)); err != nil {
		return fmt.Errorf("change its owner to the database's user: %w", err)
	}
	return nil
}

// makeSocketDir creates the socket's directory: below base, or in the system's temporary directory
// if that path is too long for a socket.
func (p *place) makeSocketDir() error {
	p.socket = filepath.Join(p.base, "run")
	if len(p.socket) <= longestSocketDir {
		return p.makeFor(p.socket)
	}
	dir, err := os.MkdirTemp("/tmp", "carewire-")
	if err != nil {
		return fmt.Errorf("create the socket's directory: %w", err)
	}
	p.socket = dir
	return p.chown(dir)
}

// removeSocketDir removes a directory that is not below base; the next start creates another.
func (p place) removeSocketDir() {
	if p.socket != "" && filepath.Dir(p.socket) != p.base {
		_ = os.RemoveAll(p.socket)
	}
}

// initialize creates the cluster if there is none: beside its final path, so that an interrupted
// creation leaves nothing that looks like a cluster.
func (p place) initialize(ctx context.Context, fast bool) error {
	if _, err := os.Stat(filepath.Join(p.data(), "PG_VERSION")); err == nil {
		return nil
	}
	if err := p.writePassword(); err != nil {
		return err
	}
	making := p.data() + ".new"
	if err := os.RemoveAll(making); err != nil {
		return fmt.Errorf("remove an incomplete cluster: %w", err)
	}
	if err := p.makeFor(making); err != nil {
		return err
	}
	args := []string{
		"-D", making, "-U", superuser, "--encoding=UTF8", "--locale=C", "--pwfile=" + p.passwordFile(),
		"--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions",
	}
	if fast {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, p.bin.path("initdb"), args...) //nolint:gosec // found by us
	cmd.Dir = p.base
	cmd.Env = serverEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as, Setpgid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	if err := os.Rename(making, p.data()); err != nil {
		return fmt.Errorf("move the new cluster into place: %w", err)
	}
	return nil
}

// writePassword creates the superuser's password for TCP connections. Socket connections need none.
func (p place) writePassword() error {
	if err := os.WriteFile(p.passwordFile(), []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the database's password: %w", err)
	}
	return p.chown(p.passwordFile())
}

// serverEnv returns the part of the environment that the server gets, without the secrets of the
// service. The server's messages are in English, because startError parses them.
func serverEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
