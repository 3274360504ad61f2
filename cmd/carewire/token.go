package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"carewire/internal/app"
	"carewire/internal/config"
)

func tokenCommand() *cobra.Command {
	var as, service string
	var ttl time.Duration
	cmd := &cobra.Command{
		Use:   "token (--as EMAIL | --service CLIENT)",
		Short: "Print a bearer token for a demo person or the demo's other system, and nothing else",
		Long: `Print a bearer token for a demo person or the demo's other system, and nothing else.

The token is signed with the key that a service in demo mode keeps in CAREWIRE_DATA_DIR; no other service accepts it.`,
		Example: `  curl -H "Authorization: Bearer $(carewire token --as doctor@demo.example)" http://127.0.0.1:8080/api/me`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.FromEnvironment()
			if err != nil {
				return err
			}
			mint, who := app.Token, as
			if cmd.Flags().Changed("service") {
				mint, who = app.ServiceToken, service
			}
			token, err := mint(cfg, who, ttl)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringVar(&as, "as", "", "whose token: an email address such as doctor@demo.example")
	cmd.Flags().StringVar(&service, "service", "", "the token of another system: its client id, device-gateway")
	cmd.Flags().DurationVar(&ttl, "ttl", time.Hour, "how long it is good")
	cmd.MarkFlagsOneRequired("as", "service")
	cmd.MarkFlagsMutuallyExclusive("as", "service")
	return cmd
}
