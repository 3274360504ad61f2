package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	errExited     = errors.New("exit status 0")
	errPortTaken  = errors.New("another program listens on it")
	errStillInUse = errors.New("processes of a killed server still use the database")
)

// process is a running server. One goroutine starts it and waits for it; done is closed when it has
// ended, after err is set.
type process struct {
	cmd      *exec.Cmd
	pid      int
	log      *os.File
	logFrom  int64
	stopping atomic.Bool
	done     chan struct{}
	err      error
}

// settings returns the server's settings: for a service that has most of the machine, or with fast
// for tests, where a crash loses no important data.
func (p place) settings(port int, fast bool) []string {
	set := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=" + quoteList(p.socket),
		"unix_socket_permissions=0700",
		"timezone=UTC",
		"log_timezone=UTC",
		"logging_collector=off",
		"log_line_prefix=%m [%p] %q%u@%d ",
		// A statement in the log would contain its values, which can be protected health
		// information.
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
		"log_parameter_max_length=0",
	}
	if fast {
		return append(set, "shared_buffers=128MB", "max_connections=500", "fsync=off", "full_page_writes=off", "synchronous_commit=off",
			"max_wal_size=2GB", "checkpoint_timeout=30min", "autovacuum_naptime=10s", "log_checkpoints=off")
	}
	return append(set, "shared_buffers=256MB", "max_connections=200", "max_wal_size=2GB", "min_wal_size=256MB",
		"wal_compression=on", "checkpoint_completion_target=0.9", "random_page_cost=1.1", "work_mem=8MB", "maintenance_work_mem=64MB")
}

// quoteList returns a path as the single member of a list setting.
func quoteList(path string) string { return `"` + strings.ReplaceAll(path, `"`, `""`) + `"` }

// run starts the server without waiting for it.
func (p place) run(port int, fast bool) (*process, error) {
	log, from, err := p.openLog()
	if err != nil {
		return nil, err
	}
	args := []string{"-D", p.data()}
	for _, s := range p.settings(port, fast) {
		args = append(args, "-c", s)
	}
	// Not CommandContext: the server outlives the context of its start, and Stop ends it
	// gracefully.
	cmd := exec.Command(p.bin.path("postgres"), args...) //nolint:noctx,gosec // see above; the arguments are ours
	cmd.Dir = p.base
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = serverEnv()
	cmd.SysProcAttr = serverProcAttr(p.as)
	proc := &process{cmd: cmd, log: log, logFrom: from, done: make(chan struct{})}
	started := make(chan error, 1)
	go proc.own(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	return proc, nil
}

// own starts the process and waits for it on one thread: for the kernel's parent-death signal, the
// parent is the thread.
func (p *process) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	defer func() { _ = p.log.Close() }()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = p.cmd.Process.Pid
	started <- nil
	p.err = p.cmd.Wait()
}

// openLog appends to the server's log. It rotates a large log; one old log is kept.
func (p place) openLog() (*os.File, int64, error) {
	if info, err := os.Stat(p.logFile()); err == nil && info.Size() > maxLogBytes {
		if err := os.Rename(p.logFile(), p.logFile()+".1"); err != nil {
			return nil, 0, fmt.Errorf("rotate the database's log: %w", err)
		}
	}
	f, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the database's log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open the database's log: %w", err), f.Close())
	}
	return f, info.Size(), nil
}

// waitReady waits until the server accepts connections, which it writes into its pid file.
func (p *process) waitReady(ctx context.Context, at place, port int) error {
	tick := time.NewTicker(statePoll)
	defer tick.Stop()
	for {
		if f, err := readPIDFile(at.data()); err == nil && f.pid == p.pid && f.ready {
			return nil
		}
		select {
		case <-p.done:
			return p.startError(at, port)
		case <-ctx.Done():
			return fmt.Errorf("it did not become ready in time; its log is %s: %w", at.logFile(), ctx.Err())
		case <-tick.C:
		}
	}
}

// startError returns the reason of a failed start, from its log.
func (p *process) startError(at place, port int) error {
	text, _ := os.ReadFile(at.logFile())
	text = text[min(int(p.logFrom), len(text)):]
	if bytes.Contains(text, []byte("could not create any TCP/IP sockets")) || bytes.Contains(text, []byte("Address already in use")) {
		return fmt.Errorf("port %d is in use: %w", port, errPortTaken)
	}
	if bytes.Contains(text, []byte("pre-existing shared memory block")) || bytes.Contains(text, []byte(`lock file "postmaster.pid"`)) {
		return fmt.Errorf("%w; its log is %s", errStillInUse, at.logFile())
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("it exited at once: %s (its log is %s)", strings.Join(lines[max(0, len(lines)-5):], " | "), at.logFile())
}

// choosePort returns the requested port, or else the previous one if it is free, or else any free
// one.
func choosePort(ctx context.Context, asked, previous int) (int, error) {
	if asked != 0 {
		return asked, nil
	}
	for _, port := range []int{previous, 0} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		addr, ok := l.Addr().(*net.TCPAddr)
		if err := l.Close(); err == nil && ok {
			return addr.Port, nil
		}
	}
	return 0, errors.New("no free TCP port on 127.0.0.1")
}

// pidFile is the content of a server's pid file; see "postmaster.pid" in PostgreSQL's
// src/include/utils/pidfile.h.
type pidFile struct {
	pid   int
	ready bool
}

func readPIDFile(data string) (pidFile, error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid")) //nolint:gosec // below the data directory
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return pidFile{}, fmt.Errorf("read the pid of the running server: %w", err)
	}
	return pidFile{pid: pid, ready: len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"}, nil
}

// stopLeftover handles the pid file of a server that was not stopped. A server that still runs is
// stopped: this process has the lock, so the server's service is gone. If the pid now belongs to
// another program, the file is removed, because the server would refuse to start. If there is no
// such process, the server handles the file.
func (p place) stopLeftover(ctx context.Context, logger *slog.Logger) error {
	f, err := readPIDFile(p.data())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil || (alive(f.pid) && !p.isServer(ctx, f.pid)) {
		logger.WarnContext(ctx, "removing the stale pid file of the embedded PostgreSQL", "pid", f.pid)
		if err := os.Remove(filepath.Join(p.data(), "postmaster.pid")); err != nil {
			return fmt.Errorf("remove the stale pid file: %w", err)
		}
		return nil
	}
	if !alive(f.pid) {
		return nil
	}
	logger.WarnContext(ctx, "stopping the embedded PostgreSQL that an earlier service left running", "pid", f.pid)
	for _, try := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, immediateStop}} {
		if err := syscall.Kill(f.pid, try.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the PostgreSQL that an earlier service left running (process %d): %w", f.pid, err)
		}
		if p.waitGone(ctx, f.pid, try.wait) {
			return nil
		}
	}
	return fmt.Errorf("the PostgreSQL that an earlier service left running (process %d) does not stop: kill it", f.pid)
}

// waitGone waits for a server that is not a child process. Its pid file goes last.
func (p place) waitGone(ctx context.Context, pid int, d time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	tick := time.NewTicker(statePoll)
	defer tick.Stop()
	for alive(pid) && p.isServer(ctx, pid) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// alive reports whether there is a process with this pid, including those of other users.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// isServer reports whether a process is the server of this cluster: a server's working directory is
// its data directory. If the system does not show it, the command line has the directory.
func (p place) isServer(ctx context.Context, pid int) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if dir, err := os.Readlink(filepath.Join(proc, "cwd")); err == nil {
		name, _ := os.ReadFile(filepath.Join(proc, "comm")) //nolint:gosec // the system's own
		data, err := filepath.EvalSymlinks(p.data())
		return err == nil && dir == data && strings.HasPrefix(string(name), "postgres")
	}
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	return err == nil && strings.Contains(string(out), "-D "+p.data()+" ")
}
