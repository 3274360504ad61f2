package web

import (
	"html/template"
	"net/http"
	"slices"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

const preferencesPath = "/preferences"

var preferencesPage = template.Must(template.New("preferences").Parse(`<h1>Which messages you get</h1>
<p class="lead">Urgent messages are always sent.</p>
<form method="post" action="/preferences">
<table class="stack"><thead><tr><th scope="col">About</th>{{range .Channels}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>
{{- range .Rows}}
<tr><th scope="row">{{.About}}</th>{{range .Cells}}<td data-label="{{.Channel}}"><input type="checkbox" name="on" value="{{.Value}}" aria-label="{{.Label}}"{{if .Enabled}} checked{{end}}></td>{{end}}</tr>
{{- end}}
</tbody></table>
<p class="actions"><button>Save</button></p>
</form>
{{- if .Saved}}
<p class="note" role="status">Saved.</p>
{{- end}}`))

// channelWords are the names of channels in the words of a page.
var channelWords = map[string]string{
	care.ChannelEmail: "Email", care.ChannelPush: "App", care.ChannelSMS: "Text message", care.ChannelWhatsApp: "WhatsApp", care.ChannelInApp: "Inbox",
}

type preferenceCell struct {
	Value, Label, Channel string
	Enabled               bool
}

type preferenceRow struct {
	About string
	Cells []preferenceCell
}

// addPreferences adds the page on which people choose their messages, which unsubscribe links lead
// to.
func (p *pages) addPreferences() {
	p.handle(http.MethodGet, preferencesPath, care.SelfManage, p.showPreferences)
	p.handle(http.MethodPost, preferencesPath, care.SelfManage, p.savePreferences)
}

func (p *pages) showPreferences(c *echo.Context) error {
	ctx := c.Request().Context()
	all, err := p.cfg.Directory.ListPreferences(ctx, httpapi.ActorOf(ctx))
	if err != nil {
		return err
	}
	var channels []string
	var rows []preferenceRow
	last := ""
	for _, pref := range all {
		channel, about := wordOf(channelWords, pref.Channel), wordOf(categoryWords, pref.Category)
		if !slices.Contains(channels, channel) {
			channels = append(channels, channel)
		}
		if pref.Category != last {
			rows, last = append(rows, preferenceRow{About: about}), pref.Category
		}
		row := &rows[len(rows)-1]
		row.Cells = append(row.Cells, preferenceCell{Value: preferenceName(pref), Label: channel + ": " + about, Channel: channel, Enabled: pref.Enabled})
	}
	return p.render(c, "Preferences", preferencesPage, map[string]any{"Channels": channels, "Rows": rows, "Saved": c.QueryParam("saved") != ""})
}

// savePreferences stores the preferences that differ from the form.
func (p *pages) savePreferences(c *echo.Context) error {
	r := c.Request()
	ctx := r.Context()
	all, err := p.cfg.Directory.ListPreferences(ctx, httpapi.ActorOf(ctx))
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return care.Errorf(care.Malformed, "the form cannot be read")
	}
	for _, pref := range all {
		on := slices.Contains(r.PostForm["on"], preferenceName(pref))
		if on == pref.Enabled {
			continue
		}
		pref.Enabled = on
		if err := p.cfg.Directory.UpdatePreference(ctx, httpapi.CommandOf(ctx), pref); err != nil {
			return err
		}
	}
	return c.Redirect(http.StatusSeeOther, preferencesPath+"?saved=1")
}

func preferenceName(p directory.Preference) string { return p.Category + "/" + p.Channel }

// wordOf returns the word for a name, or the name.
func wordOf(words map[string]string, name string) string {
	if word, ok := words[name]; ok {
		return word
	}
	return name
}
