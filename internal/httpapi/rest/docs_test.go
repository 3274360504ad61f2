package rest_test

import (
	"cmp"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"carewire/docs"
	"carewire/internal/apidoc"
	"carewire/internal/event"
)

// anchors are the ids in a page; links lead to them within it.
func anchors(t *testing.T, page string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		require.False(t, found[m[1]], "the anchor %s stands twice", m[1])
		found[m[1]] = true
	}
	return found
}

// docPages are the paths of all pages of the documentation.
func docPages(t *testing.T) []string {
	t.Helper()
	names, err := apidoc.Files(docs.Files)
	require.NoError(t, err)
	require.Contains(t, names, "operating.md")
	paths := []string{"/docs", "/docs/api", "/docs/events", "/docs/search?q=critical+finding", "/docs/search?q="}
	for _, name := range names {
		paths = append(paths, apidoc.PathOf(name))
	}
	return paths
}

func TestDocs_NeedNoSignInNoInlineScriptAndNoNetwork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := map[string]map[string]bool{}
	pages := map[string]string{}
	for _, path := range docPages(t) {
		w := b.do("", http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", path, w.Body)
		require.Equal(t, "text/html; charset=UTF-8", w.Header().Get("Content-Type"))
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
		require.NotContains(t, w.Header().Get("Content-Security-Policy"), "unsafe")
		page := w.Body.String()
		require.NotContains(t, page, "ZgotmplZ", "the template found something that it does not trust")
		require.NotRegexp(t, `(src|href)="(https?:)?//`, strings.ReplaceAll(page, `<a href="http`, ""), "the page needs no network")
		require.NotRegexp(t, ` style="|<style|<script>| on[a-z]+="`, page, "the policy does not let it")
		ids[path], pages[path] = anchors(t, page), page
	}
	require.Equal(t, http.StatusMovedPermanently, b.do("", http.MethodGet, "/docs/", nil).Code)
	require.Equal(t, "/docs/operating", b.do("", http.MethodGet, "/docs/operating.md", nil).Header().Get("Location"))
	requireProblem(t, b.do("", http.MethodGet, "/docs/nothing", nil), 404, "not_found")
	for path, page := range pages {
		for _, m := range regexp.MustCompile(`href="(/[^"#]*)?(?:#([^"]+))?"`).FindAllStringSubmatch(page, -1) {
			to := cmp.Or(html.UnescapeString(m[1]), path)
			if to != path && ids[to] == nil {
				require.Equal(t, http.StatusOK, b.do("", http.MethodGet, to, nil).Code, "%s: %s leads nowhere", path, to)
			}
			if m[2] != "" {
				require.True(t, ids[to][html.UnescapeString(m[2])], "%s: %s#%s leads nowhere", path, to, m[2])
			}
		}
	}
}

func TestDocs_SearchFindsOperationsEventsAndText(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for query, want := range map[string]string{
		"replace lab report":     `href="/docs/api#replace-LabReport"`,
		"ehr.lab_report.created": `href="/docs/events#ehr.lab_report.created"`,
		"BACKUP restore":         `href="/docs/operating#backup-and-restore"`,
		"IfMatchX-nothing-has":   "No results",
		"<b>":                    "&lt;b&gt;",
		strings.Repeat("ä", 200): "No results",
	} {
		w := b.do("", http.MethodGet, "/docs/search?q="+url.QueryEscape(query), nil)
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), want, query)
	}
	require.Contains(t, b.do("", http.MethodGet, "/docs/search?q=quiet", nil).Body.String(), "<h1>Search</h1>")
}

func TestDocs_ShowEveryOperationAndSchema(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := b.do("", http.MethodGet, "/docs/api", nil).Body.String()
	ids := anchors(t, page)
	doc := b.server.OpenAPI()
	for path, item := range doc.Paths {
		require.Contains(t, page, "<code>"+path+"</code>")
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op != nil {
				require.True(t, ids[op.OperationID], "%s is not on the page: is its tag among Tags in newAPI (api.go)?", op.OperationID)
			}
		}
	}
	for name := range doc.Components.Schemas.Map() {
		require.True(t, ids["schema-"+name], name)
	}
	_, section, _ := strings.Cut(page, `<h3 id="replace-LabReport">`)
	section, _, _ = strings.Cut(section, "</section>")
	section = html.UnescapeString(section)
	for _, said := range []string{
		"/api/ehr/lab-reports/{id}", "If-Match", "header", `<a href="#schema-LabReport">`, `<a href="#schema-LabReportRecord">`, "with ETag",
		`href="#refusal-412"`, "curl -s -X PUT 'http://carewire.test/api/ehr/lab-reports/", `-H 'If-Match: "3"'`,
	} {
		require.Contains(t, section, said)
	}
}

func TestDocs_CurlLinesAreWhatTheServiceTakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	page := html.UnescapeString(b.do("", http.MethodGet, "/docs/api", nil).Body.String())
	_, section, _ := strings.Cut(page, `<h3 id="create-user">`)
	_, body, _ := strings.Cut(section, "-d '")
	body, _, _ = strings.Cut(body, "'</code>")
	var in map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &in), "%s", body)
	in["clinicId"] = b.clinicID
	w := b.do(admin, http.MethodPost, "/api/users", in)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
}

func TestDocs_ShowEveryEvent(t *testing.T) {
	t.Parallel()
	page := setup(t).do("", http.MethodGet, "/docs/events", nil).Body.String()
	ids := anchors(t, page)
	for _, d := range event.Catalog {
		require.True(t, ids[d.Type], d.Type)
		_, section, _ := strings.Cut(page, `id="`+d.Type+`"`)
		section, _, _ = strings.Cut(section, "</section>")
		require.Contains(t, section, html.EscapeString(d.Doc))
		require.Contains(t, section, "<dd>"+string(d.Category)+"</dd>")
		for _, name := range d.Required() {
			require.Regexp(t, "<code>"+name+`</code> <span class="required">`, section, d.Type)
		}
		_, example, _ := strings.Cut(section, `<pre tabindex="0"><code>`)
		example, _, _ = strings.Cut(example, "</code></pre>")
		var e struct{ Type, Specversion string }
		require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(example)), &e))
		require.Equal(t, d.Type, e.Type)
		require.Equal(t, "1.0", e.Specversion)
	}
	_, section, _ := strings.Cut(page, `id="ehr.lab_report.created"`)
	require.Contains(t, section[:1000], "the person it is about, doctors of the clinic, nurses of the clinic")
}
