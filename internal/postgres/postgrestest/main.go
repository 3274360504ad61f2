package postgrestest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// Main runs a package's tests with a cluster for New, fails them if they leave a goroutine behind,
// and exits. Call it from TestMain as the last statement.
func Main(m *testing.M) {
	os.Exit(Run(m))
}

// Run is Main for a TestMain with cleanup of its own: it returns the exit code.
func Run(m *testing.M) (code int) {
	ctx := context.Background()
	if os.Getenv(EnvURL) == "" {
		cluster, err := StartCluster(ctx)
		if err != nil {
			fmt.Fprintln(os.Stderr, "postgrestest:", err)
			return 1
		}
		stop := onSignal(cluster)
		defer func() {
			stop()
			if err := cluster.Stop(ctx); err != nil {
				fmt.Fprintln(os.Stderr, "postgrestest: stop PostgreSQL:", err)
				code = max(code, 1)
			}
		}()
		if err := os.Setenv(EnvURL, cluster.URL()); err != nil {
			fmt.Fprintln(os.Stderr, "postgrestest:", err)
			return 1
		}
	}
	defer admin.close(ctx)
	ours := goleak.IgnoreCurrent()
	if code = m.Run(); code != 0 {
		return code
	}
	if err := goleak.Find(ours); err != nil {
		fmt.Fprintln(os.Stderr, "postgrestest: the tests passed but left goroutines behind:", err)
		return 1
	}
	return 0
}

// onSignal stops the cluster if the tests are interrupted.
func onSignal(cluster *Cluster) (stop func()) {
	signals := make(chan os.Signal, 1)
	quit := make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-quit:
		case <-signals:
			_ = cluster.Stop(context.Background())
			os.Exit(130)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(quit)
	}
}
