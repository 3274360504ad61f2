package problem

import (
	"html/template"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/elnormous/contenttype"

	"carewire/internal/layout"
)

// problemForms are the forms of a problem, the default first.
var problemForms = []contenttype.MediaType{
	contenttype.NewMediaType(MediaType), contenttype.NewMediaType("application/json"), contenttype.NewMediaType("text/html"),
}

// WantsPage reports whether the answer to a request is a page that a person looks at: a browser
// opens a path or submits a form, and its Accept header prefers HTML to JSON (RFC 9110, section
// 12.5.1). Scripts, and programs that accept everything, get JSON.
func WantsPage(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		form, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if r.Method != http.MethodPost || err != nil || form != "application/x-www-form-urlencoded" {
			return false
		}
	}
	for _, accept := range r.Header.Values("Accept") {
		best, _, err := contenttype.GetAcceptableMediaTypeFromHeader(accept, problemForms)
		if err == nil && best.Matches(problemForms[2]) {
			return true
		}
	}
	return false
}

var problemPage = template.Must(template.New("problem page").Parse(`<h1>{{.Title}}</h1>
<p class="lead">{{.Lead}}</p>
{{- with .Fields}}
<ul>
{{- range .}}
<li><code>{{.Field}}</code> {{.Message}}</li>
{{- end}}
</ul>
{{- end}}
{{- if .SignedIn}}
<p>You are signed in as <b>{{.SignedIn}}</b>.</p>
{{- end}}
<p class="actions">
{{- if .Retry}}<a class="button" href="{{.Retry}}">Try again</a>{{end}}
{{- if .Login}}<a class="button" href="{{.Login}}">{{.LoginText}}</a>{{end}}
<a href="/">Go to the start page</a></p>
<p class="note">{{.Problem.Status}} · {{.Problem.Code}}{{with .Problem.RequestID}} · request {{.}}{{end}}</p>`))

// problemView is the data of a problem's page.
type problemView struct {
	Problem     *Problem
	Title, Lead string
	Fields      []FieldProblem
	SignedIn    string
	// Retry and Login are the paths of the buttons; an empty one is left out.
	Retry, Login, LoginText string
}

// WritePage answers with the page of a problem under a header. It has written nothing if it
// returns an error.
func WritePage(w http.ResponseWriter, r *http.Request, p *Problem, header layout.Header) error {
	view := problemView{Problem: p, Title: p.Title, Lead: sentence(p.Detail), Fields: p.Errors}
	if header.Viewer != nil {
		view.SignedIn = header.Viewer.Name
	}
	view.explain(header.Login, PagePath(r), p.headers.Get("Retry-After"))
	main, err := layout.Fragment(problemPage, view)
	if err != nil {
		return err
	}
	text, err := layout.Page{Title: view.Title, Header: header, Main: main}.Render()
	if err != nil {
		return err
	}
	h := w.Header()
	maps.Copy(h, p.headers)
	h.Set("Content-Type", "text/html; charset=UTF-8")
	h.Set("Content-Security-Policy", layout.Policy)
	h.Add("Vary", "Accept, Cookie")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // An error means that the client is gone.
	}
	return nil
}

// PagePath returns the path of a page that can be opened again, or the start page for a form.
func PagePath(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL.RequestURI()
	}
	return "/"
}

// explain sets what the person can do about the problem.
func (v *problemView) explain(login, here, retryAfter string) {
	signIn := ""
	if login != "" {
		signIn = login + "?next=" + url.QueryEscape(here)
	}
	switch v.Problem.Status {
	case http.StatusUnauthorized:
		v.Title, v.Lead = "Sign in to continue", "This page is for people who are signed in."
		v.Login, v.LoginText = signIn, "Sign in"
		if login == "" {
			v.Lead += " Browsers cannot sign in to this service; use the app of your clinic."
		}
	case http.StatusForbidden:
		v.Title = "Your account may not open this page"
		v.Login, v.LoginText = signIn, "Sign in with another account"
	case http.StatusNotFound:
		v.Title = "Page not found"
		v.Lead = "The page does not exist, or your account may not see it."
		v.Login, v.LoginText = signIn, "Sign in with another account"
		if v.SignedIn == "" {
			v.Lead, v.LoginText = "The page does not exist, or only people who are signed in may see it.", "Sign in"
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		v.Title, v.Retry = "Try again later", here
		if retryAfter != "" && v.Problem.Status == http.StatusTooManyRequests {
			v.Lead = "There were too many requests. Wait " + seconds(retryAfter) + " and try again."
		}
	}
}

func seconds(n string) string {
	if n == "1" {
		return "a second"
	}
	return n + " seconds"
}

// sentence returns a detail with a capital letter and a period.
func sentence(detail string) string {
	if detail == "" {
		return ""
	}
	if c := detail[0]; c >= 'a' && c <= 'z' {
		detail = string(c-'a'+'A') + detail[1:]
	}
	if last := detail[len(detail)-1]; last != '.' && last != '?' && last != '!' {
		detail += "."
	}
	return detail
}
