package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
)

// service is a running bin/carewire serve.
type service struct {
	url string
	// dataDir has the embedded database of this service, or of the service it was started beside.
	dataDir string
	cmd     *exec.Cmd
	output  *os.File
	client  *http.Client
	// metrics requests the service's metrics.
	metrics *http.Request
}

// serveDemo starts a demo service with the roles on a new embedded database, and waits until it is
// ready.
func serveDemo(ctx context.Context, dir, roles string) (*service, error) {
	dataDir := filepath.Join(dir, "data")
	return start(ctx, dataDir, []string{"--demo", "--roles", roles}, []string{"DATABASE_URL=", "CAREWIRE_DATA_DIR=" + dataDir})
}

// beside starts a second service with the roles on the database of s.
func (s *service) beside(ctx context.Context, args []string, env ...string) (*service, error) {
	url, err := embedded.RunningURL(s.dataDir)
	if err != nil {
		return nil, err
	}
	env = append([]string{"DATABASE_URL=" + url, "CAREWIRE_DATA_DIR=" + filepath.Join(filepath.Dir(s.dataDir), "second")}, env...)
	return start(ctx, s.dataDir, args, env)
}

func start(ctx context.Context, dataDir string, args, env []string) (*service, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	metricsAddr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	output, err := os.CreateTemp(filepath.Dir(dataDir), "serve-*.log")
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://" + addr, dataDir: dataDir, output: output}
	if s.metrics, err = http.NewRequestWithContext(ctx, http.MethodGet, "http://"+metricsAddr+"/metrics", nil); err != nil {
		return nil, err
	}
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writers, MaxConnsPerHost: writers}, Timeout: 30 * time.Second}
	s.cmd = exec.CommandContext(ctx, "bin/carewire", append([]string{"serve"}, args...)...)
	s.cmd.Env = append(os.Environ(), "CAREWIRE_ADDR="+addr, "CAREWIRE_METRICS_ADDR="+metricsAddr, "CAREWIRE_RATE_LIMIT=1000000", "CAREWIRE_LOG_LEVEL=warn")
	s.cmd.Env = append(s.cmd.Env, env...)
	s.cmd.Stdout, s.cmd.Stderr = output, output
	// Ctrl-C on a terminal signals the whole process group. Only this process handles it, and stops
	// its services in order.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = stopTimeout
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bin/carewire (build it with make build): %w", err)
	}
	return s, s.awaitReady(ctx)
}

func (s *service) awaitReady(ctx context.Context) error {
	for deadline := time.Now().Add(startTimeout); !s.ready(ctx); wait(ctx, 20*time.Millisecond) {
		if ctx.Err() == nil && time.Now().Before(deadline) {
			continue
		}
		s.stop()
		log, _ := os.ReadFile(s.output.Name())
		return errors.Join(fmt.Errorf("the service did not become ready:\n%s", log), ctx.Err())
	}
	return nil
}

func (s *service) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// metric returns the value of one of the service's metrics without labels; 0 if it cannot be read.
func (s *service) metric(name string) float64 {
	res, err := s.client.Do(s.metrics)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, _ := strconv.ParseFloat(text, 64)
			return value
		}
	}
	return 0
}

func (s *service) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	_ = s.output.Close()
}

// pool opens connections to the service's database in the role; an empty role is the owner.
func (s *service) pool(ctx context.Context, role postgres.Role) (*pgxpool.Pool, error) {
	url, err := embedded.RunningURL(s.dataDir)
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, postgres.Config{URL: url, Role: role, MaxConns: writers, AppName: "bench", StatementTimeout: time.Minute})
}

// tool runs another command of the binary on the service's database, and returns its output.
func (s *service) tool(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "bin/carewire", args...)
	cmd.Env = append(os.Environ(), "DATABASE_URL=", "CAREWIRE_DATA_DIR="+s.dataDir)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("carewire %s: %s", args[0], exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// fourMessages makes each event of a record four messages, and no other event any.
const fourMessages = `rules:
  - name: bench
    on: ehr.*.created
    recipients: [{user: data.userId}, {user: data.doctorId}]
    channels: [push, email]
`

// publish publishes a rule set.
func (s *service) publish(ctx context.Context, rules string) error {
	file := filepath.Join(filepath.Dir(s.dataDir), "rules.yaml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		return err
	}
	_, err := s.tool(ctx, "rules", "publish", file)
	return err
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// wait waits for d, or until ctx is done.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
