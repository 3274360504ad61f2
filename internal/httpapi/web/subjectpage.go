package web

import (
	"html/template"
	"strconv"

	"github.com/labstack/echo/v5"

	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi"
)

var recordPage = template.Must(template.New("record").Parse(`{{with .Record}}<p class="note">{{.Kind}}</p>
<h1>{{.Title}}</h1>
{{- if .Retracted}}
<div class="alert" role="note"><p><b>This record was entered in error.</b> Do not rely on it.</p>
{{- if .Masked}}<p>Its content is not shown, because it may be about another person.</p>{{end}}
{{- with .Reason}}<p>Reason: {{.}}</p>{{end}}</div>
{{- end}}
<dl class="facts">
{{- with $.Patient}}
<dt>Patient</dt><dd>{{.}}</dd>
{{- end}}
<dt>{{if .Masked}}Withdrawn{{else}}Date{{end}}</dt><dd>{{.Effective}}</dd>
<dt>Status</dt><dd>{{.Status}}</dd>
{{- with .Clinic}}
<dt>Clinic</dt><dd>{{.}}</dd>
{{- end}}
{{- if and .Reason (not .Retracted)}}
<dt>Corrected because</dt><dd>{{.Reason}}</dd>
{{- end}}
{{- range .Fields}}
<dt>{{.Label}}</dt><dd>{{range .Lines}}<p class="text">{{.}}</p>{{end}}</dd>
{{- end}}
</dl>
{{- if .Findings}}
<h2>Results</h2>
<table class="stack">
<thead><tr><th scope="col">Test</th><th scope="col">Result</th>{{if .HasRange}}<th scope="col">Reference range</th>{{end}}{{if .HasMark}}<th scope="col">Meaning</th>{{end}}</tr></thead>
<tbody>
{{- range .Findings}}
<tr><th scope="row"><b>{{.Name}}</b></th><td data-label="Result">{{.Value}}</td>
{{- if $.Record.HasRange}}{{if .Range}}<td data-label="Reference range">{{.Range}}</td>{{else}}<td></td>{{end}}{{end}}
{{- if $.Record.HasMark}}{{if .Meaning}}<td data-label="Meaning"{{if .Marked}} class="high"{{end}}>{{.Meaning}}</td>{{else}}<td></td>{{end}}{{end}}</tr>
{{- end}}
</tbody>
</table>
{{- end}}
{{- range .Sections}}
<h2>{{if .Title}}{{.Title}}{{else if .Code}}{{.Code.Display}}{{else}}Text{{end}}</h2>
{{- if and .Title .Code}}
<p class="note">{{if .Code.Display}}{{.Code.Display}}{{else}}{{.Code.Code}}{{end}}</p>
{{- end}}
<p class="text">{{.Text}}</p>
{{- end}}
<p class="note">Version {{.Version}}, last changed {{.Updated}}. Times are in {{$.Zone}}.{{if $.Own}} If you have a question about it, ask your clinic.{{end}}</p>
{{- end}}`))

// subjectView is the data that the pages of subjects share.
type subjectView struct {
	// Patient is the name of the person that the subject is about, or "". Own reports whether that
	// is the reader.
	Patient string
	Own     bool
	Zone    string
	Clinic  string
}

func (p *pages) recordPage(c *echo.Context, r ehr.Record[any], collection *httpapi.Collection, to reader) error {
	view := newRecordView(r, collection.Kind, to)
	patient := patientOf(r)
	name, err := p.person(c, to, patient)
	if err != nil {
		return err
	}
	return p.render(c, view.Title, recordPage, struct {
		subjectView
		Record recordView
	}{subjectView{Patient: name, Own: to.isMe(patient), Zone: to.zoneName}, view})
}

var appointmentPage = template.Must(template.New("appointment").Parse(`<h1>Appointment{{with .Clinic}} at {{.}}{{end}}</h1>
{{- if .Cancelled}}
<div class="alert" role="note"><p><b>This appointment is cancelled.</b></p></div>
{{- end}}
<dl class="facts">
{{- with .Patient}}
<dt>Patient</dt><dd>{{.}}</dd>
{{- end}}
<dt>Day</dt><dd>{{.Day}}</dd>
<dt>Time</dt><dd>{{.From}} to {{.To}} ({{.Zone}})</dd>
{{- with .Yours}}
<dt>In your time zone</dt><dd>{{.}}</dd>
{{- end}}
<dt>Status</dt><dd>{{.Status}}</dd>
</dl>
{{- if .Own}}
<p class="note">To confirm, move or cancel it, use the app of your clinic or call the clinic.</p>
{{- end}}`))

func (p *pages) appointmentPage(c *echo.Context, a appointment.Appointment, to reader) error {
	name, err := p.person(c, to, a.PatientID)
	if err != nil {
		return err
	}
	zone, zoneName := firstZone(a.TimeZone, to.zoneName)
	view := struct {
		subjectView
		Day, From, To, Yours, Status string
		Cancelled                    bool
	}{
		subjectView: subjectView{Patient: name, Own: to.isMe(a.PatientID), Zone: zoneName, Clinic: to.clinicName(a.ClinicID)},
		Day:         a.StartsAt.In(zone).Format("Monday, 2 January 2006"), From: a.StartsAt.In(zone).Format("15:04"), To: a.EndsAt.In(zone).Format("15:04"),
		Status: words(string(a.Status)), Cancelled: a.Status == "cancelled",
	}
	if day(a.StartsAt, zone) != day(a.EndsAt, zone) {
		view.To = moment(a.EndsAt, zone)
	}
	if moment(a.StartsAt, zone) != moment(a.StartsAt, to.zone) {
		view.Yours = moment(a.StartsAt, to.zone) + " (" + to.zoneName + ")"
	}
	return p.render(c, "Appointment", appointmentPage, view)
}

var invoicePage = template.Must(template.New("invoice").Parse(`{{with .Invoice}}<h1>{{$.Title}}</h1>
{{- if eq .Status "void"}}
<div class="alert" role="note"><p><b>This invoice is void.</b> Nothing is owed on it.</p></div>
{{- else if .Overdue}}
<div class="alert" role="note"><p><b>This invoice is overdue.</b> {{call $.Amount .BalanceMinor}} was due on {{$.Due}}.</p></div>
{{- end}}
<dl class="facts">
{{- with $.Patient}}
<dt>Patient</dt><dd>{{.}}</dd>
{{- end}}
{{- with $.Clinic}}
<dt>Clinic</dt><dd>{{.}}</dd>
{{- end}}
<dt>Status</dt><dd>{{$.Status}}</dd>
{{- with $.Issued}}
<dt>Issued</dt><dd>{{.}}</dd>
{{- end}}
<dt>Due</dt><dd>{{$.Due}}</dd>
<dt>Still to pay</dt><dd><b>{{call $.Amount .BalanceMinor}}</b></dd>
</dl>
<h2>Items</h2>
<table class="stack">
<thead><tr><th scope="col">Item</th><th scope="col" class="number">Quantity</th><th scope="col" class="number">Price</th><th scope="col" class="number">Discount</th><th scope="col" class="number">Tax</th><th scope="col" class="number">Amount with tax</th></tr></thead>
<tbody>
{{- range .Lines}}
<tr><th scope="row">{{.Description}}</th><td class="number" data-label="Quantity">{{.Quantity}}</td><td class="number" data-label="Price">{{call $.Amount .UnitMinor}}</td>
{{- if .DiscountBps}}<td class="number" data-label="Discount">{{call $.Percent .DiscountBps}}</td>{{else}}<td></td>{{end}}
{{- if .TaxBps}}<td class="number" data-label="Tax">{{call $.Percent .TaxBps}}</td>{{else}}<td></td>{{end}}
<td class="number" data-label="Amount">{{call $.Amount (call $.Sum .NetMinor .TaxMinor)}}</td></tr>
{{- end}}
</tbody>
</table>
<dl class="facts">
<dt>Without tax</dt><dd>{{call $.Amount .NetMinor}}</dd>
<dt>Tax</dt><dd>{{call $.Amount .TaxMinor}}</dd>
<dt>Total</dt><dd><b>{{call $.Amount .TotalMinor}}</b></dd>
{{- if .CreditedMinor}}
<dt>Credited</dt><dd>{{call $.Amount .CreditedMinor}}</dd>
{{- end}}
{{- if .PaidMinor}}
<dt>Paid</dt><dd>{{call $.Amount .PaidMinor}}</dd>
{{- end}}
{{- if .ExcessMinor}}
<dt>Paid in excess</dt><dd>{{call $.Amount .ExcessMinor}}</dd>
{{- end}}
</dl>
{{- if .Payments}}
<h2>Payments</h2>
<table class="stack">
<thead><tr><th scope="col">Received</th><th scope="col" class="number">Amount</th><th scope="col" class="number">Refunded</th></tr></thead>
<tbody>
{{- range .Payments}}
<tr><th scope="row">{{call $.Moment .ReceivedAt}}</th><td class="number" data-label="Amount">{{call $.Amount .AmountMinor}}</td>{{if .RefundedMinor}}<td class="number" data-label="Refunded">{{call $.Amount .RefundedMinor}}</td>{{else}}<td></td>{{end}}</tr>
{{- end}}
</tbody>
</table>
{{- end}}
{{- if .CreditNotes}}
<h2>Credit notes</h2>
<table class="stack">
<thead><tr><th scope="col">Number</th><th scope="col">Reason</th><th scope="col" class="number">Amount</th></tr></thead>
<tbody>
{{- range .CreditNotes}}
<tr><th scope="row">{{.Number}}</th><td data-label="Reason">{{.Reason}}</td><td class="number" data-label="Amount">{{call $.Amount .TotalMinor}}</td></tr>
{{- end}}
</tbody>
</table>
{{- end}}
<p class="note">Times are in {{$.Zone}}.</p>
{{- end}}`))

func (p *pages) invoicePage(c *echo.Context, i billing.Invoice, to reader) error {
	name, err := p.person(c, to, i.PatientID)
	if err != nil {
		return err
	}
	issued := ""
	if i.IssuedAt != nil {
		issued = moment(*i.IssuedAt, to.zone)
	}
	return p.render(c, invoiceTitle(i), invoicePage, map[string]any{
		"Invoice": i, "Title": invoiceTitle(i), "Patient": name, "Clinic": to.clinicName(i.ClinicID), "Zone": to.zoneName, "Status": words(i.Status),
		"Due": date(i.DueOn), "Issued": issued, "Amount": amount(i), "Percent": percent, "Sum": func(net, tax int64) int64 { return net + tax },
		"Moment": to.moment,
	})
}

func invoiceTitle(i billing.Invoice) string {
	if i.Number != nil {
		return "Invoice " + *i.Number
	}
	return "Invoice"
}

func unreadText(n int64) string {
	switch {
	case n == 0:
		return "None"
	case n >= 100:
		return "100 or more"
	}
	return strconv.FormatInt(n, 10)
}
