package embedded_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres"
	"carewire/internal/postgres/embedded"
	"carewire/internal/postgres/postgrestest"
)

// serviceDir makes this test binary a service on that directory, for a test that kills it.
const serviceDir = "CAREWIRE_TEST_SERVICE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serviceDir); dir != "" {
		serveUntilKilled(dir)
	}
	postgrestest.Main(m)
}

func serveUntilKilled(dir string) {
	server, err := embedded.Start(context.Background(), embedded.Config{DataDir: dir, Fast: true})
	if err != nil {
		_, _ = os.Stdout.WriteString("error " + err.Error() + "\n")
		os.Exit(1)
	}
	_, _ = os.Stdout.WriteString(server.URL() + "\n")
	select {}
}

// openDir returns a directory for programs that the server's user can reach if root runs the tests,
// unlike t.TempDir. Memory, where data directories are, may refuse to run them.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "carewire-embedded-") //nolint:usetesting // see above
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o711))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func start(t *testing.T, cfg embedded.Config) *embedded.Server {
	t.Helper()
	cfg.Fast = true
	server, err := embedded.Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, server.Stop(context.Background()))
		_ = os.RemoveAll(server.Dir())
	})
	return server
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func openPool(t *testing.T, url string, role postgres.Role) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url, Role: role, MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func one[T any](t *testing.T, conn *pgx.Conn, sql string) T {
	t.Helper()
	var value T
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&value))
	return value
}

func TestStart_KeepsItsDataAndStartsAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(postgrestest.DataDir(t), "a directory with spaces")
	first := start(t, embedded.Config{DataDir: dir})
	conn := connect(t, first.URL())
	_, err := conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 42 AS n")
	require.NoError(t, err)
	require.NoError(t, first.Stop(t.Context()))
	_, open := <-first.Wait()
	require.False(t, open, "a server that was stopped did not die")

	second := start(t, embedded.Config{DataDir: dir})
	require.Equal(t, 42, one[int](t, connect(t, second.URL()), "SELECT n FROM kept"))
	require.Equal(t, first.URL(), second.URL(), "a line copied from the first run still works")
}

func TestStart_IsFoundByItsDataDirectoryWhileItRuns(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(postgrestest.DataDir(t), "data")
	_, err := embedded.RunningURL(dir)
	require.ErrorContains(t, err, "no embedded database is running in "+dir)

	server := start(t, embedded.Config{DataDir: dir})
	url, err := embedded.RunningURL(dir)
	require.NoError(t, err)
	require.Equal(t, server.URL(), url)

	require.NoError(t, server.Stop(t.Context()))
	_, err = embedded.RunningURL(dir)
	require.ErrorContains(t, err, "no embedded database is running")
}

func TestStart_RunsTwoSideBySide(t *testing.T) {
	t.Parallel()
	root := postgrestest.DataDir(t)
	one := start(t, embedded.Config{DataDir: filepath.Join(root, "one")})
	two := start(t, embedded.Config{DataDir: filepath.Join(root, "two")})
	require.NotEqual(t, one.Port(), two.Port())
	require.NoError(t, connect(t, one.URL()).Ping(t.Context()))
	require.NoError(t, connect(t, two.URL()).Ping(t.Context()))
}

func TestStart_RefusesADirectoryOfARunningService(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	server := start(t, embedded.Config{DataDir: dir})
	_, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir})
	require.ErrorContains(t, err, "another carewire is running on "+dir+" (process "+strconv.Itoa(os.Getpid())+"); stop it or set CAREWIRE_DATA_DIR")
	require.NoError(t, connect(t, server.URL()).Ping(t.Context()), "the one that has it is not disturbed")
}

func TestStart_ReportsWhenTheServerDiesAndRecoversAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	killed := start(t, embedded.Config{DataDir: dir})
	conn := connect(t, killed.URL())
	_, err := conn.Exec(t.Context(), "SET synchronous_commit = on; CREATE TABLE kept AS SELECT 7 AS n")
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(killed.Pid(), syscall.SIGKILL))
	select {
	case err := <-killed.Wait():
		require.ErrorContains(t, err, "exited unexpectedly")
	case <-time.After(10 * time.Second):
		t.Fatal("nobody told that the server died")
	}
	require.FileExists(t, killed.PIDFile())
	require.NoError(t, killed.Stop(t.Context()))

	again := start(t, embedded.Config{DataDir: dir})
	require.Equal(t, 7, one[int](t, connect(t, again.URL()), "SELECT n FROM kept"))
}

func TestStart_IgnoresAPidFileWithThePidOfAnotherProgram(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	server := start(t, embedded.Config{DataDir: dir})
	text, err := os.ReadFile(server.PIDFile())
	require.NoError(t, err)
	require.NoError(t, server.Stop(t.Context()))

	other := exec.Command("sleep", "60")
	require.NoError(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	_, rest, _ := strings.Cut(string(text), "\n")
	require.NoError(t, os.WriteFile(server.PIDFile(), []byte(strconv.Itoa(other.Process.Pid)+"\n"+rest), 0o600))

	again := start(t, embedded.Config{DataDir: dir})
	require.NoError(t, connect(t, again.URL()).Ping(t.Context()))
	require.NoError(t, other.Process.Signal(syscall.Signal(0)), "the other program was left alone")
}

func TestStart_StopsAServerWithoutALock(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	server := start(t, embedded.Config{DataDir: dir})
	require.NoError(t, server.Stop(t.Context()))
	ended, err := server.Abandon(t.Context())
	require.NoError(t, err)

	again := start(t, embedded.Config{DataDir: dir})
	<-ended
	require.NoError(t, connect(t, again.URL()).Ping(t.Context()))
}

func TestStart_TakesOverFromAServiceThatWasKilled(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	service := exec.Command(os.Args[0])
	service.Env = append(os.Environ(), serviceDir+"="+dir)
	out, err := service.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, service.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	conn := connect(t, strings.TrimSpace(line))
	_, err = conn.Exec(t.Context(), "SET synchronous_commit = on; CREATE TABLE kept AS SELECT 7 AS n")
	require.NoError(t, err)
	require.NoError(t, service.Process.Kill())
	require.Error(t, service.Wait())

	again := start(t, embedded.Config{DataDir: dir})
	require.Equal(t, 7, one[int](t, connect(t, again.URL()), "SELECT n FROM kept"))
}

func TestStart_UsesTheFallbackIfItsUserCannotReachTheDirectory(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root's server runs as another user")
	}
	parent := filepath.Join(postgrestest.DataDir(t), "root's own")
	require.NoError(t, os.Mkdir(parent, 0o700))
	dir := filepath.Join(parent, "data")
	server := start(t, embedded.Config{DataDir: dir})
	require.NotContains(t, server.Dir(), dir)
	_, err := connect(t, server.URL()).Exec(t.Context(), "CREATE TABLE kept AS SELECT 7 AS n")
	require.NoError(t, err)
	url, err := embedded.RunningURL(dir)
	require.NoError(t, err)
	require.Equal(t, server.URL(), url)
	require.NoError(t, server.Stop(t.Context()))

	// The directory is accessible now, but the data is in the fallback.
	require.NoError(t, os.Chmod(parent, 0o711))
	again := start(t, embedded.Config{DataDir: dir})
	require.Equal(t, server.Dir(), again.Dir())
	require.Equal(t, 7, one[int](t, connect(t, again.URL()), "SELECT n FROM kept"))
}

func TestStart_NeverReplacesAClusterThatItCannotReach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root's server runs as another user")
	}
	parent := postgrestest.DataDir(t)
	dir := filepath.Join(parent, "data")
	server := start(t, embedded.Config{DataDir: dir})
	require.NoError(t, server.Stop(t.Context()))
	require.NoError(t, os.Chmod(parent, 0o700))
	_, err := embedded.Start(t.Context(), embedded.Config{DataDir: dir})
	require.ErrorContains(t, err, "because PostgreSQL refuses to run as root")
	require.NoError(t, os.Chmod(parent, 0o711))
	start(t, embedded.Config{DataDir: dir})
}

func TestStart_WorksBelowAPathThatIsTooLongForASocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(postgrestest.DataDir(t), strings.Repeat("long", 20), strings.Repeat("longer", 15))
	require.NoError(t, os.MkdirAll(dir, 0o755))
	server := start(t, embedded.Config{DataDir: dir})
	socket := one[string](t, connect(t, server.URL()), "SHOW unix_socket_directories")
	require.NoError(t, server.Stop(t.Context()))
	require.NoDirExists(t, strings.Trim(socket, `"`))
}

func TestStart_IsInAProcessGroupOfItsOwn(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{DataDir: postgrestest.DataDir(t)})
	group, err := syscall.Getpgid(server.Pid())
	require.NoError(t, err)
	require.Equal(t, server.Pid(), group)
}

func TestStart_ReportsThatTheRequestedPortIsInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	dir := postgrestest.DataDir(t)
	taken := listener.Addr().(*net.TCPAddr).Port
	_, err = embedded.Start(t.Context(), embedded.Config{DataDir: dir, Fast: true, Port: taken})
	require.ErrorContains(t, err, "port "+strconv.Itoa(taken)+" is in use")
	start(t, embedded.Config{DataDir: dir})
}

func TestStart_RequiresThePasswordOverTCP(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{DataDir: postgrestest.DataDir(t)})
	password, err := os.ReadFile(server.PasswordFile())
	require.NoError(t, err)
	at := "@127.0.0.1:" + strconv.Itoa(server.Port()) + "/carewire?sslmode=disable"
	conn := connect(t, "postgres://carewire:"+strings.TrimSpace(string(password))+at)
	require.NoError(t, conn.Ping(t.Context()))
	for _, user := range []string{"carewire:guess", "carewire_app:guess", "carewire_app:"} {
		_, err = pgx.Connect(t.Context(), "postgres://"+user+at)
		require.ErrorContains(t, err, "password authentication failed", user)
	}
}

func TestPSQL_OpensASessionOfTheRoleOnly(t *testing.T) {
	t.Parallel()
	server := start(t, embedded.Config{DataDir: filepath.Join(postgrestest.DataDir(t), "with spaces")})
	cmd := exec.Command("sh", "-c", server.PSQL(postgres.Auditor)+` -Atc "SELECT current_user, session_user"`)
	cmd.Env = append(os.Environ(), "PATH="+server.BinDir()+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "carewire_auditor|carewire_auditor\n", string(out))
}

func TestStart_StopsWithItsContextAndUnlocksTheDirectory(t *testing.T) {
	t.Parallel()
	dir := postgrestest.DataDir(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := embedded.Start(ctx, embedded.Config{DataDir: dir, Fast: true})
	require.Error(t, err)
	start(t, embedded.Config{DataDir: dir})
}
