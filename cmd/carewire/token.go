package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

// maxTTL bounds the lifetime of a token: it cannot be revoked.
const maxTTL = 24 * time.Hour

func tokenCommand() *cobra.Command {
	var as, service string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "token (--as EMAIL | --service CLIENT)",
		Short: "Print a bearer token for the demo",
		Long: `Print a bearer token for a demo person or for the demo's other system.

The token is signed with the key that a service in demo mode stores in CAREWIRE_DATA_DIR. Other services do not accept it.`,
		Example: `  curl -H "Authorization: Bearer $(carewire token --as doctor@demo.example)" http://127.0.0.1:8080/api/me`,
		Args:    cobra.NoArgs,
		RunE: withSettings(func(cmd *cobra.Command, cfg config.Config, _ []string) error {
			if ttl < time.Second || ttl > maxTTL {
				return usagef("--ttl must be at least 1s and at most %s, not %s", maxTTL, ttl)
			}
			mint, subject := app.MintToken, as
			if cmd.Flags().Changed("service") {
				mint, subject = app.MintServiceToken, service
			}
			token, err := mint(cfg, subject, ttl)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		}),
	}
	cmd.Flags().StringVar(&as, "as", "", "email address of a demo person, such as doctor@demo.example")
	cmd.Flags().StringVar(&service, "service", "", "client ID of the demo's other system: device-gateway")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "lifetime of the token, at most "+maxTTL.String())
	cmd.MarkFlagsOneRequired("as", "service")
	cmd.MarkFlagsMutuallyExclusive("as", "service")
	return cmd
}
