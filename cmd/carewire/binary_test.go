package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "carewire-binary-")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		binary = filepath.Join(dir, "carewire")
		if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, ".").CombinedOutput(); err != nil {
			panic(string(out))
		}
		return m.Run()
	}())
}

// buffer is the output of a process so far.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// service is a `carewire serve --demo` process.
type service struct {
	t        *testing.T
	cmd      *exec.Cmd
	url      string
	env      []string
	out, log *buffer
	mu       sync.Mutex
	tokens   map[string]string
}

func serve(t *testing.T, dataDir string, env ...string) *service {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	s := &service{t: t, url: "http://" + addr, out: &buffer{}, log: &buffer{}, tokens: map[string]string{}}
	s.env = append(os.Environ(), "DATABASE_URL=", "CAREWIRE_ADDR="+addr, "CAREWIRE_DATA_DIR="+dataDir)
	s.env = append(s.env, env...)
	s.cmd = exec.Command(binary, "serve", "--demo")
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = s.env, s.out, s.log
	require.NoError(t, s.cmd.Start())
	t.Cleanup(s.stop)
	// The banner arrives in pieces: only its last line shows that all of it is there.
	last := "sleep 1; curl -s \"" + s.url + "/sandbox/messages?channel=email\"\n"
	require.Eventually(t, func() bool { return strings.Contains(s.out.String(), last) }, 60*time.Second, 10*time.Millisecond, "%s", s.log)
	return s
}

// stop sends an interrupt. A service that does not end in time fails the test.
func (s *service) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	require.NoError(s.t, s.cmd.Process.Signal(os.Interrupt))
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		require.NoError(s.t, err, "%s", s.log)
	case <-time.After(40 * time.Second):
		_ = s.cmd.Process.Kill()
		require.Fail(s.t, "the service did not stop", "%s", s.log)
	}
}

// run runs a command with the settings of the service.
func (s *service) run(args ...string) (stdout, stderr string, err error) {
	cmd := exec.Command(binary, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// token returns the demo person's token from `carewire token`, which prints nothing else.
func (s *service) token(as string) string {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens[as] == "" {
		token, stderr, err := s.run("token", "--as", as)
		require.NoError(s.t, err, stderr)
		require.Regexp(s.t, `^[\w-]+\.[\w-]+\.[\w-]+\n$`, token)
		s.tokens[as] = strings.TrimSpace(token)
	}
	return s.tokens[as]
}

// get sends a GET request as the demo person.
func (s *service) get(as, path string) (int, string) {
	s.t.Helper()
	status, body, err := s.do(as, http.MethodGet, path, "")
	require.NoError(s.t, err)
	return status, body
}

func (s *service) me(as string) (int, string) {
	s.t.Helper()
	return s.get(as, "/api/me")
}

func (s *service) do(as, method, path, body string) (int, string, error) {
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.token(as))
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

// writeReport posts the banner's report as the doctor, and returns its ID. The error of a report
// that was not acknowledged has the status and the answer.
func (s *service) writeReport() (id string, err error) {
	_, report, ok := strings.Cut(s.out.String(), "-d '")
	if !ok {
		return "", errors.New("the banner has no report")
	}
	report, _, _ = strings.Cut(report, "'")
	status, answer, err := s.do("doctor@demo.example", http.MethodPost, "/api/ehr/lab-reports", report)
	if err != nil {
		return "", fmt.Errorf("post the report: %w", err)
	}
	if status != http.StatusCreated {
		return "", fmt.Errorf("post the report: status %d: %s", status, answer)
	}
	var record struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &record); err != nil {
		return "", fmt.Errorf("post the report: %w: %s", err, answer)
	}
	return record.ID, nil
}

func TestServe_StartsStopsAndFindsItsDataAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(postgrestest.DataDir(t), "a path with spaces")
	first := serve(t, dir)
	require.Contains(t, first.out.String(), first.url+"/sandbox")
	require.Contains(t, first.out.String(), "DOCTOR=ey")
	require.Contains(t, first.out.String(), "carewire_auditor")
	status, before := first.me("patient@demo.example")
	require.Equal(t, http.StatusOK, status, before)
	first.stop()
	require.Empty(t, postgresOf(dir), "Ctrl-C stops the database too")

	began := time.Now()
	second := serve(t, dir)
	t.Logf("the second start took %s", time.Since(began).Round(time.Millisecond))
	status, after := second.me("patient@demo.example")
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, before, after, "the next start finds its data")
}

func TestServe_LosesNoAcknowledgedWriteWhenKilled(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	first := serve(t, dir)
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var ended []error
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for {
				id, err := first.writeReport()
				if err != nil {
					mu.Lock()
					ended = append(ended, err)
					mu.Unlock()
					return // The service was killed.
				}
				mu.Lock()
				acknowledged["lab_report/"+id] = true
				mu.Unlock()
			}
		})
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged) >= 100 || len(ended) > 0
	}, 30*time.Second, time.Millisecond)
	mu.Lock()
	require.Empty(t, ended, "writers that failed before the service was killed")
	mu.Unlock()
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGKILL))
	_ = first.cmd.Wait()
	writers.Wait()

	second := serve(t, dir)
	require.Eventually(t, func() bool {
		for subject := range acknowledged {
			status, story := second.get("auditor@demo.example", "/api/audit?subject="+subject)
			require.Equal(t, http.StatusOK, status, story)
			switch strings.Count(story, `"type":"ehr.lab_report.created"`) {
			case 0:
				return false
			case 1:
				delete(acknowledged, subject)
			default:
				require.Fail(t, "duplicate event", subject)
			}
		}
		return true
	}, 60*time.Second, 10*time.Millisecond, "each acknowledged write has its event, once")
}

func TestServe_RunsTwoServicesSideBySide(t *testing.T) {
	t.Parallel()
	a, b := serve(t, postgrestest.DataDir(t)), serve(t, postgrestest.DataDir(t))
	for _, s := range []*service{a, b} {
		status, body := s.me("doctor@demo.example")
		require.Equal(t, http.StatusOK, status, body)
	}
}

// postgresOf returns the processes with the directory in their command line.
func postgresOf(dir string) []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && bytes.Contains(line, []byte("postgres")) && bytes.Contains(line, []byte(dir)) {
			found = append(found, string(line))
		}
	}
	return found
}

func TestCommands_ReportErrorsAndExitWithStatus1Or2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rules := filepath.Join(dir, "rules.yaml")
	require.NoError(t, os.WriteFile(rules, []byte("rules:\n  - name: broken\n    on: ehr.unheard_of\n"), 0o600))
	for _, c := range []struct {
		args []string
		env  []string
		says string
		exit int
	}{
		{[]string{"serve"}, nil, "CAREWIRE_OIDC_ISSUER", 1},
		{[]string{"serve", "--demo"}, []string{"CAREWIRE_ADDR=8080"}, "CAREWIRE_ADDR", 1},
		{[]string{"serve", "--demo", "--roles", "everything"}, nil, "--roles", 1},
		{[]string{"serve", "--demo"}, []string{"CAREWIRE_ADDR=127.0.0.1:0", "CAREWIRE_START_TIMEOUT=0s", "DATABASE_URL=postgres://nobody:hunter2@127.0.0.1:1/none"}, "DATABASE_URL", 1},
		{[]string{"migrate"}, []string{"CAREWIRE_START_TIMEOUT=0s", "DATABASE_URL=postgres://nobody:hunter2@127.0.0.1:1/none"}, "CAREWIRE_START_TIMEOUT", 1},
		{[]string{"rules", "list"}, []string{"DATABASE_URL=postgres://nobody:hunter2@127.0.0.1:1/none"}, "connection refused", 1},
		{[]string{"follower", "list"}, []string{"DATABASE_URL=postgres://nobody:hunter2@db.clinic.example/none"}, "add database to CAREWIRE_ALLOW_INSECURE", 1},
		{[]string{"migrate"}, []string{"DATABASE_URL_FILE=" + rules, "CAREWIRE_START_TIMEOUT=0s"}, "DATABASE_URL_FILE", 1},
		{[]string{"token", "--as", "doctor@demo.example"}, nil, "CAREWIRE_DATA_DIR", 1},
		{[]string{"token"}, nil, "want one of --as, --service; see carewire token --help", 2},
		{[]string{"migrate"}, nil, "CAREWIRE_DATA_DIR", 1},
		{[]string{"rules", "check", rules}, nil, rules + ":", 1},
		{[]string{"rules", "check", filepath.Join(dir, "none.yaml")}, nil, "none.yaml", 1},
		{[]string{"nonsense"}, nil, "nonsense", 2},
		{[]string{"follower", "nonsense"}, nil, `"nonsense" for "carewire follower"`, 2},
		{[]string{"import", "fhir", filepath.Join(dir, "none.json")}, nil, "none.json", 1},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary, c.args...)
			cmd.Env = append(append(os.Environ(), "DATABASE_URL=", "CAREWIRE_DATA_DIR="+filepath.Join(dir, "data")), c.env...)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "%s", out)
			require.Equal(t, c.exit, exit.ExitCode(), "%s", out)
			require.Contains(t, string(out), c.says)
			require.NotContains(t, string(out), "goroutine")
			require.NotContains(t, string(out), "hunter2", "never a password")
		})
	}
}

// until waits for a line in a process's log.
func until(t *testing.T, log *buffer, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), text) }, 60*time.Second, 10*time.Millisecond, "%s", log)
}

func TestServe_ExitsImmediatelyOnASignalWhileItWaitsForItsDatabase(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	cmd := exec.Command(binary, "serve", "--demo")
	cmd.Env = append(os.Environ(), "CAREWIRE_ADDR=127.0.0.1:0", "CAREWIRE_DATA_DIR="+t.TempDir(), "CAREWIRE_START_TIMEOUT=10h", "DATABASE_URL=postgres://u@127.0.0.1:1/none?sslmode=disable")
	cmd.Stderr = log
	require.NoError(t, cmd.Start())
	until(t, log, "waiting for the database")
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait(), "%s", log)
	require.Contains(t, log.String(), "stopped before the start was complete")
}

func TestServe_ASecondSignalEndsTheDrainDelay(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t), "CAREWIRE_DRAIN_DELAY=10h")
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	until(t, s.log, "draining")
	status, body := s.me("doctor@demo.example")
	require.Equal(t, http.StatusOK, status, body)
	status, body = s.get("doctor@demo.example", "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, s.cmd.Wait(), "%s", s.log)
	require.Contains(t, s.log.String(), "stopped")
}

func TestHelp_IsAvailableForEveryCommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"migrate", "--help"}, {"token", "--help"}, {"rules", "check", "--help"}, {"ledger", "new-epoch", "--help"}} {
		out, err := exec.Command(binary, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "Usage:")
	}
}
