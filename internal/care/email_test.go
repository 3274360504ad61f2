package care_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestParseEmail_NormalizesEveryAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Mike@Clinic.Example":                  "mike@clinic.example",
		"a.b+c_d=e@x":                          "a.b+c_d=e@x",
		"ada@Müller.example":                   "ada@xn--mller-kva.example",
		"ada@XN--MLLER-KVA.example":            "ada@xn--mller-kva.example",
		"ada@mu\u0308ller.example":             "ada@xn--mller-kva.example",
		"ada@例え。テスト":                           "ada@xn--r8jz45g.xn--zckzah",
		"ada@\uff43linic.example":              "ada@clinic.example",
		"ada@straße.example":                   "ada@xn--strae-oqa.example",
		strings.Repeat("a", 64) + "@x.example": strings.Repeat("a", 64) + "@x.example",
	} {
		got, err := care.ParseEmail(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		again, err := care.ParseEmail(got)
		require.NoError(t, err, text)
		require.Equal(t, got, again, "the spelling is stable")
	}
}

func TestParseEmail_RejectsUnusableAddresses(t *testing.T) {
	t.Parallel()
	for text, reason := range map[string]string{
		"m\u0130ke@clinic.example":                  "ASCII characters only",
		"\u212aate@clinic.example":                  "ASCII characters only",
		"\u017fam@clinic.example":                   "ASCII characters only",
		"\uff4dike@clinic.example":                  "ASCII characters only",
		"jürgen@clinic.example":                     "ASCII characters only",
		"mike\u202e@clinic.example":                 "invisible",
		"mike\u200b@clinic.example":                 "invisible",
		"mike@cli\u00adnic.example":                 "invisible",
		"mike@cli\u200dnic.example":                 "invisible",
		"mike@clinic.example\ufeff":                 "invisible",
		"mike@clinic.example\n":                     "spaces or control",
		"mi\u00a0ke@clinic.example":                 "spaces or control",
		"mi\x00ke@clinic.example":                   "spaces or control",
		" mike@clinic.example":                      "spaces or control",
		"mike\xff@clinic.example":                   "UTF-8",
		"=?utf-8?q?mike?=@clinic.example":           "encoded word",
		`"mike"@clinic.example`:                     "quotes",
		"Mike<mike@clinic.example>":                 "quotes",
		"mike(x)@clinic.example":                    "quotes",
		"mike@x@clinic.example":                     "quotes",
		".mike@clinic.example":                      "dot",
		"mike.@clinic.example":                      "dot",
		"mi..ke@clinic.example":                     "dot",
		"@clinic.example":                           "1 to 64",
		strings.Repeat("a", 65) + "@clinic.example": "1 to 64",
		"mike":                     "@",
		"":                         "@",
		"mike@":                    "domain",
		"mike@[127.0.0.1]":         "IP address",
		"mike@[IPv6:::1]":          "IP address",
		"mike@127.0.0.1":           "IP address",
		"mike@example.1":           "IP address",
		"mike@clinic.example.":     "domain",
		"mike@.clinic.example":     "domain",
		"mike@clinic..example":     "domain",
		"mike@-clinic.example":     "domain",
		"mike@clinic-.example":     "domain",
		"mike@cli_nic.example":     "domain",
		"mike@xn--clinic-.example": "domain",
		"mike@xn--.example":        "domain",
		"mike@" + strings.Repeat("a", 64) + ".example":                         "domain",
		"mike@" + strings.Repeat("abcdefgh.", 32):                              "domain",
		strings.Repeat("a", 64) + "@" + strings.Repeat("abcdefgh.", 21) + "ab": "254",
	} {
		got, err := care.ParseEmail(text)
		require.Error(t, err, "%q became %q", text, got)
		require.Contains(t, err.Error(), reason, "%q", text)
		require.Equal(t, text, care.FoldEmail(text))
	}
}
