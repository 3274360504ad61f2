package meaning

import (
	"slices"
	"strings"

	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/fhirimport/fhir"
)

// StatusDecision is what becomes of a resource with a status.
type StatusDecision struct {
	// As is the status of the record.
	As string
	// Skip is the reason why the resource is skipped.
	Skip string
	// UnlessKnown makes Skip apply only to a resource that was not imported before. One that was is
	// updated to the status As.
	UnlessKnown bool
	// Note is the reason why the resource is imported partly.
	Note string
}

const (
	// Retracted is the status of a record that was entered in error.
	Retracted       = "entered-in-error"
	enteredInError  = "was entered in error"
	neverTookPlace  = "was cancelled: there is no result"
	unknownToSource = "the source does not know the status"
)

// keep returns the decisions that keep the codes.
func keep(codes ...string) map[string]StatusDecision {
	all := map[string]StatusDecision{}
	for _, code := range codes {
		all[code] = StatusDecision{As: code}
	}
	return all
}

// with returns the decisions with another one for a code.
func with(all map[string]StatusDecision, code string, d StatusDecision) map[string]StatusDecision {
	all[code] = d
	return all
}

// withRetracted returns the decisions with entered-in-error: a record that was imported before is
// retracted, another one is skipped.
func withRetracted(all map[string]StatusDecision, as string) map[string]StatusDecision {
	return with(all, Retracted, StatusDecision{As: as, Skip: enteredInError, UnlessKnown: true})
}

// statuses has a decision for each code of FHIR R4's value set for the status of each mapped type.
// Every other code is refused.
var statuses = map[string]map[string]StatusDecision{
	// encounter-status
	"Encounter": withRetracted(map[string]StatusDecision{
		"planned": {As: string(appointment.Booked)}, "arrived": {As: string(appointment.CheckedIn)}, "triaged": {As: string(appointment.CheckedIn)},
		"in-progress": {As: string(appointment.CheckedIn)}, "onleave": {As: string(appointment.CheckedIn)}, "finished": {As: string(appointment.Completed)},
		"cancelled": {As: string(appointment.Cancelled)}, "unknown": {As: string(appointment.Completed), Note: unknownToSource + "; imported as completed"},
	}, string(appointment.Cancelled)),
	// appointmentstatus
	"Appointment": withRetracted(map[string]StatusDecision{
		"proposed": {As: string(appointment.Requested)}, "pending": {As: string(appointment.Requested)}, "waitlist": {As: string(appointment.Requested)},
		"booked": {As: string(appointment.Booked)}, "arrived": {As: string(appointment.CheckedIn)}, "checked-in": {As: string(appointment.CheckedIn)},
		"fulfilled": {As: string(appointment.Completed)}, "cancelled": {As: string(appointment.Cancelled)}, "noshow": {As: string(appointment.NoShow)},
	}, string(appointment.Cancelled)),
	// diagnostic-report-status
	"DiagnosticReport": withRetracted(keep("registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled", "unknown"), Retracted),
	// observation-status
	"Observation": with(with(withRetracted(keep("preliminary", "final", "amended", "corrected", "unknown"), Retracted),
		"cancelled", StatusDecision{As: "cancelled", Skip: neverTookPlace, UnlessKnown: true}),
		"registered", StatusDecision{As: "registered", Skip: "has no result yet", UnlessKnown: true}),
	// medicationrequest-status
	"MedicationRequest": withRetracted(keep("active", "on-hold", "cancelled", "completed", "stopped", "draft", "unknown"), Retracted),
	// medication-statement-status
	"MedicationStatement": with(with(withRetracted(keep("active", "completed", "stopped", "on-hold", "unknown"), Retracted),
		"not-taken", StatusDecision{As: Retracted, Skip: "the patient does not take it", UnlessKnown: true}),
		"intended", StatusDecision{As: Retracted, Skip: "the patient does not take it yet", UnlessKnown: true}),
	// immunization-status
	"Immunization": withRetracted(keep("completed", "not-done"), Retracted),
	// event-status
	"Procedure": withRetracted(keep("preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "unknown"), Retracted),
	// imagingstudy-status
	"ImagingStudy": withRetracted(map[string]StatusDecision{
		"registered": {As: "registered"}, "available": {As: "final"}, "cancelled": {As: "cancelled"}, "unknown": {As: "unknown"},
	}, Retracted),
	// fm-status
	"Claim": withRetracted(map[string]StatusDecision{
		"active": {As: billing.StatusDraft}, "draft": {As: billing.StatusDraft}, "cancelled": {As: billing.StatusVoid},
	}, billing.StatusVoid),
	// invoice-status
	"Invoice": withRetracted(map[string]StatusDecision{
		"draft": {As: billing.StatusDraft}, "issued": {As: billing.StatusIssued}, "balanced": {As: billing.StatusPaid}, "cancelled": {As: billing.StatusVoid},
	}, billing.StatusVoid),
	// event-status; a message that was read cannot be withdrawn.
	"Communication": {
		"completed": {As: "completed"}, "in-progress": {As: "in-progress"}, "unknown": {As: "unknown"},
		"preparation": {Skip: "was not sent"}, "not-done": {Skip: "was not sent"}, "on-hold": {Skip: "was not sent"}, "stopped": {Skip: "was not sent"},
		Retracted: {Skip: enteredInError},
	},
	// medication-status
	"Medication": {"active": {As: "active"}, "inactive": {As: "inactive"}, Retracted: {Skip: enteredInError}},
	// allergyintolerance-clinical
	"AllergyIntolerance": withRetracted(keep("active", "inactive", "resolved", "unknown"), Retracted),
	// condition-clinical
	"Condition": withRetracted(keep("active", "recurrence", "relapse", "inactive", "remission", "resolved", "unknown"), Retracted),
}

// DecideStatus returns the decision for the status. path is the path of its element. The error is a
// SkipError for a status that is never imported, and a fhir.Error for an unknown one.
func DecideStatus(typ, path, code string) (StatusDecision, error) {
	table := statuses[typ]
	d, ok := table[code]
	switch {
	case code == "":
		return d, fhir.NewError(typ+"."+path, "is missing; want one of "+codesOf(table))
	case !ok:
		return d, fhir.NewError(typ+"."+path, "is not a code of FHIR R4; want one of "+codesOf(table))
	case d.As == "":
		return d, &SkipError{d.Skip}
	}
	return d, nil
}

// StatusCodes returns the codes of the status of a type, as text.
func StatusCodes(typ string) string { return codesOf(statuses[typ]) }

func codesOf(table map[string]StatusDecision) string {
	codes := make([]string, 0, len(table))
	for code := range table {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return strings.Join(codes, ", ")
}

// excluded are the statuses of an observation that is no result of a report, with the reason.
var excluded = map[string]string{
	Retracted: enteredInError, "cancelled": neverTookPlace, "registered": "has no result yet", "unknown": unknownToSource,
}

// Excluded returns the reason why an observation with the status is no result of a report, or "".
func Excluded(status string) string { return excluded[status] }

// SkipError is the reason why a valid resource is not imported.
type SkipError struct{ Reason string }

func (s *SkipError) Error() string { return s.Reason }
