package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// idleTime is how long nothing happens before the memory is looked at.
const idleTime = time.Minute

// memory measures what a service of every role holds (its resident set) when nothing has happened for a while. The
// database's processes are not in it.
func memory(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api,realtime,dispatch,work")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	wait(ctx, idleTime)
	out, err := exec.CommandContext(ctx, "ps", "-o", "rss=", "-p", strconv.Itoa(s.cmd.Process.Pid)).Output()
	if err != nil {
		return nil, fmt.Errorf("ask ps for the service's memory: %w", err)
	}
	kilobytes, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return nil, fmt.Errorf("ps answered %q: %w", out, err)
	}
	return []Measure{alone("idle memory of the service", kilobytes/1024, "MiB")}, nil
}
