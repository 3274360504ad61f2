package web

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
	"carewire/internal/layout"
)

const preferencesPath = "/preferences"

var preferencesPage = template.Must(template.New("preferences").Parse(`<h1>Which messages you get, and when</h1>
{{- if .Saved}}
<p class="alert done" role="status">Saved.</p>
{{- end}}
{{- with .Mistakes}}
<div class="alert" role="alert"><p><b>Nothing was saved.</b> Correct this first:</p>
<ul>
{{- range .}}
<li>{{if .Name}}<a href="#{{.Name}}">{{.Label}}</a>{{else}}{{.Label}}{{end}}: {{.Error}}</li>
{{- end}}
</ul></div>
{{- end}}
<p class="lead">Urgent messages are always sent, at any time. A daily digest collects the messages of a day.</p>
<form method="post" action="/preferences">
<button class="skip" tabindex="-1" aria-hidden="true">Save</button>
{{- range .Tables}}
{{- if .Clinic}}
<h2>Only from {{.Clinic}}</h2>
{{- end}}
<table class="stack settings"><thead><tr><th scope="col">About</th>{{range .Channels}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>
{{- range .Rows}}
<tr><th scope="row">{{.About}}{{if .Essential}} (cannot be switched off){{end}}</th>{{range .Cells}}<td data-label="{{.Channel}}">
{{- if .Options}}<select name="{{.Name}}" aria-label="{{.Label}}"{{if .Error}} id="{{.Name}}"{{end}}{{template "invalid" .}}>{{range .Options}}<option value="{{.Value}}"{{if .Chosen}} selected{{end}}>{{.Word}}</option>{{end}}</select>{{template "error" .}}
{{- else if .Name}}Always{{end}}</td>{{end}}</tr>
{{- end}}
</tbody></table>
{{- end}}
{{template "times" .Times}}
<p class="actions"><button>Save</button></p>
</form>` + timesSource))

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
	field
	Channel string
	Options []preferenceOption
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

// preferencesView is the data of the page.
type preferencesView struct {
	Tables []preferenceTable
	Times  *timesForm
	Saved  bool
	// Mistakes are the invalid fields of a form that was not saved.
	Mistakes []field
}

func (p *pages) showPreferences(c *echo.Context) error {
	ctx := c.Request().Context()
	stored, err := p.cfg.Directory.GetPreferences(ctx, httpapi.ActorOf(ctx))
	if err != nil {
		return err
	}
	tables, err := p.preferenceTables(ctx, stored.Items)
	if err != nil {
		return err
	}
	return p.renderPreferences(c, http.StatusOK, preferencesView{Tables: tables, Times: newTimesForm(stored), Saved: c.QueryParam("saved") != ""})
}

func (p *pages) renderPreferences(c *echo.Context, status int, view preferencesView) error {
	main, err := layout.Fragment(preferencesPage, view)
	if err != nil {
		return err
	}
	return p.api.RenderPage(c, status, layout.Page{Title: "Preferences", Here: preferencesPath, Main: main})
}

// preferenceTables returns a table for all clinics, and one for each clinic with settings.
func (p *pages) preferenceTables(ctx context.Context, all []directory.Preference) ([]preferenceTable, error) {
	clinics := map[uuid.UUID]string{}
	if slices.ContainsFunc(all, func(pref directory.Preference) bool { return pref.ClinicID != nil }) {
		page, err := p.cfg.Directory.ListClinics(ctx, httpapi.ActorOf(ctx), directory.ClinicFilter{})
		if err != nil {
			return nil, err
		}
		for _, clinic := range page.Items {
			clinics[clinic.ID] = clinic.Name
		}
	}
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
	return tables, nil
}

func cellOf(pref directory.Preference) preferenceCell {
	channel := wordOf(channelWords, pref.Channel)
	cell := preferenceCell{Channel: channel}
	cell.Name, cell.Label = preferenceName(pref), channel+": "+wordOf(categoryWords, pref.Category)
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

// savePreferences stores what differs from the form. What the form lacks is kept. The buttons that
// add and remove a window show the form again, and store nothing.
func (p *pages) savePreferences(c *echo.Context) error {
	r := c.Request()
	ctx := r.Context()
	stored, err := p.cfg.Directory.GetPreferences(ctx, httpapi.ActorOf(ctx))
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return care.Errorf(care.Malformed, "the form cannot be read")
	}
	times := parseTimesForm(r.PostForm, stored)
	status, mistakes := http.StatusOK, []field(nil)
	if !times.edit(r.PostForm) {
		in, names := chosenSettings(r.PostForm, stored.Items)
		err = times.input(&in, stored)
		if err == nil {
			err = p.cfg.Directory.UpdatePreferences(ctx, httpapi.CommandOf(ctx), in)
		}
		if err == nil {
			return c.Redirect(http.StatusSeeOther, preferencesPath+"?saved=1")
		}
		if status, mistakes = http.StatusUnprocessableEntity, invalidFields(err, names); mistakes == nil {
			return err
		}
	}
	for i, pref := range stored.Items {
		if chosen := r.PostForm.Get(preferenceName(pref)); chosen != "" {
			stored.Items[i].Setting = care.Setting(chosen)
		}
	}
	tables, err := p.preferenceTables(ctx, stored.Items)
	if err != nil {
		return err
	}
	view := preferencesView{Tables: tables, Times: times, Mistakes: mistakes}
	view.mark()
	return p.renderPreferences(c, status, view)
}

// chosenSettings returns the settings in the form that differ from the stored ones, with the names of
// their fields.
func chosenSettings(form url.Values, stored []directory.Preference) (in directory.PreferencesInput, names []string) {
	for _, pref := range stored {
		name := preferenceName(pref)
		chosen := form.Get(name)
		if chosen == "" || chosen == string(pref.Setting) {
			continue
		}
		in.Items = append(in.Items, directory.PreferenceChange{Category: pref.Category, Channel: pref.Channel, ClinicID: pref.ClinicID, Setting: chosen})
		names = append(names, name)
	}
	return in, names
}

// mark writes each mistake at its field, and the label of the field into the mistake. The mistakes
// are then in the order of the page.
func (v *preferencesView) mark() {
	var fields []*field
	for t := range v.Tables {
		for r := range v.Tables[t].Rows {
			cells := v.Tables[t].Rows[r].Cells
			for i := range cells {
				fields = append(fields, &cells[i].field)
			}
		}
	}
	fields = append(fields, v.Times.fields()...)
	at := func(m field) int { return slices.IndexFunc(fields, func(f *field) bool { return f.Name == m.Name }) }
	slices.SortStableFunc(v.Mistakes, func(a, b field) int { return at(a) - at(b) })
	for i, m := range v.Mistakes {
		if n := at(m); n >= 0 {
			fields[n].Error, v.Mistakes[i].Label = capital(m.Error), fields[n].Label
		} else {
			v.Mistakes[i] = field{Label: m.Name, Error: m.Error}
		}
	}
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
