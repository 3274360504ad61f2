package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"

	"github.com/labstack/echo/v5"
)

const pageStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color:#1a2b33}
h1{font-size:1.6rem}a{color:#0b6b7c}li{margin:.3rem 0}
button{font:inherit;display:block;width:100%;text-align:left;margin:.4rem 0;padding:.6rem 1rem;border:1px solid #9bb5bd;border-radius:.4rem;background:#f3f8f9;cursor:pointer}
button:hover{background:#e3f0f2}small{color:#5a6f78}`

// pagePolicy allows only the page's own style, and forms to this service.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

var (
	landingPage = newPage(`<h1>carewire</h1>
<p>The event backbone of a clinic's software.</p>
<ul>
{{- range .Links}}
<li><a href="{{.Path}}">{{.Path}}</a> {{.Text}}</li>
{{- end}}
</ul>
<form method="post" action="/logout"><button>Sign out</button></form>`)

	loginPage = newPage(`<h1>Sign in</h1>
<p>This is a demo. Choose a person; they are fictitious.</p>
<form method="post" action="/login">
<input type="hidden" name="token" value="{{.Token}}">
{{- range .People}}
<button name="email" value="{{.Email}}">{{.Email}}<br><small>{{.Label}}</small></button>
{{- end}}
</form>`)
)

func newPage(body string) *template.Template {
	return template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>carewire</title>
<style>` + pageStyle + `</style>
</head>
<body>
` + body + `
</body>
</html>
`))
}

func render(c *echo.Context, status int, page *template.Template, data any) error {
	var text bytes.Buffer
	if err := page.Execute(&text, data); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy", pagePolicy)
	return c.HTMLBlob(status, text.Bytes())
}
