package web

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// timesSource is the part of the page of preferences about when messages are sent. Its buttons work
// without scripts: they submit the form, which is shown again.
const timesSource = `{{define "invalid"}}{{if .Error}} aria-invalid="true" aria-describedby="{{.Name}}-error"{{end}}{{end}}
{{define "error"}}{{with .Error}}<span class="high" id="{{$.Name}}-error">{{.}}</span>{{end}}{{end}}
{{define "times"}}<h2>Time zone and daily digest</h2>
<div class="fields">
<label>{{.TimeZone.Label}} <input name="timeZone" id="timeZone" value="{{.TimeZone.Value}}" maxlength="64" placeholder="Europe/Berlin" autocomplete="off" spellcheck="false"{{template "invalid" .TimeZone}}></label>
<label>{{.DigestHour.Label}} <select name="digestHour" id="digestHour"{{template "invalid" .DigestHour}}>{{range .Hours}}<option value="{{.}}"{{if eq (print .) $.DigestHour.Value}} selected{{end}}>{{printf "%02d:00" .}}</option>{{end}}</select></label>
</div>
<div class="mistakes">{{template "error" .TimeZone}}{{template "error" .DigestHour}}</div>
<p class="note">All times on this page are in your time zone: a region and a city, such as America/New_York.</p>
<h2 id="quiet">Quiet hours</h2>
<p>Messages wait until your quiet hours end, unless they are urgent.</p>
<fieldset class="choice"{{template "invalid" .Quiet}}><legend>Your quiet hours</legend>
<label><input type="radio" name="quiet" value="default"{{if eq .Quiet.Value "default"}} checked{{end}}> those of the clinic</label>
<label><input type="radio" name="quiet" value="own"{{if eq .Quiet.Value "own"}} checked{{end}}> my own</label>
<label><input type="radio" name="quiet" value="never"{{if eq .Quiet.Value "never"}} checked{{end}}> none: send at any time</label>
<div class="mistakes">{{template "error" .Quiet}}</div></fieldset>
{{- range $i, $w := .Windows}}
<fieldset class="window" id="{{.Name}}"{{template "invalid" .}}><legend>{{.Label}}</legend>
<div class="fields">
<label>From <input type="time" name="{{.From.Name}}" id="{{.From.Name}}" value="{{.From.Value}}"{{if .New}} autofocus{{end}}{{template "invalid" .From}}></label>
<label>To <input type="time" name="{{.To.Name}}" id="{{.To.Name}}" value="{{.To.Value}}"{{template "invalid" .To}}></label>
<button class="quiet" name="remove" value="{{$i}}" formaction="/preferences#quiet" formnovalidate aria-label="Remove {{.Label}}">Remove</button>
</div>
<div class="mistakes">{{template "error" .From}}{{template "error" .To}}</div>
<div class="days" role="group" aria-label="Begins on" id="{{.Days.Name}}"{{template "invalid" .Days}}><span>Begins on</span>
{{- range .Choices}}
<label><input type="checkbox" name="{{$w.Days.Name}}" value="{{.Value}}"{{if .Chosen}} checked{{end}}> {{.Word}}</label>
{{- end}}
</div>
<div class="mistakes">{{template "error" .Days}}{{template "error" .}}</div></fieldset>
{{- end}}
{{- if .MayAdd}}
<p class="actions"><button class="quiet" name="add" value="1" formnovalidate>Add a quiet time</button></p>
{{- end}}
{{- if .Windows}}
<p class="note">A quiet time ends on the next day if it does not end later than it begins. One that ends at midnight ends at 00:00.</p>
{{- end}}
{{- end}}`

// The choices of quiet hours.
const (
	quietDefault = "default"
	quietOwn     = "own"
	quietNever   = "never"
)

// midnight is the end of a day in a QuietWindow. Browsers know it as 00:00.
const midnight = "24:00"

// field is a field of a form. Error is empty, or what is wrong with its value.
type field struct{ Name, Label, Value, Error string }

// timesForm has the fields of the form about when messages are sent, as they are stored or as they
// were submitted.
type timesForm struct {
	TimeZone, DigestHour, Quiet field
	Windows                     []windowForm
	// given reports that the form had these fields.
	given bool
}

// windowForm has the fields of one window. New reports that it was added just now.
type windowForm struct {
	field
	From, To, Days field
	Choices        []dayChoice
	New            bool
}

type dayChoice struct {
	Value, Word string
	Chosen      bool
}

// dayWords are the names of weekdays in the words of a page.
var dayWords = map[string]string{"mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun"}

// newTimesForm returns the form of what is stored.
func newTimesForm(stored directory.Preferences) *timesForm {
	f := &timesForm{
		TimeZone:   field{Name: "timeZone", Label: "Time zone", Value: stored.TimeZone},
		DigestHour: field{Name: "digestHour", Label: "Daily digest at", Value: strconv.Itoa(stored.DigestHour)},
		Quiet:      field{Name: "quiet", Label: "Quiet hours", Value: quietOwn},
	}
	switch {
	case stored.QuietHours == nil:
		f.Quiet.Value = quietDefault
	case len(stored.QuietHours) == 0:
		f.Quiet.Value = quietNever
	}
	for _, w := range stored.QuietHours {
		f.add(w)
	}
	return f
}

// parseTimesForm returns the form that was submitted. What it lacks is as stored.
func parseTimesForm(form url.Values, stored directory.Preferences) *timesForm {
	f := newTimesForm(stored)
	if !form.Has(f.Quiet.Name) {
		return f
	}
	f.given, f.Windows = true, nil
	for _, known := range []*field{&f.TimeZone, &f.DigestHour, &f.Quiet} {
		if form.Has(known.Name) {
			known.Value = strings.TrimSpace(form.Get(known.Name))
		}
	}
	for i := 0; form.Has(windowName(i) + "-from"); i++ {
		name := windowName(i)
		days := form[name+"-days"]
		f.add(care.QuietWindow{Days: append([]string{}, days...), From: form.Get(name + "-from"), To: form.Get(name + "-to")})
		if len(days) == 0 {
			f.Windows[i].Choices = dayChoices([]string{""})
		}
	}
	return f
}

func windowName(i int) string { return fmt.Sprintf("quiet-%d", i) }

// add adds the fields of a window. Without days it begins on every day.
func (f *timesForm) add(w care.QuietWindow) {
	if w.To == midnight {
		w.To = "00:00"
	}
	i := len(f.Windows)
	name, label := windowName(i), fmt.Sprintf("Quiet time %d", i+1)
	f.Windows = append(f.Windows, windowForm{
		field: field{Name: name, Label: label},
		From:  field{Name: name + "-from", Label: label + ", from", Value: w.From},
		To:    field{Name: name + "-to", Label: label + ", to", Value: w.To},
		Days:  field{Name: name + "-days", Label: label + ", days"}, Choices: dayChoices(w.Days),
	})
}

func dayChoices(days []string) []dayChoice {
	choices := make([]dayChoice, len(care.Weekdays))
	for i, day := range care.Weekdays {
		choices[i] = dayChoice{Value: day, Word: dayWords[day], Chosen: len(days) == 0 || slices.Contains(days, day)}
	}
	return choices
}

// edit adds or removes a window if such a button submitted the form, and reports whether one did.
func (f *timesForm) edit(form url.Values) bool {
	if form.Has("add") {
		f.Quiet.Value = quietOwn
		if f.MayAdd() {
			f.add(care.QuietWindow{From: "22:00", To: "07:00"})
			f.Windows[len(f.Windows)-1].New = true
		}
		return true
	}
	if !form.Has("remove") {
		return false
	}
	kept := f.windows()
	if i, err := strconv.Atoi(form.Get("remove")); err == nil && i >= 0 && i < len(kept) {
		f.Windows = nil
		for _, w := range slices.Delete(kept, i, i+1) {
			f.add(w)
		}
	}
	return true
}

// MayAdd reports whether there may be another window.
func (f *timesForm) MayAdd() bool { return len(f.Windows) < care.MaxQuietWindows }

// Hours are the hours of a day.
func (f *timesForm) Hours() []int {
	hours := make([]int, 24)
	for i := range hours {
		hours[i] = i
	}
	return hours
}

// windows returns the windows of the form. One without days has an empty list of days.
func (f *timesForm) windows() care.QuietHours {
	windows := care.QuietHours{}
	for _, w := range f.Windows {
		window := care.QuietWindow{From: w.From.Value, To: w.To.Value, Days: []string{}}
		if window.To == "00:00" {
			window.To = midnight
		}
		for _, day := range w.Choices {
			if day.Chosen {
				window.Days = append(window.Days, day.Value)
			}
		}
		windows = append(windows, window)
	}
	return windows
}

// input adds what differs from the stored preferences. The error is care.Invalid for what only a form
// can get wrong; the directory checks the values.
func (f *timesForm) input(in *directory.PreferencesInput, stored directory.Preferences) error {
	if !f.given {
		return nil
	}
	if f.TimeZone.Value != stored.TimeZone {
		in.TimeZone = &f.TimeZone.Value
	}
	if hour, err := strconv.Atoi(f.DigestHour.Value); err != nil || hour != stored.DigestHour {
		if err != nil {
			hour = -1
		}
		in.DigestHour = &hour
	}
	var errs care.FieldErrors
	var hours care.QuietHours
	switch f.Quiet.Value {
	case quietDefault:
	case quietNever:
		hours = care.QuietHours{}
	case quietOwn:
		hours = f.windows()
		if len(hours) == 0 {
			errs.Add("quietHours", "must have a time: add one, or choose none")
		}
		for i, w := range hours {
			if len(w.Days) == 0 {
				errs.Add(fmt.Sprintf("quietHours[%d].days", i), "must have at least one day; remove the quiet time if you do not want it")
			}
		}
	default:
		errs.Add("quietHours", "must be one of these")
	}
	// As a form shows them: 24:00 and 00:00 are one end.
	if shown := newTimesForm(stored); f.Quiet.Value != shown.Quiet.Value || !hours.Equal(shown.quietHours()) {
		in.QuietHours = &hours
	}
	return errs.Err()
}

// quietHours returns the windows of the form, or nil if it has those of the clinic.
func (f *timesForm) quietHours() care.QuietHours {
	if f.Quiet.Value == quietDefault {
		return nil
	}
	return f.windows()
}

// fields returns the fields that can be invalid.
func (f *timesForm) fields() []*field {
	all := []*field{&f.TimeZone, &f.DigestHour, &f.Quiet}
	for i := range f.Windows {
		w := &f.Windows[i]
		all = append(all, &w.field, &w.From, &w.To, &w.Days)
	}
	return all
}

var (
	windowField  = regexp.MustCompile(`^quietHours\[(\d+)\](?:\.(from|to|days))?`)
	settingField = regexp.MustCompile(`^items\[(\d+)\]`)
	windowInText = regexp.MustCompile(`quietHours\[(\d+)\]`)
)

// invalidFields returns the fields of the form that an error of the directory names, with the names
// of the fields of its items. It returns nil for an error that names none.
func invalidFields(err error, items []string) []field {
	refused, ok := errors.AsType[*care.Error](err)
	if !ok || refused.Code != care.Invalid || len(refused.Fields) == 0 {
		return nil
	}
	fields := make([]field, len(refused.Fields))
	for i, f := range refused.Fields {
		fields[i] = field{Name: f.Field, Error: strings.ReplaceAll(windowInText.ReplaceAllStringFunc(f.Message, windowWords), midnight, "midnight")}
		if m := windowField.FindStringSubmatch(f.Field); m != nil {
			fields[i].Name = strings.TrimSuffix("quiet-"+m[1]+"-"+m[2], "-")
		} else if f.Field == "quietHours" {
			fields[i].Name = "quiet"
		} else if m := settingField.FindStringSubmatch(f.Field); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil && n < len(items) {
				fields[i].Name = items[n]
			}
		}
	}
	return fields
}

// windowWords returns the words for a window in an error: "quietHours[0]" is "quiet time 1".
func windowWords(text string) string {
	n, err := strconv.Atoi(windowInText.FindStringSubmatch(text)[1])
	if err != nil {
		return text
	}
	return fmt.Sprintf("quiet time %d", n+1)
}
