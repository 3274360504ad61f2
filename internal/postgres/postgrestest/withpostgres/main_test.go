package main

import (
	"bufio"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// asProgram makes this test binary be the program.
const asProgram = "CAREWIRE_TEST_WITHPOSTGRES"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	m.Run()
}

// program runs the command with a PostgreSQL of its own.
func program(command ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], command...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func TestRun_RunsTheCommandWithADatabaseAndReturnsItsStatus(t *testing.T) {
	t.Parallel()
	cmd := program("sh", "-c", `echo "$CAREWIRE_TEST_DATABASE_URL"; exit 7`)
	out, err := cmd.Output()
	require.Error(t, err)
	require.Equal(t, 7, cmd.ProcessState.ExitCode())
	require.NoDirExists(t, socketDir(t, string(out)), "nothing is left behind")
}

func TestRun_StopsPostgreSQLLastWhenTheTerminalInterrupts(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := program("sh", "-c", `echo "$CAREWIRE_TEST_DATABASE_URL"; exec sleep 60`)
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
