package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"carewire/internal/operator"
)

// previewFlags are the flags of templates preview.
type previewFlags struct {
	file, event, clinic string
	html, json          bool
	request             operator.TemplatePreviewRequest
}

func templatesPreviewCommand() *cobra.Command {
	var f previewFlags
	cmd := &cobra.Command{
		Use:   "preview TEMPLATE",
		Short: "Print the messages of a template on every channel",
		Long: `Print the messages of a template on every channel, with the example of an event type, or with an event of the ledger. Nothing
is stored or sent. By default the templates are the newest published ones. With --file and --type it needs no database.`,
		Example: `  carewire templates preview clinical --type ehr.lab_report.created
  carewire templates preview clinical --file templates.yaml --type ehr.lab_report.created --locale de
  carewire templates preview clinical --event 0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b --html > email.html`,
		Args: oneArg("TEMPLATE"),
		RunE: withOperator(func(cmd *cobra.Command, op *operator.Operator, args []string) error {
			f.request.Template = args[0]
			return runPreview(cmd, op, f)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "template file to preview instead of published templates; - is standard input")
	flags.Int32Var(&f.request.Version, "version", 0, "version of the published templates, by default the newest")
	flags.StringVar(&f.request.Type, "type", "", "event type, such as ehr.lab_report.created")
	flags.StringVar(&f.event, "event", "", "ID of an event in the ledger, instead of a type")
	flags.StringVar(&f.request.Locale, "locale", "en", "language of the recipient, such as de-AT")
	flags.StringVar(&f.clinic, "clinic", "", "ID of the clinic that has the brand of the messages")
	flags.BoolVar(&f.html, "html", false, "print only the HTML of the email")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func runPreview(cmd *cobra.Command, op *operator.Operator, f previewFlags) error {
	var err error
	if f.request.EventID, err = parseOptionalID("--event", f.event); err != nil {
		return err
	}
	if f.request.ClinicID, err = parseOptionalID("--clinic", f.clinic); err != nil {
		return err
	}
	switch {
	case f.request.Version < 0:
		return usagef("--version must be at least 1")
	case f.file != "" && f.request.Version > 0:
		return usagef("want only one of --file and --version")
	case (f.event == "") == (f.request.Type == ""):
		return usagef("want one of --type and --event")
	case f.html && f.json:
		return usagef("want only one of --html and --json")
	}
	var name string
	if f.file != "" {
		var src []byte
		if name, src, err = readFile(cmd, f.file); err != nil {
			return err
		}
		if f.request.Source = string(src); f.request.Source == "" {
			return fmt.Errorf("%s is empty", name)
		}
	}
	preview, err := op.PreviewTemplate(cmd.Context(), name, f.request)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(cmd.OutOrStdout(), preview)
	}
	return printPreview(cmd.OutOrStdout(), preview, f.html)
}

// printPreview prints the messages as text, or only the HTML of the email.
func printPreview(out io.Writer, preview operator.TemplatePreview, html bool) error {
	var b strings.Builder
	for _, m := range preview.Messages {
		if html {
			b.WriteString(m.HTML)
			continue
		}
		fmt.Fprintf(&b, "# %s\n", m.Channel)
		for _, line := range []string{m.Subject, m.Title, m.Body, strings.TrimSpace(m.Text), m.Image} {
			if line != "" {
				fmt.Fprintln(&b, line)
			}
		}
		for _, a := range m.Actions {
			fmt.Fprintf(&b, "[%s] %s\n", a.Label, a.Link)
		}
		if m.Segments > 0 {
			fmt.Fprintf(&b, "(%d segments, %s)\n", m.Segments, m.Encoding)
		}
		if a := m.Approved; a != nil {
			fmt.Fprintf(&b, "approved template %s (%s) with %q, button %q\n", a.Name, a.Language, a.Variables, a.Button)
		}
		b.WriteString("\n")
	}
	if html && b.Len() == 0 {
		return fmt.Errorf("template %s has no email", preview.Template)
	}
	_, err := fmt.Fprint(out, b.String())
	return err
}
