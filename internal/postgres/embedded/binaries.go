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

// oldestMajor is the oldest PostgreSQL that the schema works on: it uses UNIQUE NULLS NOT DISTINCT.
const oldestMajor = 15

// binaries are the programs of one PostgreSQL installation.
type binaries struct {
	dir     string
	major   int
	version string
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// installDirs are the places where packages put the server's programs, which most of them keep off the PATH.
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

// findBinaries picks the installation to run: for an existing cluster one of its major version, else the newest one;
// when the machine has none, it is downloaded.
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

// choose takes the newest; wanted, when not 0, is the only major version that will do.
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
	return binaries{}, fmt.Errorf("the database was made by PostgreSQL %d, which is not on this machine: install it, or set CAREWIRE_DATA_DIR to a new directory", wanted)
}

// candidateDirs are the directories that hold both programs a server needs, each once, links resolved.
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

// installed asks each directory's server for its version and leaves out what is too old or does not run.
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
		return binaries{}, fmt.Errorf("ask %s for its version: %w", dir, err)
	}
	match := versionLine.FindStringSubmatch(string(out))
	if match == nil {
		return binaries{}, errors.New("not a PostgreSQL server: " + dir)
	}
	major, err := strconv.Atoi(match[2])
	return binaries{dir: dir, major: major, version: match[1]}, err
}

// clusterMajor is the version of the cluster that a data directory has, 0 when it has none.
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
