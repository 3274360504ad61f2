package care_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

// notLines are invalid lines, each with its error and its cleaned form.
var notLines = map[string]struct{ fault, clean string }{
	" ":               {"blank", ""},
	"\u00a0\u3000":    {"blank", ""},
	"\u200b\u2060":    {"blank", ""},
	"\u3164":          {"blank", ""},
	"\u2800":          {"blank", ""},
	"\u200d":          {"blank", ""},
	"\n":              {"blank", ""},
	"Ada\nByron":      {"line breaks", "Ada Byron"},
	"Ada\r\nByron":    {"line breaks", "Ada  Byron"},
	"Ada\u2028Byron":  {"line breaks", "Ada Byron"},
	"Ada\u0085Byron":  {"line breaks", "Ada Byron"},
	"Ada\tByron":      {"control characters", "Ada Byron"},
	"Ada\x00":         {"control characters", "Ada"},
	"Ada\u202enoryB":  {"bidirectional", "AdanoryB"},
	"\u2066Ada\u2069": {"bidirectional", "Ada"},
	"Ada\u200f":       {"bidirectional", "Ada"},
	"Ada\u061c":       {"bidirectional", "Ada"},
	"A\u200bda":       {"invisible", "Ada"},
	"A\u00adda":       {"invisible", "Ada"},
	"A\u200dda":       {"invisible", "Ada"},
	"Ada\U000e0041":   {"invisible", "Ada"},
	"\ufeffAda":       {"invisible", "Ada"},
	" Ada":            {"begin or end", "Ada"},
	"Ada ":            {"begin or end", "Ada"},
	"Ada\u00a0":       {"begin or end", "Ada"},
	"Ada \u200b":      {"invisible", "Ada"},
}

func TestFieldErrorsLine_RejectsInvalidLines(t *testing.T) {
	t.Parallel()
	for text, want := range notLines {
		var errs care.FieldErrors
		errs.Line("name", text, 1, 200)
		require.Len(t, errs, 1, "%q", text)
		require.Contains(t, errs[0].Message, want.fault, "%q", text)
	}
	for _, text := range []string{"", "Ada\xff", strings.Repeat("a", 201)} {
		var errs care.FieldErrors
		errs.Line("name", text, 1, 200)
		require.Len(t, errs, 1, "%q", text)
	}
}

func TestFieldErrorsLine_AcceptsNamesOfAllScripts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Ada Byron", "Ødegård", "Müller-Lüdenscheidt", "O'Neill", "José María", "محمد", "יצחק", "山田 太郎", "葛\U000e0100城", "भारत", "क्\u200dष", "می\u200cخواهم",
		"Nguyễn", "Ad\u0065\u0301", "👩\u200d⚕️", "1", "\u0600 12",
	} {
		var errs care.FieldErrors
		errs.Line("name", text, 1, 200)
		require.Empty(t, errs, "%q", text)
		require.Equal(t, text, care.CleanLine(text))
	}
	var errs care.FieldErrors
	errs.Line("subject", "", 0, 200)
	require.Empty(t, errs)
}

func TestCleanLine_MakesALineOfAnything(t *testing.T) {
	t.Parallel()
	for text, want := range notLines {
		clean := care.CleanLine(text)
		require.Equal(t, want.clean, clean, "%q", text)
		var errs care.FieldErrors
		errs.Line("name", clean, 0, 200)
		require.Empty(t, errs, "%q", text)
	}
	require.Equal(t, "Ada", care.CleanLine("Ada\xff"))
}

func FuzzCleanLine_IsALineAndStaysOne(f *testing.F) {
	for text := range notLines {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clean := care.CleanLine(text)
		var errs care.FieldErrors
		errs.Line("name", clean, 0, len(text))
		require.Empty(t, errs, "%q became %q", text, clean)
		require.Equal(t, clean, care.CleanLine(clean))
	})
}

func TestFieldErrorsText_AcceptsManyLinesButNotBlankText(t *testing.T) {
	t.Parallel()
	var errs care.FieldErrors
	errs.Text("note", "one\n\ttwo ", 1, 200)
	errs.Text("note", " ", 0, 200)
	require.Empty(t, errs)
	errs.Text("reason", "\n\u200b ", 1, 200)
	require.Len(t, errs, 1)
	require.Contains(t, errs[0].Message, "blank")
}
