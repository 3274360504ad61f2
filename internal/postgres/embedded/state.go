package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	stateFile = "postgres.json"
	lockFile  = "postgres.lock"
)

// state is the information that other processes need to find the server of a data directory. It
// remains after the server stopped.
type state struct {
	// Base is the location of the cluster. It is not below the data directory if the server's user
	// cannot reach that.
	Base string `json:"base"`
	// Socket is the directory of the Unix socket.
	Socket string `json:"socket"`
	Port   int    `json:"port"`
}

// readState returns the zero state if there is none.
func readState(dataDir string) state {
	var s state
	text, err := os.ReadFile(filepath.Join(dataDir, stateFile)) //nolint:gosec // below the data directory
	if err != nil || json.Unmarshal(text, &s) != nil {
		return state{}
	}
	return s
}

// writeState replaces the file atomically.
func writeState(dataDir string, s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write the database's state: %w", err)
	}
	name := filepath.Join(dataDir, stateFile)
	if err := os.WriteFile(name+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the database's state: %w", err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		return fmt.Errorf("write the database's state: %w", err)
	}
	return nil
}

// lockDataDir locks the directory for this process until unlock, or until the process ends in any
// way.
func lockDataDir(dataDir string) (unlock func(), err error) {
	name := filepath.Join(dataDir, lockFile)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // below the data directory
	if err != nil {
		return nil, fmt.Errorf("lock the data directory (CAREWIRE_DATA_DIR): %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		holder := ""
		if text, err := os.ReadFile(name); err == nil && len(text) > 0 { //nolint:gosec // below the data directory
			holder = " (process " + strings.TrimSpace(string(text)) + ")"
		}
		return nil, fmt.Errorf("another carewire is running on %s%s; stop it or set CAREWIRE_DATA_DIR", dataDir, holder)
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return func() {
		// Closing alone would leave the lock with a child that is being forked: it shares the
		// open file until it execs.
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		_ = f.Close()
	}, nil
}

// RunningURL returns the URL of the running embedded database of a data directory, for other
// programs. It never starts one: if none runs, the error has a remedy.
func RunningURL(dataDir string) (string, error) {
	abs, err := filepath.Abs(dataDir)
	if err != nil {
		return "", fmt.Errorf("resolve the data directory %q: %w", dataDir, err)
	}
	none := fmt.Errorf("no embedded database is running in %s: start `carewire serve` there, or set CAREWIRE_DATA_DIR or DATABASE_URL", abs)
	if _, err := os.ReadFile(filepath.Join(abs, stateFile)); errors.Is(err, fs.ErrPermission) { //nolint:gosec // below the data directory
		return "", fmt.Errorf("find the embedded database in %s: run this as the user that runs carewire: %w", abs, err)
	}
	s := readState(abs)
	if s.Port == 0 {
		return "", none
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).Dial("unix", filepath.Join(s.Socket, ".s.PGSQL."+strconv.Itoa(s.Port)))
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("reach the embedded database in %s: run this as the user that runs carewire: %w", abs, err)
	}
	if err != nil {
		return "", none
	}
	return socketURL(s.Socket, s.Port, superuser, database), conn.Close()
}

// socketURL returns a URL that both pgx and psql accept, even if the path has spaces.
func socketURL(dir string, port int, user, database string) string {
	query := url.Values{"host": {dir}, "port": {strconv.Itoa(port)}}.Encode()
	return "postgres://" + user + "@/" + database + "?" + strings.ReplaceAll(query, "+", "%20")
}
