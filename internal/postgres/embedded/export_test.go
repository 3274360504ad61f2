package embedded

import (
	"context"
	"os"
	"time"
)

// WithoutInstalled makes cfg find no PostgreSQL on the machine, and keep what it downloads in cache.
func (cfg Config) WithoutInstalled(cache string) Config {
	cfg.search = func() []string { return nil }
	cfg.cache = cache
	return cfg
}

// Pid is the server's process.
func (s *Server) Pid() int { return s.proc.pid }

// Port is the TCP port.
func (s *Server) Port() int { return s.port }

// PasswordFile is where the superuser's password for TCP is.
func (s *Server) PasswordFile() string { return s.place.passwordFile() }

// PIDFile is what the server writes about itself.
func (s *Server) PIDFile() string { return s.place.data() + "/postmaster.pid" }

// BinDir is where the programs are.
func (s *Server) BinDir() string { return s.place.bin.dir }

// Abandon starts the stopped server's cluster as one that no service holds, and gives a channel that is closed when it
// has ended.
func (s *Server) Abandon(ctx context.Context) (<-chan struct{}, error) {
	proc, err := s.place.run(s.port, true)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return proc.done, proc.waitReady(ctx, s.place, s.port)
}

// RunAsStandby starts the stopped server's cluster as a standby of nobody, which answers reads. stop ends
// it.
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
