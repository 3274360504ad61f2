package main

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func roleCommand() *cobra.Command {
	return group("role", "Grant, revoke and list roles", roleGrantCommand(), roleRevokeCommand(), roleListCommand())
}

// roleFlags are the flags that name a role of a person.
type roleFlags struct{ role, clinic string }

func (f *roleFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.role, "role", "", "patient, "+userRoles)
	cmd.Flags().StringVar(&f.clinic, "clinic", "", "ID of the clinic; omit it for operator and auditor, which are held on the platform")
}

// input returns the role of the person, without their ID.
func (f *roleFlags) input() (in operator.RoleInput, err error) {
	if f.role == "" {
		return in, usagef("--role is required: patient, %s", userRoles)
	}
	clinic, err := parseOptionalID("--clinic", f.clinic)
	if err != nil {
		return in, err
	}
	in.Role = operator.Role(f.role)
	if clinic != uuid.Nil {
		in.ClinicID = &clinic
	}
	_, platform := operator.SplitRoles([]string{f.role})
	switch {
	case len(platform) == 0 && in.ClinicID == nil:
		return in, usagef("the role %s requires --clinic; see carewire clinic list", f.role)
	case len(platform) > 0 && in.ClinicID != nil:
		return in, usagef("the role %s is held on the platform: omit --clinic", f.role)
	}
	return in, nil
}

// where describes the place of a role.
func where(clinic *uuid.UUID) string {
	if clinic == nil {
		return "on the platform"
	}
	return "at clinic " + clinic.String()
}

func roleGrantCommand() *cobra.Command {
	var f roleFlags
	cmd := &cobra.Command{
		Use:   "grant (ID | EMAIL) --role ROLE [--clinic ID]",
		Short: "Grant a role to a registered person",
		Long: `Grant a role to a registered person. It applies from their next request.

Operators manage rules, deliveries and clinics; auditors read the audit trail; neither reads records. The role admin of a clinic
is required to register its staff over the API. The command can be repeated.`,
		Example: `  carewire role grant olga@clinic.example --role operator
  carewire role grant ada@clinic.example --role admin --clinic 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b`,
		Args: oneArg("ID or EMAIL"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			in, err := f.input()
			if err != nil {
				return err
			}
			as := operator.CommandLine()
			if in.UserID, err = op.FindUser(cmd.Context(), as, args[0]); err != nil {
				return err
			}
			changed, err := op.GrantRole(cmd.Context(), as, in)
			if err != nil {
				return err
			}
			holds := "now holds"
			if !changed {
				holds = "already holds"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "account %s %s the role %s %s\n", in.UserID, holds, in.Role, where(in.ClinicID))
			return err
		}),
	}
	f.register(cmd)
	return cmd
}

func roleRevokeCommand() *cobra.Command {
	var f roleFlags
	cmd := &cobra.Command{
		Use:   "revoke (ID | EMAIL) --role ROLE [--clinic ID]",
		Short: "Revoke a role",
		Long: `Revoke a role. It ends with the person's current request, and open sockets are updated immediately. A person without a caring
role leaves the care teams of the clinic. A role that the person does not hold is an error.`,
		Example: `  carewire role revoke olga@clinic.example --role operator`,
		Args:    oneArg("ID or EMAIL"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			in, err := f.input()
			if err != nil {
				return err
			}
			as := operator.CommandLine()
			if in.UserID, err = op.FindUser(cmd.Context(), as, args[0]); err != nil {
				return err
			}
			if err := op.RevokeRole(cmd.Context(), as, in); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "account %s no longer holds the role %s %s\n", in.UserID, in.Role, where(in.ClinicID))
			return err
		}),
	}
	f.register(cmd)
	return cmd
}

func roleListCommand() *cobra.Command {
	var list listFlags
	var f operator.AccountFilter
	var clinic, role, person string
	cmd := &cobra.Command{
		Use:   "list [--role ROLE] [--clinic ID] [--user (ID | EMAIL)]",
		Short: "List roles of staff and on the platform",
		Long: `List current roles in the order of the IDs of the people. The role patient is not listed. Each list is recorded in the audit
trail. --json also prints the person and the time. Use --after with the last ID of a page to list the next page.`,
		Example: `  carewire role list --role operator
  carewire role list --user ada@clinic.example --json`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) (err error) {
			if _, err = list.max(); err != nil {
				return err
			}
			if f.ClinicID, err = parseOptionalID("--clinic", clinic); err != nil {
				return err
			}
			as := operator.CommandLine()
			f.Limit, f.Role = list.limit, operator.Role(role)
			if person != "" {
				if f.UserID, err = op.FindUser(cmd.Context(), as, person); err != nil {
					return err
				}
			}
			all, err := op.ListRoles(cmd.Context(), as, f)
			if err != nil {
				return err
			}
			return printList(cmd, list, all, table.Fixed("ID", "ROLE", "CLINIC", "EMAIL"), roleRow)
		}),
	}
	list.register(cmd)
	cmd.Flags().StringVar(&role, "role", "", "only this role: "+userRoles)
	cmd.Flags().StringVar(&clinic, "clinic", "", "only roles at this clinic")
	cmd.Flags().StringVar(&person, "user", "", "only roles of this person")
	cmd.Flags().StringVar(&f.Cursor, "after", "", "only roles after this ID")
	return cmd
}

func roleRow(r operator.RoleGrant) []string {
	clinic := ""
	if r.ClinicID != nil {
		clinic = r.ClinicID.String()
	}
	return []string{r.ID.String(), string(r.Role), clinic, r.Email}
}
