package postgrestest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

// play makes this test binary play a part for another test: "leak" or "use".
const play = "CAREWIRE_TEST_PLAY"

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestNew_CreatesAMigratedDatabasePerTest(t *testing.T) {
	t.Parallel()
	one, two := postgrestest.New(t), postgrestest.New(t)
	_, err := one.App.Exec(t.Context(), `INSERT INTO clinics (id, name, time_zone) VALUES (gen_random_uuid(), 'North', 'UTC')`)
	require.NoError(t, err)
	var count int
	require.NoError(t, two.App.QueryRow(t.Context(), "SELECT count(*) FROM clinics").Scan(&count))
	require.Zero(t, count)
}

func TestNew_DropsTheDatabaseDespiteOpenConnections(t *testing.T) {
	t.Parallel()
	var url string
	var conn *pgx.Conn
	t.Run("uses one", func(t *testing.T) {
		url = postgrestest.New(t).URL
		var err error
		conn, err = pgx.Connect(t.Context(), url)
		require.NoError(t, err)
	})
	require.Error(t, conn.Ping(t.Context()))
	_, err := pgx.Connect(t.Context(), url)
	require.ErrorContains(t, err, "does not exist")
}

func TestNew_WorksForSeveralTestBinariesOnOneFreshCluster(t *testing.T) {
	t.Parallel()
	cluster, err := postgrestest.StartCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Stop(context.Background())) })
	var all sync.WaitGroup
	outputs := make([]string, 3)
	errs := make([]error, len(outputs))
	for i := range outputs {
		all.Go(func() { outputs[i], errs[i] = playPart("use", postgrestest.EnvURL+"="+cluster.URL()) })
	}
	all.Wait()
	for i, err := range errs {
		require.NoError(t, err, outputs[i])
	}
}

func TestMain_FailsTestsThatLeaveAGoroutineBehind(t *testing.T) {
	t.Parallel()
	out, err := playPart("leak", postgrestest.EnvURL+"="+os.Getenv(postgrestest.EnvURL))
	require.Error(t, err)
	require.Contains(t, out, "left goroutines behind")
	require.Contains(t, out, "TestPart")
}

// playPart runs TestPart alone in another process of this test binary.
func playPart(part, env string) (string, error) {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestPart$", "-test.count=1")
	cmd.Env = append(os.Environ(), play+"="+part, env)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestPart does nothing unless another test runs it.
func TestPart(t *testing.T) {
	t.Parallel()
	switch os.Getenv(play) {
	case "leak":
		go func() { select {} }()
	case "use":
		for range 3 {
			require.NoError(t, postgrestest.New(t).App.Ping(t.Context()))
		}
	}
}

func TestStartNamedCluster_HasTheSameURLAgainAndRunsOnce(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("named-%d", os.Getpid())
	first, err := postgrestest.StartNamedCluster(t.Context(), name)
	require.NoError(t, err)
	_, err = postgrestest.StartNamedCluster(t.Context(), name)
	require.ErrorContains(t, err, "already running")
	url := first.URL()
	require.NoError(t, first.Stop(t.Context()))
	second, err := postgrestest.StartNamedCluster(t.Context(), name)
	require.NoError(t, err)
	require.Equal(t, url, second.URL())
	require.NoError(t, second.Stop(t.Context()))
}
