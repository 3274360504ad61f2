package ehr

import (
	"time"

	"carewire/internal/care"
)

// Immunization is a vaccination, or the fact that one was not given: FHIR R4's Immunization. Code
// is the vaccine, EffectiveAt is the occurrence.
type Immunization struct {
	Head
	StatusReason     *Coding   `json:"statusReason,omitempty" doc:"The reason that it was not given."`
	Manufacturer     string    `json:"manufacturer,omitempty" text:"line" maxLength:"200"`
	LotNumber        string    `json:"lotNumber,omitempty" text:"line" maxLength:"100"`
	ExpirationDate   string    `json:"expirationDate,omitempty" format:"date" doc:"The expiration date of the vaccine."`
	Site             *Coding   `json:"site,omitempty" doc:"The body site: v3 ActSite, or SNOMED CT."`
	Route            *Coding   `json:"route,omitempty" doc:"The route of administration: v3 RouteOfAdministration, or SNOMED CT."`
	DoseQuantity     *Quantity `json:"doseQuantity,omitempty"`
	DoseNumber       *int      `json:"doseNumber,omitempty" minimum:"1" maximum:"100" doc:"The number of the dose in the series."`
	SeriesDoses      *int      `json:"seriesDoses,omitempty" minimum:"1" maximum:"100" doc:"The number of doses in the series."`
	PrimarySource    *bool     `json:"primarySource,omitempty" doc:"Whether the author administered it; false if the source is the patient or an old record."`
	Subpotent        bool      `json:"subpotent,omitempty" doc:"Whether the dose was not potent, because of its amount or its storage: it does not count as a vaccination."`
	SubpotentReasons []Coding  `json:"subpotentReasons,omitempty" maxItems:"100" doc:"The reasons that it was not potent."`
	Note             string    `json:"note,omitempty" maxLength:"10000"`
}

// Kind implements Body.
func (*Immunization) Kind() Spec {
	return Spec{
		Name: "immunization", Path: "immunizations",
		// FHIR R4's value set immunization-status. A vaccination that follows a not-done one is
		// another record.
		Transitions: Transitions{{"completed", nil}, {"not-done", nil}},
		Example: `{"status": "completed", "code": {"system": "http://hl7.org/fhir/sid/cvx", "code": "140", "display": "Influenza, seasonal, injectable, preservative free"},
			"effectiveAt": "2026-03-14T09:30:00Z", "lotNumber": "AAJN11K", "expirationDate": "2026-12-31", "doseQuantity": {"value": 0.5, "unit": "mL"},
			"route": {"system": "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration", "code": "IM", "display": "Injection, intramuscular"},
			"site": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActSite", "code": "LA", "display": "left arm"}, "primarySource": true}`,
	}
}

// Validate implements Body.
func (r *Immunization) Validate() error {
	var errs care.FieldErrors
	r.check(&errs, r.Kind())
	checkCode(&errs, "statusReason", r.StatusReason)
	errs.Line("manufacturer", r.Manufacturer, 0, 200)
	errs.Line("lotNumber", r.LotNumber, 0, 100)
	if r.ExpirationDate != "" {
		if _, err := time.Parse(time.DateOnly, r.ExpirationDate); err != nil {
			errs.Add("expirationDate", "must be a date, such as 2026-12-31")
		}
	}
	checkCode(&errs, "site", r.Site)
	checkCode(&errs, "route", r.Route)
	checkQuantity(&errs, "doseQuantity", r.DoseQuantity)
	eachCode(&errs, "subpotentReasons", r.SubpotentReasons)
	for field, n := range map[string]*int{"doseNumber": r.DoseNumber, "seriesDoses": r.SeriesDoses} {
		if n != nil && (*n < 1 || *n > 100) {
			errs.Add(field, "must be 1 to 100")
		}
	}
	errs.Text("note", r.Note, 0, noteLength)
	return errs.Err()
}
