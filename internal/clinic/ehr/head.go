package ehr

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// Head is the common part of all kinds of records.
type Head struct {
	PatientID   uuid.UUID  `json:"patientId" format:"uuid" doc:"The patient: an active patient of the clinic."`
	ClinicID    uuid.UUID  `json:"clinicId" format:"uuid" doc:"The clinic that keeps the record."`
	DoctorID    *uuid.UUID `json:"doctorId,omitempty" format:"uuid" doc:"The responsible doctor: an active doctor of the clinic. If omitted, it is the caller if they are a doctor; in an update it is unchanged."`
	Status      string     `json:"status" minLength:"1" maxLength:"40" doc:"The status: one of the codes of FHIR R4 for this kind." example:"final"`
	Code        Coding     `json:"code" doc:"The subject matter: the LOINC code of a report, the RxNorm code of a medicine."`
	EffectiveAt Time       `json:"effectiveAt" doc:"The time at which it applied to the patient; for a prescription, the time at which it was written. A year, a month or a day if no more is known: it is that date in the clinic's time zone, and the record is listed and filtered at its start." example:"2026-03-14T09:30:00Z"`
}

// Coding is a code in a code system, with its display text.
type Coding struct {
	System  string `json:"system" text:"line" minLength:"1" maxLength:"200" doc:"The URI of the code system." example:"http://loinc.org"`
	Code    string `json:"code" text:"line" minLength:"1" maxLength:"100" example:"2823-3"`
	Display string `json:"display,omitempty" text:"line" maxLength:"500" example:"Potassium [Moles/volume] in Serum or Plasma"`
}

// earliest is before the birth of any living person. latest allows for planned records and for
// inaccurate clocks.
var earliest = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

func latest() time.Time { return time.Now().AddDate(1, 0, 0) }

// clockAllowance is how far in the future the time of a past event may be: clocks differ, and a
// date may be in another time zone.
const clockAllowance = 24 * time.Hour

// head implements Body.
func (h *Head) head() *Head { return h }

// check checks the common part against the specification of the kind.
func (h *Head) check(errs *care.FieldErrors, s Spec) {
	statuses := s.Statuses()
	if h.PatientID == uuid.Nil {
		errs.Add("patientId", "must name the patient")
	}
	if h.ClinicID == uuid.Nil {
		errs.Add("clinicId", "must name the clinic")
	}
	if !slices.Contains(statuses, h.Status) {
		errs.Add("status", "must be one of %s", strings.Join(statuses, ", "))
	}
	h.Code.check(errs, "code")
	switch at := h.EffectiveAt; {
	case at.fault != nil:
		errs.Add("effectiveAt", "%s", at.fault.Error())
	case at.start.Before(earliest) || at.start.After(latest()):
		errs.Add("effectiveAt", "must be from %s to a year from now", earliest.Format(time.RFC3339))
	}
}
