package template

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckHTML_FindsWhatEmailClientsDoNotShow(t *testing.T) {
	t.Parallel()
	good := `<html lang="en"><style>@media (prefers-color-scheme:dark){p{color:#fff}}</style><p style="margin:0">x</p><img src="https://img.example.org/x.png" alt=""></html>`
	require.Empty(t, checkHTML(good, "x", "en"))
	require.Empty(t, checkHTML(`<html lang="ar" dir="rtl"><p>x</p></html>`, "x", "ar"))
	for name, c := range map[string]struct{ page, plain, locale, want string }{
		"too large":            {good + strings.Repeat("x", maxEmail), "x", "en", "want at most 102000"},
		"no plain part":        {good, " \n", "en", "the plain part is empty"},
		"Arabic from the left": {good, "x", "ar-EG", `lacks dir="rtl"`},
		"an image without alt": {`<img src="https://img.example.org/x.png">`, "x", "en", "an image has no alt text"},
		"an image over http":   {`<img src="http://img.example.org/x.png" alt="x">`, "x", "en", "not loaded with https"},
		"a script":             {`<script>x</script>`, "x", "en", "<script> is not shown"},
		"a style sheet":        {`<link rel="stylesheet" href="https://x.example">`, "x", "en", "<link> is not shown"},
		"styles in the head":   {`<style>p{color:red}</style>`, "x", "en", "write styles inline"},
		"a handler":            {`<p onclick="x()">x</p>`, "x", "en", "the attribute onclick is not allowed"},
	} {
		require.Contains(t, strings.Join(checkHTML(c.page, c.plain, c.locale), "\n"), c.want, name)
	}
}
