package postgres

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Role is a database role of the service, its migrations or an auditor.
type Role string

// Roles. Only Owner may change the schema.
const (
	Owner   Role = "carewire_owner"
	App     Role = "carewire_app"
	Worker  Role = "carewire_worker"
	Auditor Role = "carewire_auditor"
)

const (
	defaultStatementTimeout = 30 * time.Second
	// A transaction that its client forgot has locks that the sequencer and the followers wait
	// for.
	idleInTransactionTimeout = 5 * time.Second
	// A peer that disappeared is detected after idle + interval × count, about 20 seconds.
	keepaliveIdle     = 10 * time.Second
	keepaliveInterval = 3 * time.Second
	keepaliveCount    = 3
	connectTimeout    = 10 * time.Second
)

var (
	//go:embed sql/session.sql
	sessionSQL string
	//go:embed sql/connection_names.sql
	connectionNamesSQL string
)

// Config configures a connection.
type Config struct {
	// URL is a PostgreSQL connection URL or keyword/value string.
	URL string
	// Setting is the name of the setting with the URL, for errors; empty means DATABASE_URL.
	Setting string
	// Role is set on each connection; empty keeps the connecting user's role.
	Role Role
	// MaxConns bounds a pool; 0 means the URL's pool_max_conns, or pgxpool's default.
	MaxConns int32
	// AppName is the application name in pg_stat_activity; empty means "carewire".
	AppName string
	// Tracer sees every query; nil disables tracing.
	Tracer pgx.QueryTracer
	// StatementTimeout cancels a longer statement; 0 means 30 seconds, negative no limit.
	StatementTimeout time.Duration
}

// Open returns a pool with connections that run as cfg.Role, after one connection succeeded. The
// error names cfg.Setting and never contains the password.
func Open(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pool, err := NewPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, cfg.connectError(pool.Config().ConnConfig, err)
	}
	return pool, nil
}

// NewPool returns a pool as Open does, but leaves connecting to the pool's first use.
func NewPool(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	pc, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, cfg.urlError(err)
	}
	cfg.apply(pc.ConnConfig)
	if cfg.MaxConns > 0 {
		pc.MaxConns = cfg.MaxConns
		pc.MinConns = min(pc.MinConns, cfg.MaxConns)
	}
	pc.AfterConnect = cfg.session
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, cfg.connectError(pc.ConnConfig, err)
	}
	return pool, nil
}

// ConnectListener opens one connection outside any pool, for LISTEN. The caller must close it. It
// needs the primary, or a pooler in session mode.
func ConnectListener(ctx context.Context, cfg Config) (*pgx.Conn, error) {
	cc, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, cfg.urlError(err)
	}
	cfg.apply(cc)
	conn, err := pgx.ConnectConfig(ctx, cc)
	if err != nil {
		return nil, cfg.connectError(cc, err)
	}
	if err := cfg.session(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return nil, cfg.connectError(cc, err)
	}
	return conn, nil
}

// apply sets the options of the connection that apply before connecting.
func (cfg Config) apply(cc *pgx.ConnConfig) {
	if _, ok := cc.RuntimeParams["application_name"]; !ok || cfg.AppName != "" {
		cc.RuntimeParams["application_name"] = cmp.Or(cfg.AppName, "carewire")
	}
	if cc.ConnectTimeout == 0 {
		cc.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: keepaliveIdle, Interval: keepaliveInterval, Count: keepaliveCount,
	}}
	cc.DialFunc = dialer.DialContext
	if cfg.Tracer != nil {
		cc.Tracer = cfg.Tracer
	}
}

// session sets role and limits in one round trip. They are not startup parameters, because poolers
// refuse most of those.
func (cfg Config) session(ctx context.Context, conn *pgx.Conn) error {
	registerUUID(conn)
	timeout := cmp.Or(cfg.StatementTimeout, defaultStatementTimeout)
	_, err := conn.Exec(ctx, sessionSQL,
		cmp.Or(string(cfg.Role), "none"),
		milliseconds(max(timeout, 0)),
		milliseconds(idleInTransactionTimeout),
		strconv.Itoa(int(keepaliveIdle.Seconds())),
		strconv.Itoa(int(keepaliveInterval.Seconds())),
		strconv.Itoa(keepaliveCount),
		milliseconds(keepaliveIdle+keepaliveCount*keepaliveInterval),
	)
	if err != nil {
		return fmt.Errorf("set role and limits of the session: %w", err)
	}
	return nil
}

// ConnectionNames returns the application names (Config.AppName) with the prefix, of all
// connections to the database. A name disappears with its connection.
func ConnectionNames(ctx context.Context, pool *pgxpool.Pool, beginning string) ([]string, error) {
	rows, err := pool.Query(ctx, connectionNamesSQL, beginning)
	if err != nil {
		return nil, fmt.Errorf("read the connections: %w", Translate(err))
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("read the connections: %w", Translate(err))
	}
	return names, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// setting returns the name of the setting with the URL.
func (cfg Config) setting() string { return cmp.Or(cfg.Setting, "DATABASE_URL") }

// urlError omits pgx's text, which can quote the URL.
func (cfg Config) urlError(err error) error {
	if parse, ok := errors.AsType[*pgconn.ParseConfigError](err); ok && parse.Unwrap() == nil {
		return fmt.Errorf("%s is not a PostgreSQL connection URL (postgres://user:password@host:5432/name)", cfg.setting())
	}
	return fmt.Errorf("%s is not a PostgreSQL connection URL (postgres://user:password@host:5432/name?sslmode=…): check its host, port and options", cfg.setting())
}
