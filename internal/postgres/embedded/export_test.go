package embedded

import (
	"context"
	"os"
	"time"
)

// WithoutInstalled makes cfg find no PostgreSQL on the machine, and store downloads in cache.
func (cfg Config) WithoutInstalled(cache string) Config {
	cfg.search = func() []string { return nil }
	cfg.cache = cache
	return cfg
}

// Pid returns the pid of the server's process.
func (s *Server) Pid() int { return s.proc.pid }

// Port returns the TCP port.
func (s *Server) Port() int { return s.port }

// PasswordFile returns the path of the superuser's password for TCP.
func (s *Server) PasswordFile() string { return s.place.passwordFile() }

// PIDFile returns the path of the server's pid file.
func (s *Server) PIDFile() string { return s.place.data() + "/postmaster.pid" }

// BinDir returns the directory of the programs.
func (s *Server) BinDir() string { return s.place.bin.dir }

// Abandon starts the stopped server's cluster without a lock, and returns a channel that is closed
// when it has ended.
func (s *Server) Abandon(ctx context.Context) (<-chan struct{}, error) {
	proc, err := s.place.run(s.port, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return proc.done, proc.waitReady(ctx, s.place, s.port)
}

// RunAsStandby starts the stopped server's cluster as a standby without a primary, which answers
// reads. stop ends it.
func (s *Server) RunAsStandby(ctx context.Context) (stop func() error, err error) {
	if err := os.WriteFile(s.place.data()+"/standby.signal", nil, 0o600); err != nil {
		return nil, err
	}
	proc, err := s.place.run(s.port, true)
	if err != nil {
		return nil, err
	}
	return func() error { return proc.stop(context.WithoutCancel(ctx)) }, nil
}
