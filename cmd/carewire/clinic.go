package main

import (
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"carewire/internal/operator"
	"carewire/internal/table"
)

func clinicCommand() *cobra.Command {
	return group("clinic", "Register, list and change clinics", clinicCreateCommand(), clinicListCommand(), clinicUpdateCommand())
}

func clinicCreateCommand() *cobra.Command {
	var in operator.NewClinic
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "create --name NAME --time-zone ZONE",
		Short: "Register a clinic",
		Long: `Register a clinic and print its ID. A name that another clinic has, ignoring case, is an error.

The time zone is that of the clinic's days: consulting hours, closing days, due dates and messages about appointments.`,
		Example: `  carewire clinic create --name "Harbour Clinic" --time-zone Europe/Berlin
  CLINIC=$(carewire clinic create --name "Harbour Clinic" --time-zone Europe/Berlin)`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			if in.Name == "" || in.TimeZone == "" {
				return usagef("--name and --time-zone are required; see carewire clinic create --help")
			}
			c, err := op.CreateClinic(cmd.Context(), operator.CommandLine(), in)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), c.ID)
			return err
		}),
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "name of the clinic")
	cmd.Flags().StringVar(&in.TimeZone, "time-zone", "", "IANA time zone, such as Europe/Berlin")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the clinic as JSON")
	return cmd
}

func clinicListCommand() *cobra.Command {
	var list listFlags
	var f operator.ClinicFilter
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List clinics",
		Long:  `List clinics in the order of their IDs. Use --after with the last ID of a page to list the next page.`,
		Example: `  carewire clinic list
  carewire clinic list --json | jq -r '.[].id'`,
		Args: cobra.NoArgs,
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, _ []string) error {
			f.Limit = list.limit
			if _, err := list.max(); err != nil {
				return err
			}
			all, err := op.ListClinics(cmd.Context(), operator.CommandLine(), f)
			if err != nil {
				return err
			}
			return printList(cmd, list, all, table.Fixed("ID", "VERSION", "TIME ZONE", "NAME"), clinicRow)
		}),
	}
	list.register(cmd)
	cmd.Flags().StringVar(&f.Cursor, "after", "", "only clinics after this ID")
	return cmd
}

func clinicRow(c operator.Clinic) []string {
	return []string{c.ID.String(), strconv.FormatInt(c.Version, 10), c.TimeZone, c.Name}
}

func clinicUpdateCommand() *cobra.Command {
	var in operator.ClinicInput
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "update ID [--name NAME] [--time-zone ZONE]",
		Short: "Change the name or the time zone of a clinic",
		Long: `Change the name or the time zone of a clinic. A flag that is omitted leaves the detail unchanged.

Appointments keep their times when the time zone changes; days and consulting hours are then those of the new zone.`,
		Example: `  carewire clinic update 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --name "Harbour Clinic North"`,
		Args:    oneArg("ID"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usagef("invalid clinic ID %q; want one from carewire clinic list", args[0])
			}
			if in.Name == "" && in.TimeZone == "" {
				return usagef("want --name, --time-zone or both; see carewire clinic update --help")
			}
			c, err := op.ChangeClinic(cmd.Context(), operator.CommandLine(), id, in)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "clinic %s is at version %d\n", c.ID, c.Version)
			return err
		}),
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "new name")
	cmd.Flags().StringVar(&in.TimeZone, "time-zone", "", "new IANA time zone, such as Europe/Berlin")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the clinic as JSON")
	return cmd
}
