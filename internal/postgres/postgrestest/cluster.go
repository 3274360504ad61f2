package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"

	"carewire/internal/postgres"
)

// EnvURL is the variable that names a running cluster, for Main and New.
const EnvURL = "CAREWIRE_TEST_DATABASE_URL"

// Cluster is a PostgreSQL in a temporary directory.
type Cluster struct {
	server *postgres.Server
	dir    string
}

// StartCluster starts a cluster that keeps nothing. The caller stops it.
func StartCluster(ctx context.Context) (*Cluster, error) {
	dir, err := os.MkdirTemp("", "carewire-test-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the tests' PostgreSQL: %w", err)
	}
	// Root's server runs as another user, who must be able to pass.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // the directory holds nothing but the server's own
		return nil, fmt.Errorf("open the directory of the tests' PostgreSQL: %w", err)
	}
	server, err := postgres.StartEmbedded(ctx, postgres.EmbeddedConfig{DataDir: dir, Fast: true})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Cluster{server: server, dir: dir}, nil
}

// URL is the connection URL of the cluster's superuser.
func (c *Cluster) URL() string { return c.server.URL() }

// Stop ends the cluster and removes its files.
func (c *Cluster) Stop(ctx context.Context) error {
	return errors.Join(c.server.Stop(ctx), os.RemoveAll(c.server.Dir()), os.RemoveAll(c.dir))
}
