package fhirimport

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/ehr"
)

// aVisit is how long one lasted of which nobody said.
const aVisit = 15 * time.Minute

var visitPaths = map[string]string{"startsAt": "period.start", "endsAt": "period.end", "patientId": "subject", "doctorId": "participant.individual", "status": "status", "clinicId": "serviceProvider"}

func readEncounter(_ *mapper, r *resource) (*draft, error) {
	var e struct {
		Status      string     `json:"status"`
		Subject     *reference `json:"subject"`
		Participant []struct {
			Individual *reference `json:"individual"`
		} `json:"participant"`
		Period          *period    `json:"period"`
		Length          *quantity  `json:"length"`
		ServiceProvider *reference `json:"serviceProvider"`
	}
	if err := decode(r.typ, r.raw, &e); err != nil {
		return nil, err
	}
	status, ok := map[string]appointment.Status{
		"planned": appointment.Booked, "arrived": appointment.CheckedIn, "triaged": appointment.CheckedIn, "in-progress": appointment.CheckedIn,
		"onleave": appointment.CheckedIn, "finished": appointment.Completed, "cancelled": appointment.Cancelled,
		"entered-in-error": appointment.Cancelled, "unknown": appointment.Completed,
	}[e.Status]
	if !ok {
		return nil, faulty(r.typ+".status", "is missing, or none of FHIR R4's")
	}
	if e.Period == nil {
		e.Period = &period{}
	}
	start, end, err := span(r.typ, "period.start", e.Period.Start, "period.end", e.Period.End, e.Length.duration())
	if err != nil {
		return nil, err
	}
	d := &draft{
		kind: "appointment", patient: e.Subject.keys("Patient"), patientPath: "subject", clinics: e.ServiceProvider.keys("Organization"), paths: visitPaths,
		appointment: &appointment.Imported{Status: status, Input: appointment.Input{Slot: appointment.Slot{StartsAt: start, EndsAt: end}}},
	}
	for _, p := range e.Participant {
		d.doctors = append(d.doctors, p.Individual.keys("Practitioner", "PractitionerRole")...)
	}
	return d, nil
}

// duration is FHIR's Duration in the units of time that UCUM has.
func (q *quantity) duration() time.Duration {
	if q == nil || q.Value == nil {
		return 0
	}
	n, err := strconv.ParseFloat(string(*q.Value), 64)
	unit := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "wk": 7 * 24 * time.Hour}[q.Code]
	if err != nil || n <= 0 || n*float64(unit) > float64(366*24*time.Hour) {
		return 0
	}
	return time.Duration(n * float64(unit))
}

// span reads from when to when something was. Without an end, or with one that is the start, it lasted so long, else aVisit.
func span(typ, startPath, startText, endPath, endText string, lasted time.Duration) (start, end time.Time, err error) {
	if start, err = when(typ, startPath, startText); err != nil {
		return start, end, err
	}
	told, err := at(typ+"."+endPath, endText)
	if err != nil {
		return start, end, err
	}
	if lasted <= 0 {
		lasted = aVisit
	}
	end = start.Add(lasted)
	if told != nil && !told.Equal(start) {
		end = *told
	}
	return start, end, nil
}

func readAppointment(_ *mapper, r *resource) (*draft, error) {
	var a struct {
		Status          string       `json:"status"`
		Start           string       `json:"start"`
		End             string       `json:"end"`
		MinutesDuration *ehr.Decimal `json:"minutesDuration"`
		Participant     []struct {
			Actor *reference `json:"actor"`
		} `json:"participant"`
	}
	if err := decode(r.typ, r.raw, &a); err != nil {
		return nil, err
	}
	status, ok := map[string]appointment.Status{
		"proposed": appointment.Requested, "pending": appointment.Requested, "waitlist": appointment.Requested, "booked": appointment.Booked,
		"arrived": appointment.CheckedIn, "checked-in": appointment.CheckedIn, "fulfilled": appointment.Completed,
		"cancelled": appointment.Cancelled, "entered-in-error": appointment.Cancelled, "noshow": appointment.NoShow,
	}[a.Status]
	if !ok {
		return nil, faulty(r.typ+".status", "is missing, or none of FHIR R4's")
	}
	lasted := (&quantity{Value: a.MinutesDuration, Code: "min"}).duration()
	start, end, err := span(r.typ, "start", a.Start, "end", a.End, lasted)
	if err != nil {
		return nil, err
	}
	d := &draft{
		kind: "appointment", patientPath: "participant.actor",
		paths:       map[string]string{"startsAt": "start", "endsAt": "end", "patientId": "participant.actor", "doctorId": "participant.actor", "status": "status"},
		appointment: &appointment.Imported{Status: status, Input: appointment.Input{Slot: appointment.Slot{StartsAt: start, EndsAt: end}}},
	}
	for _, p := range a.Participant {
		d.patient = append(d.patient, p.Actor.keys("Patient")...)
		d.doctors = append(d.doctors, p.Actor.keys("Practitioner", "PractitionerRole")...)
	}
	return d, nil
}

// toPay is how long there is to pay an invoice that names no day.
const toPay = 30 * 24 * time.Hour

func readClaim(_ *mapper, r *resource) (*draft, error) {
	var c struct {
		Status         string      `json:"status"`
		Patient        *reference  `json:"patient"`
		Provider       *reference  `json:"provider"`
		Created        string      `json:"created"`
		BillablePeriod *period     `json:"billablePeriod"`
		CareTeam       []struct{}  `json:"careTeam"`
		Item           []claimItem `json:"item"`
		Total          *money      `json:"total"`
	}
	if err := decode(r.typ, r.raw, &c); err != nil {
		return nil, err
	}
	if c.BillablePeriod == nil {
		c.BillablePeriod = &period{}
	}
	at, err := when(r.typ, "created", c.Created, "billablePeriod.end", c.BillablePeriod.End, "billablePeriod.start", c.BillablePeriod.Start)
	if err != nil {
		return nil, err
	}
	status, ok := map[string]string{"active": billing.StatusDraft, "draft": billing.StatusDraft, "cancelled": billing.StatusVoid, "entered-in-error": billing.StatusVoid}[c.Status]
	if !ok {
		return nil, faulty(r.typ+".status", "is missing, or none of FHIR R4's")
	}
	prices := make([]price, len(c.Item))
	for i, item := range c.Item {
		prices[i] = price{r.typ + ".item[" + strconv.Itoa(i) + "].net", item.ProductOrService, item.Net}
	}
	lines, unit, err := billLines(prices, r.typ+".total", c.Total)
	if err != nil {
		return nil, err
	}
	d := bill(r.typ, "patient", c.Patient, at, status, lines, unit)
	d.clinics = c.Provider.keys("Organization", "PractitionerRole")
	for _, item := range c.Item {
		for i := range item.Encounter {
			d.encounter = append(d.encounter, item.Encounter[i].keys("Encounter")...)
		}
	}
	return d, nil
}

type claimItem struct {
	ProductOrService codeableConcept `json:"productOrService"`
	Encounter        []reference     `json:"encounter"`
	Net              *money          `json:"net"`
}

// words is what a bill says of a thing.
func (c *codeableConcept) words() string {
	code := c.code()
	if code == nil {
		return "Service"
	}
	return first(code.Display, code.Code)
}

// price is what one thing on a bill costs, nil where that is not said, and where it stands.
type price struct {
	path   string
	what   codeableConcept
	amount *money
}

// billLines has a line for each thing with a price, where these make the total; else one of the total.
func billLines(prices []price, totalPath string, total *money) ([]billing.Line, string, error) {
	var lines []billing.Line
	var sum int64
	unit := ""
	for _, p := range prices {
		if p.amount == nil {
			continue
		}
		minor, err := p.amount.minor(p.path)
		if err != nil {
			return nil, "", err
		}
		lines = append(lines, billing.Line{Description: p.what.words(), Quantity: 1, UnitMinor: minor})
		sum, unit = sum+minor, p.amount.Currency
	}
	if total == nil {
		if len(lines) == 0 {
			return nil, "", faulty(totalPath, "is missing, and nothing has a price")
		}
		return lines, unit, nil
	}
	all, err := total.minor(totalPath)
	if err != nil || (sum == all && unit == total.Currency) {
		return lines, total.Currency, err
	}
	description := "Service"
	if len(prices) > 0 {
		description = prices[0].what.words()
	}
	return []billing.Line{{Description: description, Quantity: 1, UnitMinor: all}}, total.Currency, nil
}

// minor gives the amount in minor units of its currency, rounded.
func (m *money) minor(path string) (int64, error) {
	value, err := strconv.ParseFloat(string(m.Value), 64)
	digits, known := billing.MinorDigits(m.Currency)
	if err != nil || value < 0 || value > 1e12 {
		return 0, faulty(path+".value", "is missing, or no amount that can be owed")
	}
	if !known {
		return 0, faulty(path+".currency", "is missing, or no currency of ISO 4217")
	}
	return int64(math.Round(value * math.Pow10(digits))), nil
}

func bill(typ, patientPath string, patient *reference, at time.Time, status string, lines []billing.Line, unit string) *draft {
	return &draft{
		kind: "invoice", patient: patient.keys("Patient"), patientPath: patientPath,
		invoice: &billing.Imported{Status: status, IssuedAt: at, NewInvoice: billing.NewInvoice{
			Currency: unit, DueOn: at.Add(toPay).Format(time.DateOnly), Lines: lines,
		}},
		paths: map[string]string{"dueOn": "created", "lines": map[string]string{"Claim": "item"}[typ], "currency": "total.currency", "patientId": patientPath, "clinicId": "provider"},
	}
}

func readInvoice(_ *mapper, r *resource) (*draft, error) {
	var v struct {
		Identifier []identifier `json:"identifier"`
		Status     string       `json:"status"`
		Subject    *reference   `json:"subject"`
		Date       string       `json:"date"`
		Issuer     *reference   `json:"issuer"`
		LineItem   []struct {
			ChargeItemCodeableConcept codeableConcept `json:"chargeItemCodeableConcept"`
			PriceComponent            []struct {
				Type   string `json:"type"`
				Amount *money `json:"amount"`
			} `json:"priceComponent"`
		} `json:"lineItem"`
		TotalGross *money `json:"totalGross"`
		TotalNet   *money `json:"totalNet"`
	}
	if err := decode(r.typ, r.raw, &v); err != nil {
		return nil, err
	}
	status, ok := map[string]string{
		"draft": billing.StatusDraft, "issued": billing.StatusIssued, "balanced": billing.StatusPaid, "cancelled": billing.StatusVoid, "entered-in-error": billing.StatusVoid,
	}[v.Status]
	if !ok {
		return nil, faulty(r.typ+".status", "is missing, or none of FHIR R4's")
	}
	at, err := when(r.typ, "date", v.Date)
	if err != nil {
		return nil, err
	}
	var prices []price
	for i, l := range v.LineItem {
		for j, p := range l.PriceComponent {
			if p.Type == "base" {
				path := fmt.Sprintf("%s.lineItem[%d].priceComponent[%d].amount", r.typ, i, j)
				prices = append(prices, price{path, l.ChargeItemCodeableConcept, p.Amount})
			}
		}
	}
	total, totalPath := v.TotalGross, "totalGross"
	if total == nil {
		total, totalPath = v.TotalNet, "totalNet"
	}
	lines, unit, err := billLines(prices, join(r.typ, totalPath), total)
	if err != nil {
		return nil, err
	}
	d := bill(r.typ, "subject", v.Subject, at, status, lines, unit)
	d.clinics, d.paths["dueOn"], d.paths["lines"], d.paths["clinicId"] = v.Issuer.keys("Organization"), "date", "lineItem", "issuer"
	d.paths["currency"] = totalPath + ".currency"
	if len(v.Identifier) > 0 && v.Identifier[0].Value != "" && len(v.Identifier[0].Value) <= 64 {
		d.invoice.Number = &v.Identifier[0].Value
		d.paths["number"] = "identifier[0].value"
	}
	return d, nil
}
