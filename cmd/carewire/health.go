package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/config"
)

// healthTimeout is longer than /readyz waits for the database (2 s).
const healthTimeout = 3 * time.Second

func healthCommand() *cobra.Command {
	var live bool
	cmd := &cobra.Command{
		Use:   "health [--live]",
		Short: "Check the service on this machine",
		Long: `Request /readyz, or /livez with --live, from the service at CAREWIRE_ADDR. The command fails unless the answer is 200. It is the
health check of a container, because the image has no shell and no HTTP client.`,
		Example: `  carewire health
  carewire health --live`,
		Args: cobra.NoArgs,
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config, _ []string) error {
			path := "/readyz"
			if live {
				path = "/livez"
			}
			answer, err := checkHealth(cmd.Context(), cfg.Addr, path)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), answer)
			return err
		}),
	}
	cmd.Flags().BoolVar(&live, "live", false, "only check that the process answers")
	return cmd
}

// checkHealth returns the answer of the service, or an error unless its status is 200.
func checkHealth(ctx context.Context, addr, path string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("CAREWIRE_ADDR: invalid address %q; want host:port", addr)
	}
	if ip, err := netip.ParseAddr(host); host == "" || (err == nil && ip.IsUnspecified()) {
		host = "127.0.0.1" // A name would need /etc/hosts, which an empty image need not have.
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s returns %d: %s", path, response.StatusCode, detail(body))
	}
	return string(body), nil
}

// detail returns the detail of a problem (RFC 9457), or any other body as it is.
func detail(body []byte) string {
	var problem struct{ Detail string }
	if err := json.Unmarshal(body, &problem); err == nil && problem.Detail != "" {
		return problem.Detail
	}
	return strings.TrimSpace(string(body))
}
