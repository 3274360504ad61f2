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
	// longestSocketDir leaves room for "/.s.PGSQL.65535.lock" in the 104 bytes that macOS allows (Linux: 108).
	longestSocketDir = 80
	maxLogBytes      = 10 << 20
)

var (
	//go:embed sql/roles.sql
	rolesSQL string
	//go:embed sql/database.sql
	databaseSQL string
)

// place is where a cluster lives, and who runs it.
type place struct {
	bin binaries
	// base holds data (PGDATA), the log and the password of the superuser for TCP.
	base   string
	socket string
	// as is the user the server runs as; nil is this process's own.
	as *syscall.Credential
}

func (p place) data() string         { return filepath.Join(p.base, "data") }
func (p place) logFile() string      { return filepath.Join(p.base, "postgres.log") }
func (p place) passwordFile() string { return filepath.Join(p.base, "password") }

// findPlace decides where the cluster is. PostgreSQL refuses to run as root; the user it then runs as may be unable to
// reach the data directory, because only root may enter one above it. The cluster is then outside, and stays there. A
// cluster that exists is never passed over for a new one.
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
		logger.WarnContext(ctx, "the database's user cannot reach the data directory, so the database is elsewhere", "uid", p.as.Uid, "dir", p.base)
		err = p.makeBase(ctx)
	}
	if err != nil {
		return place{}, err
	}
	return p, p.makeSocketDir()
}

// existingBase is where the data directory's cluster is, empty when it has none yet.
func existingBase(dataDir string) (string, error) {
	for _, base := range []string{filepath.Join(dataDir, clusterDir), fallbackBase(dataDir)} {
		if holdsCluster(base) {
			return base, nil
		}
	}
	if noted := readState(dataDir).Base; noted != "" && holdsCluster(noted) && !inside(noted, dataDir) {
		return "", fmt.Errorf("the database of this directory is in %s, for the path that the directory had: stop what runs there and move it to %s", noted, fallbackBase(dataDir))
	}
	return "", nil
}

func holdsCluster(base string) bool {
	_, err := os.Stat(filepath.Join(base, "data", "PG_VERSION"))
	return err == nil
}

// inside tells whether base has the shape of a cluster within a data directory, this one or another: a copied data
// directory notes the other's, which is not ours.
func inside(base, dataDir string) bool {
	return filepath.Base(base) == clusterDir || filepath.Dir(base) == dataDir
}

// fallbackBase is where a cluster is that cannot be in its data directory: the same one at every start.
func fallbackBase(dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	parent := "/var/tmp"
	if _, err := os.Stat(parent); err != nil {
		parent = os.TempDir()
	}
	return filepath.Join(parent, "carewire-"+hex.EncodeToString(sum[:6]))
}

// serverUser is whom the server runs as when this process is root: postgres when there is one, else nobody.
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
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody: run carewire as another user, or set DATABASE_URL")
}

// tryAs runs the server's program in dir as the server's user: the one test that no mode, ACL or mount can fool.
func (p place) tryAs(ctx context.Context, dir string) error {
	cmd := exec.CommandContext(ctx, p.bin.path("postgres"), "--version") //nolint:gosec // found by us
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s in %s as user %d, because PostgreSQL refuses to run as root: %w", cmd.Path, dir, p.as.Uid, err)
	}
	return nil
}

// makeBase makes the cluster's directory and proves that the server can enter it. It stays ours: only what the server
// writes is the server user's, so that it cannot lead our own writes elsewhere.
func (p place) makeBase(ctx context.Context) error {
	mode := os.FileMode(0o700)
	if p.as != nil {
		mode = 0o711
	}
	if err := os.Mkdir(p.base, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the database's directory: %w", err)
	}
	info, err := os.Lstat(p.base)
	if err != nil {
		return fmt.Errorf("look at the database's directory: %w", err)
	}
	// In a shared directory somebody else may have made it before us.
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || owner.Uid != uint32(os.Geteuid()) {
		return fmt.Errorf("%s is not a directory of this user's: remove it, or set CAREWIRE_DATA_DIR to another place", p.base)
	}
	if p.as == nil {
		return nil
	}
	return p.tryAs(ctx, p.base)
}

// makeFor makes a directory of the server's user, in one that is ours.
func (p place) makeFor(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make a directory of the database's: %w", err)
	}
	return p.give(dir)
}

// give hands a path to the server's user.
func (p place) give(path string) error {
	if p.as == nil {
		return nil
	}
	if err := os.Lchown(path, int(p.as.Uid), int(p.as.Gid)); err != nil {
		return fmt.Errorf("give it to the database's user: %w", err)
	}
	return nil
}

// makeSocketDir is below base, or in the system's temporary directory when that path is too long for a socket.
func (p *place) makeSocketDir() error {
	p.socket = filepath.Join(p.base, "run")
	if len(p.socket) <= longestSocketDir {
		return p.makeFor(p.socket)
	}
	dir, err := os.MkdirTemp("/tmp", "carewire-")
	if err != nil {
		return fmt.Errorf("make the socket's directory: %w", err)
	}
	p.socket = dir
	return p.give(dir)
}

// removeSocketDir removes one that is not below base; the next start makes another.
func (p place) removeSocketDir() {
	if p.socket != "" && filepath.Dir(p.socket) != p.base {
		_ = os.RemoveAll(p.socket)
	}
}

// initialize makes the cluster when there is none: beside its final name, so that a crash half-way leaves nothing that
// looks like one.
func (p place) initialize(ctx context.Context, fast bool) error {
	if _, err := os.Stat(filepath.Join(p.data(), "PG_VERSION")); err == nil {
		return nil
	}
	if err := p.writePassword(); err != nil {
		return err
	}
	making := p.data() + ".new"
	if err := os.RemoveAll(making); err != nil {
		return fmt.Errorf("remove a half-made cluster: %w", err)
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
		return fmt.Errorf("put the new cluster in its place: %w", err)
	}
	return nil
}

// writePassword makes the password that TCP connections of the superuser need. Socket connections need none.
func (p place) writePassword() error {
	if err := os.WriteFile(p.passwordFile(), []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the database's password: %w", err)
	}
	return p.give(p.passwordFile())
}

// serverEnv is what of our environment the server gets: secrets of the service are none of its business. Its messages
// are in English, because a failed start is explained from them.
func serverEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}
