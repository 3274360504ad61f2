package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// idleTime is how long the service is idle before its memory is measured.
const idleTime = time.Minute

// memory measures the resident set of a service with every role that has been idle for a while,
// without the database's processes.
func memory(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api,realtime,dispatch,work")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	wait(ctx, idleTime)
	megabytes, err := s.memory(ctx)
	return []Measure{alone("idle memory of the service", megabytes, "MiB")}, err
}

// memory returns the resident memory of the service in MiB.
func (s *service) memory(ctx context.Context) (float64, error) {
	out, err := exec.CommandContext(ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(s.cmd.Process.Pid)).Output()
	if err != nil {
		return 0, fmt.Errorf("get the service's memory from ps: %w", err)
	}
	kilobytes, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return 0, fmt.Errorf("parse the output of ps %q: %w", out, err)
	}
	return kilobytes / 1024, nil
}
