package mapping

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
)

// paymentTerm is the time to pay an invoice without a due day.
const paymentTerm = 30 * 24 * time.Hour

type claim struct {
	Meta           meta            `json:"meta"`
	Status         string          `json:"status"`
	Use            string          `json:"use"`
	Patient        *fhir.Reference `json:"patient"`
	Provider       *fhir.Reference `json:"provider"`
	Created        string          `json:"created"`
	BillablePeriod *fhir.Period    `json:"billablePeriod"`
	CareTeam       []struct{}      `json:"careTeam"`
	Item           []claimItem     `json:"item"`
	Total          *fhir.Money     `json:"total"`
}

func readClaim(_ *Options, r *fhir.Resource) (*Draft, error) {
	var c claim
	if err := fhir.Decode(r.Type, r.Raw, &c); err != nil {
		return nil, err
	}
	switch c.Use {
	case "", "claim":
	case "predetermination", "preauthorization":
		return nil, &SkipError{"is a " + c.Use + ", not an invoice: nothing was charged"}
	default:
		return nil, fhir.NewError(r.Type+".use", "is not a code of FHIR R4; want one of claim, predetermination, preauthorization")
	}
	if c.BillablePeriod == nil {
		c.BillablePeriod = &fhir.Period{}
	}
	at, err := requireDate(r.Type, 1, "created", c.Created, "billablePeriod.end", c.BillablePeriod.End, "billablePeriod.start", c.BillablePeriod.Start,
		"meta.lastUpdated", c.Meta.LastUpdated)
	if err != nil {
		return nil, err
	}
	status, err := decideStatus(r.Type, "status", c.Status)
	if err != nil {
		return nil, err
	}
	prices := make([]price, len(c.Item))
	for i, item := range c.Item {
		prices[i] = price{r.Type + ".item[" + strconv.Itoa(i) + "].net", item.ProductOrService, item.Net}
	}
	lines, unit, err := invoiceLines(prices, r.Type+".total", c.Total)
	if err != nil {
		return nil, err
	}
	d := invoiceDraft(r.Type, "patient", c.Patient, at.Time, status.as, lines, unit)
	status.apply(d, r.Type+".status")
	d.date(at, meta{}, nil)
	d.Clinics = c.Provider.Keys("Organization", "PractitionerRole")
	for _, item := range c.Item {
		for i := range item.Encounter {
			d.Encounter = append(d.Encounter, item.Encounter[i].Keys("Encounter")...)
		}
	}
	return d, nil
}

type claimItem struct {
	ProductOrService fhir.CodeableConcept `json:"productOrService"`
	Encounter        []fhir.Reference     `json:"encounter"`
	Net              *fhir.Money          `json:"net"`
}

// price is the price of one item, nil if there is none, and its path.
type price struct {
	path    string
	concept fhir.CodeableConcept
	amount  *fhir.Money
}

// invoiceLines returns a line for each item with a price if they add up to the total, else one line
// with the total.
func invoiceLines(prices []price, totalPath string, total *fhir.Money) ([]billing.Line, string, error) {
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
		lines = append(lines, billing.Line{Description: p.concept.Label(), Quantity: 1, UnitMinor: minor})
		sum, unit = sum+minor, p.amount.Currency
	}
	if total == nil {
		if len(lines) == 0 {
			return nil, "", fhir.NewError(totalPath, "is missing, and no item has a price")
		}
		return lines, unit, nil
	}
	all, err := minorUnits(total, totalPath)
	if err != nil || (sum == all && unit == total.Currency) {
		return lines, total.Currency, err
	}
	description := "Service"
	if len(prices) > 0 {
		description = prices[0].concept.Label()
	}
	return []billing.Line{{Description: description, Quantity: 1, UnitMinor: all}}, total.Currency, nil
}

// minorUnits returns the amount in minor units of its currency, rounded.
func minorUnits(m *fhir.Money, path string) (int64, error) {
	value, err := strconv.ParseFloat(string(m.Value), 64)
	digits, known := billing.MinorDigits(m.Currency)
	if err != nil || value < 0 || value > 1e12 {
		return 0, fhir.NewError(path+".value", "must be an amount of 0 or more")
	}
	if !known {
		return 0, fhir.NewError(path+".currency", "must be an ISO 4217 code of a currency in use")
	}
	return int64(math.Round(value * math.Pow10(digits))), nil
}

func invoiceDraft(typ, patientPath string, patient *fhir.Reference, at ehr.Time, status string, lines []billing.Line, unit string) *Draft {
	d := &Draft{
		Kind: "invoice", Patient: patient.Keys("Patient"), PatientPath: patientPath,
		Invoice: &billing.Imported{Status: status, NewInvoice: billing.NewInvoice{
			Currency: unit, DueOn: at.Start().Add(paymentTerm).Format(time.DateOnly), Lines: lines,
		}},
		Paths: map[string]string{"dueOn": "created", "lines": map[string]string{"Claim": "item"}[typ], "currency": "total.currency", "patientId": patientPath, "clinicId": "provider"},
	}
	d.SetDay(&d.Invoice.IssuedAt, fhir.JoinPath(typ, d.Paths["dueOn"]), at)
	return d
}

type invoice struct {
	Meta       meta              `json:"meta"`
	Identifier []fhir.Identifier `json:"identifier"`
	Status     string            `json:"status"`
	Subject    *fhir.Reference   `json:"subject"`
	Date       string            `json:"date"`
	Issuer     *fhir.Reference   `json:"issuer"`
	LineItem   []struct {
		ChargeItemCodeableConcept fhir.CodeableConcept `json:"chargeItemCodeableConcept"`
		PriceComponent            []struct {
			Type   string      `json:"type"`
			Amount *fhir.Money `json:"amount"`
		} `json:"priceComponent"`
	} `json:"lineItem"`
	TotalGross *fhir.Money `json:"totalGross"`
	TotalNet   *fhir.Money `json:"totalNet"`
}

func readInvoice(_ *Options, r *fhir.Resource) (*Draft, error) {
	var v invoice
	if err := fhir.Decode(r.Type, r.Raw, &v); err != nil {
		return nil, err
	}
	status, err := decideStatus(r.Type, "status", v.Status)
	if err != nil {
		return nil, err
	}
	at, err := requireDate(r.Type, 1, "date", v.Date, "meta.lastUpdated", v.Meta.LastUpdated)
	if err != nil {
		return nil, err
	}
	var prices []price
	for i, l := range v.LineItem {
		for j, p := range l.PriceComponent {
			if p.Type == "base" {
				path := fmt.Sprintf("%s.lineItem[%d].priceComponent[%d].amount", r.Type, i, j)
				prices = append(prices, price{path, l.ChargeItemCodeableConcept, p.Amount})
			}
		}
	}
	total, totalPath := v.TotalGross, "totalGross"
	if total == nil {
		total, totalPath = v.TotalNet, "totalNet"
	}
	lines, unit, err := invoiceLines(prices, fhir.JoinPath(r.Type, totalPath), total)
	if err != nil {
		return nil, err
	}
	d := invoiceDraft(r.Type, "subject", v.Subject, at.Time, status.as, lines, unit)
	status.apply(d, r.Type+".status")
	d.date(at, meta{}, nil)
	d.Clinics, d.Paths["dueOn"], d.Paths["lines"], d.Paths["clinicId"] = v.Issuer.Keys("Organization"), "date", "lineItem", "issuer"
	d.Paths["currency"] = totalPath + ".currency"
	if len(v.Identifier) > 0 && v.Identifier[0].Value != "" && len(v.Identifier[0].Value) <= 64 {
		d.Invoice.Number = &v.Identifier[0].Value
		d.Paths["number"] = "identifier[0].value"
	}
	return d, nil
}
