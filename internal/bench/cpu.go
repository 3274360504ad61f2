package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
)

// meter measures the processor time of an operation. On a busy machine an operation takes longer,
// but hardly more processor time. Next to a rate, the processor time shows whether the service or
// the machine was slow. It reads Linux's /proc, and reports nothing on other systems.
type meter struct {
	postmaster int
	services   []*service
	before     spent
}

// spent is processor time in seconds: of the services, of all database processes, and of this
// process.
type spent struct{ service, database, bench float64 }

// newMeter returns a meter of the services and of the database that the pool connects to.
func newMeter(ctx context.Context, owner *pgxpool.Pool, services ...*service) *meter {
	m := &meter{services: services}
	var backend int
	if err := owner.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&backend); err == nil {
		if p, ok := readProcess(backend); ok {
			m.postmaster = p.parent
		}
	}
	m.reset()
	return m
}

func (m *meter) reset() { m.before = m.read() }

// since returns the processor time since the last reset. ok is false if it is unknown.
func (m *meter) since() (s spent, ok bool) {
	now := m.read()
	return spent{now.service - m.before.service, now.database - m.before.database, now.bench - m.before.bench}, now.bench > 0
}

// per returns the processor time of each of n operations since the last reset.
func (m *meter) per(n float64) string {
	s, ok := m.since()
	if !ok || n == 0 {
		return ""
	}
	return fmt.Sprintf("; µs of CPU each: service %.0f, database %.0f, bench %.0f", s.service/n*1e6, s.database/n*1e6, s.bench/n*1e6)
}

func (m *meter) read() spent {
	var s spent
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		p, ok := readProcess(pid)
		switch {
		case !ok:
		case pid == os.Getpid():
			s.bench += p.own
		case pid == m.postmaster:
			s.database += p.own + p.children // Including exited children.
		case p.parent == m.postmaster:
			s.database += p.own
		}
		for _, one := range m.services {
			if pid == one.cmd.Process.Pid {
				s.service += p.own
			}
		}
	}
	return s
}

// process has fields of /proc/<pid>/stat (proc(5)). Times are in seconds, of the process and of the
// children it waited for.
type process struct {
	parent        int
	own, children float64
}

// ticks is USER_HZ, the unit of times in /proc, which is the same on every architecture that Go
// supports.
const ticks = 100

func readProcess(pid int) (process, bool) {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return process{}, false
	}
	// The name, in parentheses, can contain any character.
	fields := strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
	if len(fields) < 15 {
		return process{}, false
	}
	number := func(i int) float64 {
		n, _ := strconv.ParseFloat(fields[i], 64)
		return n
	}
	return process{parent: int(number(1)), own: (number(11) + number(12)) / ticks, children: (number(13) + number(14)) / ticks}, true
}
