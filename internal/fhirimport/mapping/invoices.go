package mapping

import (
	"fmt"
	"strconv"
	"time"

	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/meaning"
	"carewire/internal/fhirimport/money"
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
		return nil, &meaning.SkipError{Reason: "is a " + c.Use + ", not an invoice: nothing was charged"}
	default:
		return nil, fhir.NewError(r.Type+".use", "is not a code of FHIR R4; want one of claim, predetermination, preauthorization")
	}
	if c.BillablePeriod == nil {
		c.BillablePeriod = &fhir.Period{}
	}
	at, err := requireDate(r.Type, "created", c.Created, "billablePeriod.end", c.BillablePeriod.End, "billablePeriod.start", c.BillablePeriod.Start,
		"meta.lastUpdated", c.Meta.LastUpdated)
	if err != nil {
		return nil, err
	}
	status, err := meaning.DecideStatus(r.Type, "status", c.Status)
	if err != nil {
		return nil, err
	}
	prices := make([]money.Price, len(c.Item))
	for i, item := range c.Item {
		prices[i] = money.Price{Path: r.Type + ".item[" + strconv.Itoa(i) + "].net", Concept: item.ProductOrService, Amount: item.Net}
	}
	charged, err := money.SumUp(prices, r.Type+".total", c.Total)
	if err != nil {
		return nil, err
	}
	d := invoiceDraft(r.Type, "patient", c.Patient, at.Time, status.As, charged)
	d.setStatus(status, r.Type+".status")
	d.date(at, meta{}, nil)
	d.Clinics = d.Refer("provider", c.Provider, "Organization", "PractitionerRole")
	for _, item := range c.Item {
		for i := range item.Encounter {
			d.Encounter = append(d.Encounter, d.Refer("item.encounter", &item.Encounter[i], "Encounter")...)
		}
	}
	return d, nil
}

type claimItem struct {
	ProductOrService fhir.CodeableConcept `json:"productOrService"`
	Encounter        []fhir.Reference     `json:"encounter"`
	Net              *fhir.Money          `json:"net"`
}

func invoiceDraft(typ, patientPath string, patient *fhir.Reference, at ehr.Time, status string, charged money.Charges) *Draft {
	d := &Draft{
		Kind: "invoice",
		Invoice: &billing.Imported{Status: status, NewInvoice: billing.NewInvoice{
			Currency: charged.Currency, DueOn: at.Start().Add(paymentTerm).Format(time.DateOnly), Lines: charged.Lines,
		}},
		Paths: map[string]string{"dueOn": "created", "lines": map[string]string{"Claim": "item"}[typ], "currency": "total.currency", "patientId": patientPath, "clinicId": "provider"},
	}
	d.ReferPatient(patientPath, patient)
	for _, path := range charged.Rounded {
		d.Note(path, "has more digits than the currency's minor unit and was rounded")
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
	Recipient  *fhir.Reference   `json:"recipient"`
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
	if len(v.Recipient.Keys("Organization", "RelatedPerson")) > 0 && len(v.Recipient.Keys("Patient")) == 0 {
		return nil, &meaning.SkipError{Reason: "is addressed to somebody else than the patient (recipient), who would have to pay it"}
	}
	status, err := meaning.DecideStatus(r.Type, "status", v.Status)
	if err != nil {
		return nil, err
	}
	at, err := requireDate(r.Type, "date", v.Date, "meta.lastUpdated", v.Meta.LastUpdated)
	if err != nil {
		return nil, err
	}
	var prices []money.Price
	for i, l := range v.LineItem {
		for j, p := range l.PriceComponent {
			if p.Type == "base" {
				path := fmt.Sprintf("%s.lineItem[%d].priceComponent[%d].amount", r.Type, i, j)
				prices = append(prices, money.Price{Path: path, Concept: l.ChargeItemCodeableConcept, Amount: p.Amount})
			}
		}
	}
	total, totalPath := v.TotalGross, "totalGross"
	if total == nil {
		total, totalPath = v.TotalNet, "totalNet"
	}
	charged, err := money.SumUp(prices, fhir.JoinPath(r.Type, totalPath), total)
	if err != nil {
		return nil, err
	}
	d := invoiceDraft(r.Type, "subject", v.Subject, at.Time, status.As, charged)
	d.setStatus(status, r.Type+".status")
	d.date(at, meta{}, nil)
	d.Clinics, d.Paths["dueOn"], d.Paths["lines"], d.Paths["clinicId"] = d.Refer("issuer", v.Issuer, "Organization"), "date", "lineItem", "issuer"
	d.Paths["currency"] = totalPath + ".currency"
	if len(v.Identifier) > 0 && v.Identifier[0].Value != "" && len(v.Identifier[0].Value) <= 64 {
		d.Invoice.Number = &v.Identifier[0].Value
		d.Paths["number"] = "identifier[0].value"
	}
	return d, nil
}
