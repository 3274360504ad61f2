package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"carewire/internal/postgres"
)

const (
	superuser = "carewire"
	database  = "carewire"
	// startTimeout bounds a start, including a recovery after a crash.
	startTimeout = 60 * time.Second
	// fastStop is how long sessions and the last checkpoint may take before the server is stopped
	// immediately.
	fastStop = 15 * time.Second
	// immediateStop is how long the server may take to drop everything before it is killed.
	immediateStop = 5 * time.Second
	// statePoll is the interval of reading the pid file. It is short, because tests start many servers.
	statePoll = 3 * time.Millisecond
	// Together these allow 10 seconds for the workers of a killed server to exit.
	launchAttempts = 20
	launchPause    = 50 * time.Millisecond
)

// Config configures an embedded PostgreSQL.
type Config struct {
	// DataDir is the service's data directory; it is created if missing.
	DataDir string
	// Fast disables durability, for tests: a crash of the machine may lose the database.
	Fast bool
	// Port is the TCP port on 127.0.0.1; 0 means the port of the last run if it is free, or else
	// any free port.
	Port int
	// Logger logs the decisions of the start; nil disables logging.
	Logger *slog.Logger
	// BinaryRepositoryURL is a Maven repository with PostgreSQL's binaries, used if the machine
	// has none; empty means Maven Central.
	BinaryRepositoryURL string

	// search overrides the search for installed binaries, and cache the directory of downloaded
	// ones.
	search func() []string
	cache  string
}

// Validate returns an error for each invalid field, in the order of the fields.
func (c Config) Validate() error {
	var errs []error
	if c.DataDir == "" {
		errs = append(errs, errors.New("embedded: Config.DataDir is required"))
	}
	if c.Port < 0 || c.Port > 65535 {
		errs = append(errs, fmt.Errorf("embedded: Config.Port must be 0 to 65535, not %d", c.Port))
	}
	return errors.Join(errs...)
}

// Server is an embedded PostgreSQL that this process started.
type Server struct {
	cfg    Config
	place  place
	unlock func()
	port   int
	proc   *process
	died   chan error
}

// Start starts the PostgreSQL of a data directory and waits until it accepts connections. It first
// stops a server that a killed service left behind there. It returns an error if another service
// runs on the same directory.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	dir, err := prepareDataDir(cfg.DataDir)
	if err != nil {
		return nil, err
	}
	cfg.DataDir = dir
	unlock, err := lockDataDir(dir)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, unlock: unlock, died: make(chan error, 1)}
	if err := s.start(ctx); err != nil {
		err = fmt.Errorf("start the embedded PostgreSQL in %s: %w", dir, err)
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	bin, err := findBinaries(ctx, s.cfg)
	if err != nil {
		return err
	}
	// The start time-out does not cover a download.
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	s.place, err = findPlace(ctx, s.cfg.DataDir, bin, s.cfg.Logger)
	if err != nil {
		return err
	}
	if err := s.place.stopLeftover(ctx, s.cfg.Logger); err != nil {
		return err
	}
	if err := s.place.initialize(ctx, s.cfg.Fast); err != nil {
		return err
	}
	if err := s.launch(ctx); err != nil {
		return err
	}
	if err := s.prepareDatabase(ctx); err != nil {
		return err
	}
	s.cfg.Logger.InfoContext(ctx, "embedded PostgreSQL is running", "dir", s.place.base, "port", s.port, "pid", s.proc.pid, "version", s.place.bin.version)
	return nil
}

// launch runs the server on its own port. Another program can take a port that was free a moment
// ago, so that launch tries a few free ports. The workers of a killed server live on for a moment;
// launch waits for them.
func (s *Server) launch(ctx context.Context) error {
	previous := readState(s.cfg.DataDir).Port
	for attempt := 1; ; attempt++ {
		var err error
		if s.port, err = choosePort(ctx, s.cfg.Port, previous); err != nil {
			return err
		}
		if s.proc, err = s.place.run(s.port, s.cfg.Fast); err != nil {
			return err
		}
		if err = s.proc.waitReady(ctx, s.place, s.port); err == nil {
			break
		}
		_ = s.proc.stop(context.WithoutCancel(ctx))
		again := errors.Is(err, errStillInUse) || (errors.Is(err, errPortTaken) && s.cfg.Port == 0)
		if !again || attempt == launchAttempts || !pause(ctx, time.Duration(attempt)*launchPause) {
			return err
		}
		previous = 0
	}
	go s.watch(s.proc)
	return writeState(s.cfg.DataDir, state{Base: s.place.base, Socket: s.place.socket, Port: s.port})
}

// pause waits for d, or until ctx ends, and reports whether the full time passed.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// watch reports the end of the server to Wait. It ends with the server.
func (s *Server) watch(p *process) {
	<-p.done
	if !p.stopping.Load() {
		s.died <- fmt.Errorf("the embedded PostgreSQL exited unexpectedly (%w); its log is %s", cmp.Or(p.err, errExited), s.place.logFile())
	}
	close(s.died)
}

// prepareDatabase creates the missing roles and logins, and on the first start the service's
// database.
func (s *Server) prepareDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.URL())
	made := err == nil
	if !made {
		conn, err = pgx.Connect(ctx, socketURL(s.place.socket, s.port, superuser, "postgres"))
	}
	if err != nil {
		return fmt.Errorf("connect to it: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, rolesSQL); err != nil {
		return fmt.Errorf("create its roles: %w", err)
	}
	if made {
		return nil
	}
	if _, err := conn.Exec(ctx, databaseSQL); err != nil {
		return fmt.Errorf("create its database: %w", err)
	}
	return nil
}

// URL returns the connection URL of the server's superuser, over its Unix socket. Every user who
// may enter the socket's directory may connect, so that it has no password.
func (s *Server) URL() string {
	return socketURL(s.place.socket, s.port, superuser, database)
}

// LoginURL returns the connection URL of the role's own login (Login), over the Unix socket.
func (s *Server) LoginURL(role postgres.Role) string {
	return socketURL(s.place.socket, s.port, Login(role), database)
}

// Login returns the name of a role's login. App and Worker have a login that can become only that
// role and has no rights of its own (sql/roles.sql).
func Login(role postgres.Role) string {
	if role == postgres.App || role == postgres.Worker {
		return string(role) + "_login"
	}
	return superuser
}

// PSQL returns a shell command that opens psql as role. The session cannot become another role.
func (s *Server) PSQL(role postgres.Role) string {
	return fmt.Sprintf("psql %q", socketURL(s.place.socket, s.port, cmp.Or(string(role), superuser), database))
}

// Dir returns the database's directory: below the data directory, or the fallback outside it.
func (s *Server) Dir() string { return s.place.base }

// Wait returns a channel that receives an error if the server ends without Stop. It is closed when
// the server has ended.
func (s *Server) Wait() <-chan error { return s.died }

// Stop ends the server: it cuts sessions and writes the data. If that takes too long or ctx ends,
// it stops without writing, which costs a recovery at the next start. It returns when the server
// has ended. A second call does nothing.
func (s *Server) Stop(ctx context.Context) error {
	defer s.unlock()
	defer s.place.removeSocketDir()
	if s.proc == nil {
		return nil
	}
	return s.proc.stop(ctx)
}

// signalAndWait sends sig to the server and waits at most d for its end.
func (p *process) signalAndWait(ctx context.Context, sig syscall.Signal, d time.Duration) bool {
	_ = p.cmd.Process.Signal(sig)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// stop ends the process, with an increasingly strong signal.
func (p *process) stop(ctx context.Context) error {
	p.stopping.Store(true)
	if p.signalAndWait(ctx, syscall.SIGINT, fastStop) {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	if p.signalAndWait(ctx, syscall.SIGQUIT, immediateStop) {
		return nil
	}
	// The process group has no other processes than the server's.
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
	return errors.New("the embedded PostgreSQL did not stop in time and was killed; it recovers at the next start")
}

// prepareDataDir creates dir. If root runs the service, the server runs as another user, who must
// be able to pass.
func prepareDataDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolve the data directory %q: %w", dir, err)
	}
	mode := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		mode = 0o711
	}
	if err := os.MkdirAll(abs, mode); err != nil {
		return "", fmt.Errorf("create the data directory (CAREWIRE_DATA_DIR): %w", err)
	}
	// The fallback's name is a hash of the path, so that there must be only one path.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", fmt.Errorf("resolve the data directory %q: %w", dir, err)
	}
	return abs, nil
}
