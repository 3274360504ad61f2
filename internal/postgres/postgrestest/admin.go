package postgrestest

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/jackc/pgx/v5"
)

// admin has the superuser's connections to the cluster. They create and drop all databases of this
// process: a new connection takes 5 ms of the server's CPU time, and a database would need three.
var admin adminConns

type adminConns struct {
	mu   sync.Mutex
	idle []*pgx.Conn
	// template is the name of the template after the first use.
	template string
}

// exec runs a statement on an idle connection, or on a new one.
func (a *adminConns) exec(ctx context.Context, sql string) error {
	conn, err := a.take(ctx)
	if err != nil {
		return err
	}
	defer a.put(ctx, conn)
	_, err = conn.Exec(ctx, sql)
	return err
}

func (a *adminConns) take(ctx context.Context) (*pgx.Conn, error) {
	for conn := a.pop(); conn != nil; conn = a.pop() {
		if conn.Ping(ctx) == nil {
			return conn, nil
		}
		_ = conn.Close(ctx)
	}
	conn, err := pgx.Connect(ctx, os.Getenv(EnvURL))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", EnvURL, err)
	}
	return conn, nil
}

func (a *adminConns) pop() *pgx.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := len(a.idle) - 1
	if last < 0 {
		return nil
	}
	conn := a.idle[last]
	a.idle = a.idle[:last]
	return conn
}

// put keeps the connection for the next statement.
func (a *adminConns) put(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() || ctx.Err() != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.idle = append(a.idle, conn)
}

// ensureTemplate returns the name of the migrated template. Only its first call in a process asks
// the cluster, and builds the template if there is none yet.
func (a *adminConns) ensureTemplate(ctx context.Context, url string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.template != "" {
		return a.template, nil
	}
	name, err := ensureTemplate(ctx, url)
	if err == nil {
		a.template = name
	}
	return name, err
}

// close closes the idle connections.
func (a *adminConns) close(ctx context.Context) {
	for conn := a.pop(); conn != nil; conn = a.pop() {
		_ = conn.Close(ctx)
	}
}
