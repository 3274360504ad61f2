package mapping

import (
	"slices"
	"strings"

	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/fhirimport/fhir"
)

// statusDecision is what becomes of a resource with a status.
type statusDecision struct {
	// as is the status of the record.
	as string
	// skip is the reason why the resource is skipped.
	skip string
	// unlessKnown makes skip apply only to a resource that was not imported before. One that was is
	// updated to the status as.
	unlessKnown bool
	// note is the reason why the resource is imported partly.
	note string
}

const (
	retracted       = "entered-in-error"
	enteredInError  = "was entered in error"
	neverTookPlace  = "was cancelled: there is no result"
	unknownToSource = "the source does not know the status"
)

// keep returns the decisions that keep the codes.
func keep(codes ...string) map[string]statusDecision {
	all := map[string]statusDecision{}
	for _, code := range codes {
		all[code] = statusDecision{as: code}
	}
	return all
}

// with returns the decisions with another one for a code.
func with(all map[string]statusDecision, code string, d statusDecision) map[string]statusDecision {
	all[code] = d
	return all
}

// withRetracted returns the decisions with entered-in-error: a record that was imported before is
// retracted, another one is skipped.
func withRetracted(all map[string]statusDecision, as string) map[string]statusDecision {
	return with(all, retracted, statusDecision{as: as, skip: enteredInError, unlessKnown: true})
}

// statuses has a decision for each code of FHIR R4's value set for the status of each mapped type.
// Every other code is refused.
var statuses = map[string]map[string]statusDecision{
	// encounter-status
	"Encounter": withRetracted(map[string]statusDecision{
		"planned": {as: string(appointment.Booked)}, "arrived": {as: string(appointment.CheckedIn)}, "triaged": {as: string(appointment.CheckedIn)},
		"in-progress": {as: string(appointment.CheckedIn)}, "onleave": {as: string(appointment.CheckedIn)}, "finished": {as: string(appointment.Completed)},
		"cancelled": {as: string(appointment.Cancelled)}, "unknown": {as: string(appointment.Completed), note: unknownToSource + "; imported as completed"},
	}, string(appointment.Cancelled)),
	// appointmentstatus
	"Appointment": withRetracted(map[string]statusDecision{
		"proposed": {as: string(appointment.Requested)}, "pending": {as: string(appointment.Requested)}, "waitlist": {as: string(appointment.Requested)},
		"booked": {as: string(appointment.Booked)}, "arrived": {as: string(appointment.CheckedIn)}, "checked-in": {as: string(appointment.CheckedIn)},
		"fulfilled": {as: string(appointment.Completed)}, "cancelled": {as: string(appointment.Cancelled)}, "noshow": {as: string(appointment.NoShow)},
	}, string(appointment.Cancelled)),
	// diagnostic-report-status
	"DiagnosticReport": withRetracted(keep("registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled", "unknown"), retracted),
	// observation-status
	"Observation": with(with(withRetracted(keep("preliminary", "final", "amended", "corrected", "unknown"), retracted),
		"cancelled", statusDecision{as: "cancelled", skip: neverTookPlace, unlessKnown: true}),
		"registered", statusDecision{as: "registered", skip: "has no result yet", unlessKnown: true}),
	// medicationrequest-status
	"MedicationRequest": withRetracted(keep("active", "on-hold", "cancelled", "completed", "stopped", "draft", "unknown"), retracted),
	// medication-statement-status
	"MedicationStatement": with(with(withRetracted(keep("active", "completed", "stopped", "on-hold", "unknown"), retracted),
		"not-taken", statusDecision{as: retracted, skip: "the patient does not take it", unlessKnown: true}),
		"intended", statusDecision{as: retracted, skip: "the patient does not take it yet", unlessKnown: true}),
	// immunization-status
	"Immunization": withRetracted(keep("completed", "not-done"), retracted),
	// event-status
	"Procedure": withRetracted(keep("preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "unknown"), retracted),
	// imagingstudy-status
	"ImagingStudy": withRetracted(map[string]statusDecision{
		"registered": {as: "registered"}, "available": {as: "final"}, "cancelled": {as: "cancelled"}, "unknown": {as: "unknown"},
	}, retracted),
	// fm-status
	"Claim": withRetracted(map[string]statusDecision{
		"active": {as: billing.StatusDraft}, "draft": {as: billing.StatusDraft}, "cancelled": {as: billing.StatusVoid},
	}, billing.StatusVoid),
	// invoice-status
	"Invoice": withRetracted(map[string]statusDecision{
		"draft": {as: billing.StatusDraft}, "issued": {as: billing.StatusIssued}, "balanced": {as: billing.StatusPaid}, "cancelled": {as: billing.StatusVoid},
	}, billing.StatusVoid),
	// event-status; a message that was read cannot be withdrawn.
	"Communication": {
		"completed": {as: "completed"}, "in-progress": {as: "in-progress"}, "unknown": {as: "unknown"},
		"preparation": {skip: "was not sent"}, "not-done": {skip: "was not sent"}, "on-hold": {skip: "was not sent"}, "stopped": {skip: "was not sent"},
		retracted: {skip: enteredInError},
	},
	// medication-status
	"Medication": {"active": {as: "active"}, "inactive": {as: "inactive"}, retracted: {skip: enteredInError}},
	// allergyintolerance-clinical
	"AllergyIntolerance": withRetracted(keep("active", "inactive", "resolved", "unknown"), retracted),
	// condition-clinical
	"Condition": withRetracted(keep("active", "recurrence", "relapse", "inactive", "remission", "resolved", "unknown"), retracted),
}

// decideStatus returns the decision for the status. path is the path of its element. The error is a
// SkipError for a status that is never imported, and a fhir.Error for an unknown one.
func decideStatus(typ, path, code string) (statusDecision, error) {
	table := statuses[typ]
	d, ok := table[code]
	switch {
	case code == "":
		return d, fhir.NewError(typ+"."+path, "is missing; want one of "+codesOf(table))
	case !ok:
		return d, fhir.NewError(typ+"."+path, "is not a code of FHIR R4; want one of "+codesOf(table))
	case d.as == "":
		return d, &SkipError{d.skip}
	}
	return d, nil
}

// apply records the decision in the draft.
func (s statusDecision) apply(d *Draft, path string) {
	if s.unlessKnown {
		d.SkipUnlessKnown = s.skip
	}
	if s.note != "" {
		d.Note(path, s.note)
	}
}

func codesOf(table map[string]statusDecision) string {
	codes := make([]string, 0, len(table))
	for code := range table {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return strings.Join(codes, ", ")
}

// excluded are the statuses of an observation that is no result of a report, with the reason.
var excluded = map[string]string{
	retracted: enteredInError, "cancelled": neverTookPlace, "registered": "has no result yet", "unknown": unknownToSource,
}
