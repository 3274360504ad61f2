package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the oldest PostgreSQL version for the schema, which uses UNIQUE NULLS NOT
// DISTINCT.
const oldestMajor = 15

// binaries are the programs of one PostgreSQL installation.
type binaries struct {
	dir     string
	major   int
	version string
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// installDirs are the directories of packaged server programs. Most packages keep them off the
// PATH.
var installDirs = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // PGDG on RHEL and its kin
	"/usr/lib/postgresql*/bin",                           // SUSE
	"/usr/libexec/postgresql*",                           // Alpine
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/opt/local/lib/postgresql*/bin",                     // MacPorts
	"/Library/PostgreSQL/*/bin",                          // EDB's installer on macOS
	"/usr/local/pgsql/bin",                               // built from source
	"/usr/bin",                                           // Fedora, Arch
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// findBinaries returns the installation to run: one of the cluster's major version if there is a
// cluster, or else the newest one. If the machine has none, it is downloaded.
func findBinaries(ctx context.Context, cfg Config) (binaries, error) {
	wanted, err := clusterMajor(cfg.DataDir)
	if err != nil {
		return binaries{}, err
	}
	search := cfg.search
	if search == nil {
		search = func() []string { return candidateDirs(os.Getenv("PATH"), installDirs) }
	}
	found := installed(ctx, search())
	if err := ctx.Err(); err != nil {
		return binaries{}, err
	}
	best, err := choose(found, wanted)
	if err == nil {
		return best, nil
	}
	if wanted == 0 || wanted == downloadMajor {
		return download(ctx, cfg)
	}
	return binaries{}, err
}

// choose returns the newest installation. wanted, if not 0, is the required major version.
func choose(found []binaries, wanted int) (binaries, error) {
	if wanted != 0 {
		found = slices.DeleteFunc(slices.Clone(found), func(b binaries) bool { return b.major != wanted })
	}
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b binaries) int { return a.major - b.major }), nil
	}
	if wanted == 0 {
		return binaries{}, fmt.Errorf("no PostgreSQL %d or newer on this machine", oldestMajor)
	}
	return binaries{}, fmt.Errorf("the database was created by PostgreSQL %d, which is not on this machine: install it, or set CAREWIRE_DATA_DIR to a new directory", wanted)
}

// candidateDirs returns the directories with both programs that a server needs, without duplicates
// and with links resolved.
func candidateDirs(path string, patterns []string) []string {
	dirs := filepath.SplitList(path)
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(pattern)
		dirs = append(dirs, matches...)
	}
	var found []string
	for _, dir := range dirs {
		server, err := exec.LookPath(filepath.Join(dir, "postgres"))
		if err != nil {
			continue
		}
		if target, err := filepath.EvalSymlinks(server); err == nil {
			server = target
		}
		dir = filepath.Dir(server)
		if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err == nil && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
	}
	return found
}

// installed runs each directory's server to get its version, and omits servers that are too old or
// do not run.
func installed(ctx context.Context, dirs []string) []binaries {
	var found []binaries
	for _, dir := range dirs {
		if b, err := inspect(ctx, dir); err == nil && b.major >= oldestMajor {
			found = append(found, b)
		}
	}
	return found
}

func inspect(ctx context.Context, dir string) (binaries, error) {
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() //nolint:gosec // found by us
	if err != nil {
		return binaries{}, fmt.Errorf("get the version of %s: %w", dir, err)
	}
	match := versionLine.FindStringSubmatch(string(out))
	if match == nil {
		return binaries{}, errors.New("not a PostgreSQL server: " + dir)
	}
	major, err := strconv.Atoi(match[2])
	return binaries{dir: dir, major: major, version: match[1]}, err
}

// clusterMajor returns the version of the cluster in a data directory, or 0 if there is none.
func clusterMajor(dataDir string) (int, error) {
	base, err := existingBase(dataDir)
	if base == "" || err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(base, "data", "PG_VERSION")) //nolint:gosec // below the data directory
	if err != nil {
		return 0, fmt.Errorf("read the database's version: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("read the database's version: %w", err)
	}
	return major, nil
}
