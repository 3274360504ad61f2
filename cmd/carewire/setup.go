package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/operator"
)

// setupAnswers are what setup needs to know: from flags, or asked on a terminal.
type setupAnswers struct {
	clinicName, timeZone, adminEmail, adminName string
	operator, yes                               bool
}

func setupCommand() *cobra.Command {
	var a setupAnswers
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Register the first clinic and its administrator",
		Long: `Register the first clinic and its administrator, and print how the administrator signs in.

On a terminal, setup asks for what the flags do not state. Elsewhere the flags are required, and --yes. The schema must be
migrated (carewire migrate); the service may run or not. setup can be repeated: a clinic with the name, and a person with the
email address, are used as they are.

The administrator then registers staff and patients over the API. Further clinics: carewire clinic create.`,
		Example: `  carewire setup
  carewire setup --clinic-name "Harbour Clinic" --time-zone Europe/Berlin --admin-email ada@clinic.example --admin-name "Ada Byron" --operator --yes`,
		Args: cobra.NoArgs,
		RunE: withOperatorSettings(func(cmd *cobra.Command, op *operator.Operator, cfg config.Config, _ []string) error {
			if err := a.complete(cmd, cfg); err != nil {
				return err
			}
			result, err := op.SetUp(cmd.Context(), operator.CommandLine(), a.setup())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), result)
			}
			return printSetup(cmd.OutOrStdout(), cfg, a, result)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&a.clinicName, "clinic-name", "", "name of the clinic")
	flags.StringVar(&a.timeZone, "time-zone", "", "IANA time zone of the clinic, such as Europe/Berlin")
	flags.StringVar(&a.adminEmail, "admin-email", "", "email address with which the administrator signs in")
	flags.StringVar(&a.adminName, "admin-name", "", "given name and family name of the administrator")
	flags.BoolVar(&a.operator, "operator", false, "also make the administrator an operator of the platform")
	flags.BoolVar(&a.yes, "yes", false, "do not ask for confirmation")
	flags.BoolVar(&asJSON, "json", false, "print the IDs as JSON")
	return cmd
}

// complete asks for missing answers if standard input is a terminal, and otherwise returns an error
// with the missing flags.
func (a *setupAnswers) complete(cmd *cobra.Command, cfg config.Config) error {
	if in := cmd.InOrStdin(); isTerminal(in) {
		if err := a.ask(cmd.Context(), in, cmd.ErrOrStderr(), cfg, cmd.Flags().Changed("operator")); err != nil {
			return err
		}
	}
	var missing []string
	for _, flag := range []struct{ name, value string }{
		{"--clinic-name", a.clinicName}, {"--time-zone", a.timeZone}, {"--admin-email", a.adminEmail}, {"--admin-name", a.adminName},
	} {
		if strings.TrimSpace(flag.value) == "" {
			missing = append(missing, flag.name)
		}
	}
	if !a.yes {
		missing = append(missing, "--yes")
	}
	if len(missing) > 0 {
		return usagef("missing %s; see carewire setup --help", strings.Join(missing, ", "))
	}
	if err := checkFullName(a.adminName); err != nil {
		return usagef("--admin-name: %w", err)
	}
	return nil
}

func isTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// errNothing is returned if the user does not confirm, or interrupts the questions.
var errNothing = errors.New("nothing was registered")

// prompter returns a function that asks a question and returns the answer, or the fallback if it is
// empty. The function returns "" when ctx is done, without waiting for the line.
func prompter(ctx context.Context, in io.Reader, out io.Writer) func(question, fallback string) string {
	lines := bufio.NewScanner(in)
	return func(question, fallback string) string {
		if fallback != "" {
			question += " [" + fallback + "]"
		}
		_, _ = fmt.Fprint(out, question+": ")
		typed := make(chan string, 1)
		go func() { // A read from a terminal cannot be cancelled; the process ends soon.
			lines.Scan()
			typed <- cmp.Or(strings.TrimSpace(lines.Text()), fallback)
		}()
		select {
		case <-ctx.Done():
			return ""
		case answer := <-typed:
			return answer
		}
	}
}

// ask asks for missing answers, and for confirmation.
func (a *setupAnswers) ask(ctx context.Context, in io.Reader, out io.Writer, cfg config.Config, operatorGiven bool) error {
	prompt, zone := prompter(ctx, in, out), localZone()
	if checkZone(zone) != nil {
		zone = ""
	}
	for _, q := range []struct {
		answer             *string
		question, fallback string
		check              func(answer string) error
	}{
		{&a.clinicName, "Name of the clinic", "", nil},
		{&a.timeZone, "Time zone of the clinic", zone, checkZone},
		{&a.adminName, "Given name and family name of the administrator", "", checkFullName},
		{&a.adminEmail, "Email address with which the administrator signs in", "", checkEmail},
	} {
		for *q.answer == "" {
			answer := prompt(q.question, q.fallback)
			if answer == "" {
				return errNothing
			}
			if q.check != nil {
				if err := q.check(answer); err != nil {
					_, _ = fmt.Fprintln(out, err)
					continue
				}
			}
			*q.answer = answer
		}
	}
	if !operatorGiven && !a.yes {
		a.operator = isYes(prompt("Make the administrator an operator of the platform too (rules, deliveries, clinics)? yes or no", "no"))
	}
	if a.yes {
		return nil
	}
	_, _ = fmt.Fprintf(out, "\nClinic %q in %s, administrator %s <%s>, identity provider %s.\n",
		a.clinicName, a.timeZone, a.adminName, a.adminEmail, cmp.Or(cfg.OIDCIssuer, "not configured yet"))
	if a.yes = isYes(prompt("Register them? yes or no", "no")); !a.yes {
		return errNothing
	}
	return nil
}

func checkZone(name string) error {
	if !care.IsTimeZone(name) {
		return errors.New("want an IANA time zone, such as Europe/Berlin")
	}
	return nil
}

func checkFullName(name string) error {
	if given, _ := splitName(name); given == "" {
		return errors.New(`want a given name and a family name, such as "Ada Byron"`)
	}
	return nil
}

func checkEmail(address string) error {
	_, err := care.ParseEmail(address)
	return err
}

func isYes(answer string) bool {
	return strings.EqualFold(answer, "yes") || strings.EqualFold(answer, "y")
}

// localZone returns the name of the machine's time zone, or "" if it is not known.
func localZone() string {
	if name := os.Getenv("TZ"); name != "" {
		return strings.TrimPrefix(name, ":")
	}
	if target, err := os.Readlink("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(target, "zoneinfo/"); ok {
			return name
		}
	}
	if name := time.Local.String(); name != "Local" {
		return name
	}
	return ""
}

// splitName splits a name before its last word: "Ada Maria Byron" has the family name "Byron".
func splitName(name string) (given, family string) {
	words := strings.Fields(name)
	if len(words) < 2 {
		return "", ""
	}
	return strings.Join(words[:len(words)-1], " "), words[len(words)-1]
}

func (a *setupAnswers) setup() operator.Setup {
	given, family := splitName(a.adminName)
	return operator.Setup{
		Clinic:   operator.ClinicInput{Name: a.clinicName, TimeZone: a.timeZone},
		Admin:    operator.NewUser{Email: a.adminEmail, GivenName: given, FamilyName: family, TimeZone: a.timeZone},
		Operator: a.operator,
	}
}

// printSetup prints what was registered, and how the administrator signs in.
func printSetup(out io.Writer, cfg config.Config, a setupAnswers, r operator.SetupResult) error {
	state := func(isNew bool) string {
		if isNew {
			return "registered"
		}
		return "exists"
	}
	_, err := fmt.Fprintf(out, "clinic         %s  %s\nadministrator  %s  %s\n\n%s\nThe identity provider must report the address as verified; otherwise use carewire user link.\n",
		r.Clinic.ID, state(r.NewClinic), r.AdminID, state(r.NewAdmin), signInHint(cfg, a.adminEmail))
	return err
}
