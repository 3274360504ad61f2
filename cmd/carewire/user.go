package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"carewire/internal/config"
	"carewire/internal/operator"
	"carewire/internal/table"
)

func userCommand() *cobra.Command {
	return group("user", "Register, list and disable the accounts of staff",
		userCreateCommand(), userListCommand(), userStatusCommand("disable"), userStatusCommand("enable"), userLinkCommand())
}

const userRoles = "doctor, nurse, receptionist, admin, operator or auditor"

func userCreateCommand() *cobra.Command {
	var in operator.NewUser
	var clinic string
	var roles []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create --email EMAIL --given-name NAME --family-name NAME --role ROLE [--clinic ID]",
		Short: "Register a person who works with carewire",
		Long: `Register a person and print their ID.

The roles doctor, nurse, receptionist and admin are held at a clinic and require --clinic; operator and auditor are held on the
platform. The person signs in at the identity provider: the first sign-in with the verified email address is linked to the
account. If the provider does not report verified addresses, use carewire user link. Patients are registered with the API
(POST /api/users) or by an import.`,
		Example: `  carewire user create --email ada@clinic.example --given-name Ada --family-name Byron --role admin --clinic 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b
  carewire user create --email olga@clinic.example --given-name Olga --family-name Marin --role operator,auditor`,
		Args: cobra.NoArgs,
		RunE: withOperatorSettings(func(cmd *cobra.Command, op *operator.Operator, cfg config.Config, _ []string) (err error) {
			if in.ClinicID, err = parseOptionalID("--clinic", clinic); err != nil {
				return err
			}
			in.Roles, in.PlatformRoles = operator.SplitRoles(roles)
			if err := checkUserFlags(in, clinic); err != nil {
				return err
			}
			u, err := op.CreateUser(cmd.Context(), operator.CommandLine(), in)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), u)
			}
			if _, err = fmt.Fprintln(cmd.OutOrStdout(), u.ID); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.ErrOrStderr(), signInHint(cfg, in.Email))
			return err
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Email, "email", "", "email address, with which the person signs in")
	flags.StringVar(&in.GivenName, "given-name", "", "given name")
	flags.StringVar(&in.FamilyName, "family-name", "", "family name")
	flags.StringVar(&in.Locale, "locale", "", "language of messages, such as en-GB (default en)")
	flags.StringVar(&in.TimeZone, "time-zone", "", "IANA time zone of messages, such as Europe/Berlin (default UTC)")
	flags.StringVar(&clinic, "clinic", "", "ID of the clinic of the roles doctor, nurse, receptionist and admin")
	flags.StringSliceVar(&roles, "role", nil, "roles, comma-separated or repeated: "+userRoles)
	flags.BoolVar(&asJSON, "json", false, "print the account as JSON")
	return cmd
}

func checkUserFlags(in operator.NewUser, clinic string) error {
	switch {
	case in.Email == "" || in.GivenName == "" || in.FamilyName == "":
		return usagef("--email, --given-name and --family-name are required; see carewire user create --help")
	case len(in.Roles)+len(in.PlatformRoles) == 0:
		return usagef("--role is required: %s", userRoles)
	case len(in.Roles) > 0 && clinic == "":
		return usagef("the role %s requires --clinic; see carewire clinic list", in.Roles[0])
	case len(in.Roles) == 0 && clinic != "":
		return usagef("the role %s is held on the platform: omit --clinic", in.PlatformRoles[0])
	}
	return nil
}

// signInHint describes how the registered person signs in for the first time.
func signInHint(cfg config.Config, email string) string {
	if cfg.OIDCIssuer == "" {
		return "Set CAREWIRE_OIDC_ISSUER and CAREWIRE_OIDC_CLIENT_ID, so that " + email + " can sign in."
	}
	if cfg.OIDCClientID == "" {
		return fmt.Sprintf("Sign in as %s with a bearer token of %s; set CAREWIRE_OIDC_CLIENT_ID for sign-ins in a browser.", email, cfg.OIDCIssuer)
	}
	return fmt.Sprintf("Sign in as %s at %s/login", email, strings.TrimSuffix(cfg.BaseURL, "/"))
}

func userListCommand() *cobra.Command {
	var list listFlags
	var f operator.AccountFilter
	var clinic, email, role string
	cmd := &cobra.Command{
		Use:   "list [--clinic ID] [--role ROLE] [--status STATUS] [--email EMAIL]",
		Short: "List the accounts of staff",
		Long: `List people with a role at a clinic other than patient, or on the platform, in the order of their IDs. Patients are not listed.
Each list is recorded in the audit trail. SIGN-INS is the number of identities with which the person has signed in or that were
linked; 0 means that they have never signed in. Use --after with the last ID of a page to list the next page.`,
		Example: `  carewire user list --role admin
  carewire user list --email ada@clinic.example --json`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) (err error) {
			if _, err = list.max(); err != nil {
				return err
			}
			if f.ClinicID, err = parseOptionalID("--clinic", clinic); err != nil {
				return err
			}
			f.Limit, f.Role = list.limit, operator.Role(role)
			all, err := op.ListUsers(cmd.Context(), operator.CommandLine(), f, email)
			if err != nil {
				return err
			}
			return printList(cmd, list, all, table.Fixed("ID", "STATUS", "SIGN-INS", "EMAIL", "ROLES"), accountRow)
		}),
	}
	list.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&clinic, "clinic", "", "only people with a role at this clinic")
	flags.StringVar(&role, "role", "", "only people with this role: "+userRoles)
	flags.StringVar(&f.Status, "status", "", "only accounts with this status: active or disabled")
	flags.StringVar(&email, "email", "", "only accounts with this address")
	flags.StringVar(&f.Cursor, "after", "", "only accounts after this ID")
	return cmd
}

func accountRow(a operator.Account) []string {
	roles := make([]string, len(a.Memberships))
	for i, m := range a.Memberships {
		roles[i] = string(m.Role)
	}
	return []string{a.ID.String(), a.Status, strconv.FormatInt(a.SignIns, 10), a.Email, strings.Join(roles, " ")}
}

// userStatusCommand returns the command disable or enable.
func userStatusCommand(verb string) *cobra.Command {
	status, short, long := "disabled", "Disable an account and end its sessions", `Disable an account. The person cannot sign in, their sessions and sockets end immediately, and they receive no messages.
Appointments and records keep their names. The command can be repeated.`
	if verb == "enable" {
		status, short, long = "active", "Enable a disabled account", `Enable a disabled account. The person holds the roles that they held before. The command can be repeated.`
	}
	return &cobra.Command{
		Use:     verb + " (ID | EMAIL)",
		Short:   short,
		Long:    long,
		Example: "  carewire user " + verb + " ada@clinic.example",
		Args:    oneArg("ID or EMAIL"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			as := operator.CommandLine()
			id, err := op.FindUser(cmd.Context(), as, args[0])
			if err != nil {
				return err
			}
			changed, err := op.SetUserStatus(cmd.Context(), as, id, status)
			if err != nil {
				return err
			}
			already := ""
			if !changed {
				already = "already "
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "account %s is %s%s\n", id, already, status)
			return err
		}),
	}
}

func userLinkCommand() *cobra.Command {
	var identity operator.Identity
	cmd := &cobra.Command{
		Use:   "link (ID | EMAIL) --subject SUBJECT [--issuer URL]",
		Short: "Link a sign-in at the identity provider to an account",
		Long: `Link the identity with the subject at the identity provider to an account, so that the person can sign in although the
provider does not report their email address as verified. Whoever controls that identity acts as the person: compare the
subject with the provider's own list of users first. The command can be repeated.`,
		Example: `  carewire user link ada@clinic.example --subject 8f14e45f`,
		Args:    oneArg("ID or EMAIL"),
		RunE: withOperatorSettings(func(cmd *cobra.Command, op *operator.Operator, cfg config.Config, args []string) error {
			if identity.Issuer == "" {
				identity.Issuer = cfg.OIDCIssuer
			}
			if identity.Issuer == "" || identity.Subject == "" {
				return usagef("--subject is required, and --issuer unless CAREWIRE_OIDC_ISSUER is set; see carewire user link --help")
			}
			as := operator.CommandLine()
			id, err := op.FindUser(cmd.Context(), as, args[0])
			if err != nil {
				return err
			}
			changed, err := op.LinkSignIn(cmd.Context(), as, id, identity)
			if err != nil {
				return err
			}
			already := ""
			if !changed {
				already = "already "
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the sign-in is %slinked to account %s\n", already, id)
			return err
		}),
	}
	cmd.Flags().StringVar(&identity.Issuer, "issuer", "", "iss of the person's tokens (default CAREWIRE_OIDC_ISSUER)")
	cmd.Flags().StringVar(&identity.Subject, "subject", "", "sub of the person's tokens")
	return cmd
}
