package fhirimport

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"carewire/internal/clinic/billing"
)

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
		minor, err := minorUnits(p.amount, p.path)
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
	all, err := minorUnits(total, totalPath)
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
func minorUnits(m *money, path string) (int64, error) {
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
