package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/config"
	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) {
	code := postgrestest.Run(m)
	_ = os.RemoveAll(binaryDir)
	os.Exit(code)
}

// binaryDir has the binary after the first test that needs it.
var binaryDir string

// binary returns the path of the binary, built once for all tests that need it.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "carewire-app-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "carewire")
	if out, err := exec.Command("go", "build", raceFlag, "-ldflags=-s -w", "-o", path, "carewire/cmd/carewire").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return path, nil
})

// everyDeployment runs a scenario on each way to run the service. Its behaviour must be the same
// for users.
func everyDeployment(t *testing.T, scenario func(c *clinic)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) *clinic{
		"one instance":         openClinic,
		"three instances":      openThree,
		"an instance per role": openRoles,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(open(t))
		})
	}
}

// openThree starts three processes on one database at the same time. Requests go to each in turn.
func openThree(t *testing.T) *clinic {
	t.Helper()
	db := postgrestest.New(t)
	c := newClinic(t, testConfig(t, db))
	c.db = db
	c.launch(slices.Repeat([]string{oneOfEach}, 3)...)
	return c
}

// openRoles starts a process for each role.
func openRoles(t *testing.T) *clinic {
	t.Helper()
	db := postgrestest.New(t)
	c := newClinic(t, testConfig(t, db))
	c.db = db
	c.launch(config.AllRoles...)
	c.api.urls, c.sockets.urls = c.api.urls[:1], c.sockets.urls[1:2]
	return c
}

// launch starts a process for each list of roles.
func (c *clinic) launch(roles ...string) {
	c.t.Helper()
	c.url = "http://clinic.example"
	env := []string{
		"DATABASE_URL=" + c.cfg.DatabaseURL, "CAREWIRE_APP_DATABASE_URL=" + c.cfg.AppDatabaseURL, "CAREWIRE_WORKER_DATABASE_URL=" + c.cfg.WorkerDatabaseURL,
		"CAREWIRE_DATA_DIR=" + c.cfg.DataDir, "CAREWIRE_BASE_URL=" + c.url,
		fmt.Sprintf("CAREWIRE_DB_MAX_CONNS=%d", c.cfg.MaxConns),
	}
	for _, r := range roles {
		c.addInstance(env, "serve", "--demo", "--roles", r)
	}
	c.ready()
}

// addInstance starts one more instance.
func (c *clinic) addInstance(env []string, args ...string) {
	c.t.Helper()
	i := newInstance(c.t, env, args...)
	c.instances = append(c.instances, i)
	c.api.urls = append(c.api.urls, i.address)
	c.sockets.urls = append(c.sockets.urls, i.address)
}

// ready waits for all instances.
func (c *clinic) ready() {
	c.t.Helper()
	for _, i := range c.instances {
		i.ready()
	}
}

// instance is a process of the binary. It listens on a free port.
type instance struct {
	t    *testing.T
	env  []string
	args []string

	mu  sync.Mutex
	cmd *exec.Cmd
	log *output
	url string
}

// output is the output of a process.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func newInstance(t *testing.T, env []string, args ...string) *instance {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	i := &instance{t: t, args: append([]string{path}, args...)}
	i.env = append(append(os.Environ(), "CAREWIRE_ADDR=127.0.0.1:0", "CAREWIRE_LOG_LEVEL=info", "CAREWIRE_LOG_FORMAT=json"), env...)
	i.start()
	t.Cleanup(i.stop)
	return i
}

// start starts the process without waiting until it is ready.
func (i *instance) start() {
	i.t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.log, i.url = &output{}, ""
	i.cmd = exec.Command(i.args[0], i.args[1:]...)
	i.cmd.Env, i.cmd.Stderr = i.env, i.log
	require.NoError(i.t, i.cmd.Start())
}

var servingAt = regexp.MustCompile(`"msg":"serving","url":"([^"]+)"`)

// address returns the address of the instance, or a closed one while it is not running.
func (i *instance) address() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.url == "" {
		found := servingAt.FindStringSubmatch(i.log.String())
		if found == nil {
			return "http://127.0.0.1:1"
		}
		i.url = found[1]
	}
	return i.url
}

// ready waits until the instance accepts requests.
func (i *instance) ready() {
	i.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	require.Eventually(i.t, func() bool {
		res, err := client.Get(i.address() + "/readyz")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	}, 2*patience, 20*time.Millisecond, "ready: %s", i.log)
}

// kill sends SIGKILL.
func (i *instance) kill() {
	i.t.Helper()
	require.NoError(i.t, i.cmd.Process.Kill())
	_ = i.cmd.Wait()
}

// stop sends an interrupt. It ignores a process that has exited.
func (i *instance) stop() {
	i.t.Helper()
	if i.cmd.ProcessState != nil {
		return
	}
	require.NoError(i.t, i.cmd.Process.Signal(os.Interrupt))
	done := make(chan error, 1)
	go func() { done <- i.cmd.Wait() }()
	select {
	case err := <-done:
		require.NoError(i.t, err, "%s", i.log)
	case <-time.After(2 * patience):
		_ = i.cmd.Process.Kill()
		require.Fail(i.t, "the instance did not stop", "%s", i.log)
	}
}
