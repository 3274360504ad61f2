package sandbox

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"carewire/internal/layout"
)

//go:embed page
var page embed.FS

// emailPolicy is the policy of an email's HTML in its frame: no scripts, no requests, only inline
// styles. Without scripts, the same origin lets only the page measure the email and open its links
// in a new window.
const emailPolicy = "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// servePage serves the page, in the frame of all pages. Its header is that of the request's context.
func (s *Sandbox) servePage(w http.ResponseWriter, r *http.Request) {
	main, err := page.ReadFile("page/index.html")
	if err != nil {
		problem(w, http.StatusInternalServerError, "page missing in this binary", "", "")
		return
	}
	body, err := layout.Page{
		Title: "Sandbox", Here: "/sandbox", Header: layout.HeaderOf(r.Context()), Wide: true,
		Styles: []string{"/sandbox/style.css"}, Scripts: []string{"/sandbox/app.js"},
		Main: template.HTML(main), //nolint:gosec // It is the embedded index.html.
	}.Render()
	if err != nil {
		problem(w, http.StatusInternalServerError, "page cannot be rendered", "", "")
		return
	}
	write(w, body, "text/html; charset=utf-8")
}

func (s *Sandbox) serveFile(w http.ResponseWriter, r *http.Request) {
	switch r.PathValue("file") {
	case "app.js":
		serveEmbedded(w, "app.js", "text/javascript; charset=utf-8")
	case "style.css":
		serveEmbedded(w, "style.css", "text/css; charset=utf-8")
	default:
		problem(w, http.StatusNotFound, "page not found", "", "")
	}
}

func serveEmbedded(w http.ResponseWriter, name, contentType string) {
	body, err := page.ReadFile("page/" + name)
	if err != nil {
		problem(w, http.StatusInternalServerError, "page missing in this binary", "", "")
		return
	}
	write(w, body, contentType)
}

// write writes a file of the page. The page loads its files, calls its JSON API and frames its
// emails, and nothing else.
func write(w http.ResponseWriter, body []byte, contentType string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Security-Policy", layout.ScriptPolicy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body)
}

// serveHTML serves the HTML of one email.
func (s *Sandbox) serveHTML(w http.ResponseWriter, r *http.Request) {
	var all []Message
	if id, err := strconv.ParseInt(r.PathValue("id"), 10, 64); err == nil && id != 0 {
		all = s.allMessages(r.Context(), filter{channel: "email", id: id, limit: 1})
	}
	if len(all) == 0 {
		problem(w, http.StatusNotFound, "email not found", "", "")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", emailPolicy)
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = io.WriteString(w, all[0].HTML)
}

// listMessages implements GET /sandbox/messages?channel=&limit=&before=. The next page is requested
// with the receivedAt of the last message as before.
func (s *Sandbox) listMessages(w http.ResponseWriter, r *http.Request) {
	want, field, fault := parseFilter(r.URL.Query())
	if fault != "" {
		problem(w, http.StatusBadRequest, "the request has an invalid value", field, fault)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, s.allMessages(r.Context(), want))
}

func (s *Sandbox) clearMessages(w http.ResponseWriter, _ *http.Request) {
	s.clear()
	w.WriteHeader(http.StatusNoContent)
}

func (s *Sandbox) listFaults(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, s.Faults())
}

func (s *Sandbox) clearFaults(w http.ResponseWriter, _ *http.Request) {
	s.ClearFaults()
	w.WriteHeader(http.StatusNoContent)
}

// addFault implements POST /sandbox/faults.
func (s *Sandbox) addFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxFault))
	dec.DisallowUnknownFields()
	err := dec.Decode(&f)
	if err == nil && dec.More() {
		err = errors.New("want one JSON object")
	}
	if err != nil {
		field, message := decodeFault(err)
		problem(w, http.StatusBadRequest, "invalid fault", field, message)
		return
	}
	if f.ID != 0 || f.Left != 0 {
		problem(w, http.StatusBadRequest, "the request has an invalid value", "id", "id and left are read-only")
		return
	}
	f, err = s.AddFault(f)
	if bad, ok := errors.AsType[*fieldError](err); ok {
		problem(w, http.StatusBadRequest, "the request has an invalid value", bad.field, bad.message)
		return
	}
	writeJSON(w, http.StatusCreated, f)
}

// decodeFault returns the field that could not be decoded, and the reason.
func decodeFault(err error) (field, message string) {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrong.Field, fmt.Sprintf("must be a %s, not a %s", wrong.Type, wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if unquoted, err := strconv.Unquote(name); err == nil {
			name = unquoted
		}
		return name, "is unknown; want one of " + strings.Join(faultFields(), ", ")
	}
	return "", "the body must be one JSON object"
}

// faultFields returns the writable fields of a fault.
func faultFields() []string {
	var names []string
	for f := range reflect.TypeFor[Fault]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "id" && name != "left" {
			names = append(names, name)
		}
	}
	return names
}

// problem writes a problem document (RFC 9457).
func problem(w http.ResponseWriter, status int, detail, field, message string) {
	body := map[string]any{"title": http.StatusText(status), "status": status, "detail": detail}
	if message != "" {
		body["errors"] = []any{map[string]string{"field": field, "message": message}}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	writeJSON(w, status, body)
}
