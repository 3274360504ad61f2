package main

import (
	"bufio"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "withpostgres")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

func TestRun_RunsTheCommandWithADatabaseAndReturnsItsStatus(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(build(t), "sh", "-c", `echo "$CAREWIRE_TEST_DATABASE_URL"; exit 7`)
	out, err := cmd.Output()
	require.Error(t, err)
	require.Equal(t, 7, cmd.ProcessState.ExitCode())
	require.NoDirExists(t, socketDir(t, string(out)), "nothing is left behind")
}

func TestRun_StopsPostgreSQLLastWhenTheTerminalInterrupts(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.Command(build(t), "sh", "-c", `echo "$CAREWIRE_TEST_DATABASE_URL"; exec sleep 60`)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err)
		require.DirExists(t, socketDir(t, line))
		to := cmd.Process.Pid
		if sig == syscall.SIGINT {
			// A terminal signals the whole group.
			to = -to
		}
		require.NoError(t, syscall.Kill(to, sig))
		require.Error(t, cmd.Wait())
		require.Equal(t, 128+int(sig), cmd.ProcessState.ExitCode())
		require.NoDirExists(t, socketDir(t, line))
	}
}

func TestRun_RequiresACommand(t *testing.T) {
	t.Parallel()
	code, err := run(t.Context(), nil)
	require.ErrorContains(t, err, "a command to run is required")
	require.Equal(t, 2, code)
}

func socketDir(t *testing.T, line string) string {
	t.Helper()
	u, err := url.Parse(strings.TrimSpace(line))
	require.NoError(t, err)
	return u.Query().Get("host")
}
