// Command withpostgres runs a command with a PostgreSQL for tests and exits with the command's
// status:
//
//	go run ./internal/postgres/postgrestest/withpostgres go test ./...
//
// If CAREWIRE_TEST_CLUSTER is set, the PostgreSQL has the same URL in each run with that name, so
// that go test can use cached results.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"carewire/internal/postgres/postgrestest"
)

func main() {
	code, err := run(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (code int, err error) {
	if len(args) == 0 {
		return 2, errors.New("a command to run is required")
	}
	// From here on a signal ends the command, and then this process: PostgreSQL stops last.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	start := postgrestest.StartCluster
	if name := os.Getenv("CAREWIRE_TEST_CLUSTER"); name != "" {
		start = func(ctx context.Context) (*postgrestest.Cluster, error) {
			return postgrestest.StartNamedCluster(ctx, name)
		}
	}
	cluster, err := start(ctx)
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := cluster.Stop(ctx); stopErr != nil {
			code, err = max(code, 1), errors.Join(err, stopErr)
		}
	}()
	select {
	case sig := <-signals:
		return statusOf(sig), nil
	default:
		return runCommand(args, cluster.URL(), signals)
	}
}

// runCommand runs the command and waits for it. A Ctrl-C reaches the command from the terminal
// directly; other signals are forwarded.
func runCommand(args []string, url string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(args[0], args[1:]...) //nolint:gosec,noctx // running it is what this is for; signals end it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), postgrestest.EnvURL+"="+url)
	if err := cmd.Start(); err != nil {
		return 127, fmt.Errorf("run %s: %w", args[0], err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			if sig != os.Interrupt {
				_ = cmd.Process.Signal(sig)
			}
		case err := <-done:
			if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
				return 1, fmt.Errorf("run %s: %w", args[0], err)
			}
			if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
				return statusOf(status.Signal()), nil
			}
			return cmd.ProcessState.ExitCode(), nil
		}
	}
}

// statusOf returns a shell's exit status for a process that a signal ended.
func statusOf(sig os.Signal) int {
	if s, ok := sig.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return 1
}
