package web

import (
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

const preferencesPath = "/preferences"

var preferencesPage = template.Must(template.New("preferences").Parse(`<h1>Which messages you get</h1>
<p class="lead">Urgent messages are always sent. A daily digest collects the messages of a day.</p>
<form method="post" action="/preferences">
{{- range .Tables}}
{{- if .Clinic}}
<h2>Only from {{.Clinic}}</h2>
{{- end}}
<table class="stack"><thead><tr><th scope="col">About</th>{{range .Channels}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>
{{- range .Rows}}
<tr><th scope="row">{{.About}}{{if .Essential}} (cannot be switched off){{end}}</th>{{range .Cells}}<td data-label="{{.Channel}}">
{{- if .Options}}<select name="{{.Name}}" aria-label="{{.Label}}">{{range .Options}}<option value="{{.Value}}"{{if .Chosen}} selected{{end}}>{{.Word}}</option>{{end}}</select>
{{- else if .Name}}Always{{end}}</td>{{end}}</tr>
{{- end}}
</tbody></table>
{{- end}}
<p class="actions"><button>Save</button></p>
</form>
{{- if .Saved}}
<p class="note" role="status">Saved.</p>
{{- end}}`))

// channelWords are the names of channels in the words of a page.
var channelWords = map[string]string{
	care.ChannelEmail: "Email", care.ChannelPush: "App", care.ChannelSMS: "Text message", care.ChannelWhatsApp: "WhatsApp", care.ChannelInApp: "Inbox",
}

// settingWords are the settings in the words of a page.
var settingWords = map[care.Setting]string{care.SettingOn: "On", care.SettingDigest: "Daily digest", care.SettingOff: "Off"}

type preferenceOption struct {
	Value  care.Setting
	Word   string
	Chosen bool
}

// preferenceCell is one setting; without options it cannot be changed, and without a name there is
// none.
type preferenceCell struct {
	Name, Label, Channel string
	Options              []preferenceOption
}

type preferenceRow struct {
	About     string
	Essential bool
	Cells     []preferenceCell
}

// preferenceTable has the settings for all clinics, or those that were set for one.
type preferenceTable struct {
	Clinic   string
	Channels []string
	Rows     []preferenceRow
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
	names := map[uuid.UUID]string{}
	if slices.ContainsFunc(all, func(pref directory.Preference) bool { return pref.ClinicID != nil }) {
		clinics, err := p.cfg.Directory.ListClinics(ctx, httpapi.ActorOf(ctx), directory.ClinicFilter{})
		if err != nil {
			return err
		}
		for _, clinic := range clinics.Items {
			names[clinic.ID] = clinic.Name
		}
	}
	return p.render(c, "Preferences", preferencesPage, map[string]any{
		"Tables": p.preferenceTables(all, names), "Saved": c.QueryParam("saved") != "",
	})
}

// preferenceTables returns a table for all clinics, and one for each clinic with settings.
func (p *pages) preferenceTables(all []directory.Preference, clinics map[uuid.UUID]string) []preferenceTable {
	var tables []preferenceTable
	var lastClinic *uuid.UUID
	last := ""
	channels := p.cfg.Directory.Channels()
	for _, pref := range all {
		if len(tables) == 0 || !care.EqualPtr(pref.ClinicID, lastClinic) {
			table := preferenceTable{}
			for _, channel := range channels {
				table.Channels = append(table.Channels, wordOf(channelWords, channel))
			}
			if pref.ClinicID != nil {
				if table.Clinic = clinics[*pref.ClinicID]; table.Clinic == "" {
					table.Clinic = "another clinic"
				}
			}
			tables, lastClinic, last = append(tables, table), pref.ClinicID, ""
		}
		table := &tables[len(tables)-1]
		if pref.Category != last {
			row := preferenceRow{About: wordOf(categoryWords, pref.Category), Essential: pref.Essential}
			for _, channel := range table.Channels {
				row.Cells = append(row.Cells, preferenceCell{Channel: channel})
			}
			table.Rows, last = append(table.Rows, row), pref.Category
		}
		row := &table.Rows[len(table.Rows)-1]
		if at := slices.Index(channels, pref.Channel); at >= 0 {
			row.Cells[at] = cellOf(pref)
		}
	}
	return tables
}

func cellOf(pref directory.Preference) preferenceCell {
	channel := wordOf(channelWords, pref.Channel)
	cell := preferenceCell{Name: preferenceName(pref), Channel: channel, Label: channel + ": " + wordOf(categoryWords, pref.Category)}
	for _, setting := range []care.Setting{care.SettingOn, care.SettingDigest, care.SettingOff} {
		if (setting == care.SettingOff && pref.Essential) || (setting == care.SettingDigest && pref.Channel == care.ChannelInApp) {
			continue
		}
		cell.Options = append(cell.Options, preferenceOption{Value: setting, Word: settingWords[setting], Chosen: setting == pref.Setting})
	}
	if len(cell.Options) == 1 {
		cell.Options = nil
	}
	return cell
}

// savePreferences stores the settings that differ from the form. What the form lacks is kept.
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
	var in directory.PreferencesInput
	for _, pref := range all {
		chosen := r.PostForm.Get(preferenceName(pref))
		if chosen == "" || chosen == string(pref.Setting) {
			continue
		}
		in.Items = append(in.Items, directory.PreferenceChange{Category: pref.Category, Channel: pref.Channel, ClinicID: pref.ClinicID, Setting: chosen})
	}
	if err := p.cfg.Directory.UpdatePreferences(ctx, httpapi.CommandOf(ctx), in); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, preferencesPath+"?saved=1")
}

// preferenceName returns the name of the form's field: category/channel, after the clinic if there is
// one.
func preferenceName(p directory.Preference) string {
	parts := []string{p.Category, p.Channel}
	if p.ClinicID != nil {
		parts = append([]string{p.ClinicID.String()}, parts...)
	}
	return strings.Join(parts, "/")
}

// wordOf returns the word for a name, or the name.
func wordOf(words map[string]string, name string) string {
	if word, ok := words[name]; ok {
		return word
	}
	return name
}
