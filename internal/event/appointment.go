package event

import (
	"github.com/google/uuid"

	"carewire/internal/care"
)

// AppointmentReversal is the data of appointment.reversed: that of Appointment, with the reversed
// status.
type AppointmentReversal struct {
	AppointmentID uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID        uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID      uuid.UUID `json:"clinicId" doc:"The clinic."`
	DoctorID      uuid.UUID `json:"doctorId" doc:"The doctor."`
	Status        string    `json:"status" doc:"The restored status." example:"booked"`
	FromStatus    string    `json:"fromStatus" doc:"The reversed status: completed, cancelled or no_show." example:"no_show"`
	StartsAt      string    `json:"startsAt" format:"date-time" doc:"Start time: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
}

// AppointmentReassignment is the data of appointment.reassigned: that of Appointment, with the
// previous doctor.
type AppointmentReassignment struct {
	AppointmentID    uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID           uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID         uuid.UUID `json:"clinicId" doc:"The clinic."`
	DoctorID         uuid.UUID `json:"doctorId" doc:"The new doctor."`
	PreviousDoctorID uuid.UUID `json:"previousDoctorId" doc:"The previous doctor."`
	Status           string    `json:"status" doc:"The appointment's status. A confirmed appointment must be confirmed again." example:"booked"`
	StartsAt         string    `json:"startsAt" format:"date-time" doc:"Start time: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	Override         bool      `json:"override,omitempty" doc:"Whether the clinic deliberately chose a time outside the doctor's hours." example:"true"`
}

// AppointmentAttention is the data of appointment.needs_attention: that of Appointment, with the
// reason.
type AppointmentAttention struct {
	AppointmentID uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID        uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID      uuid.UUID `json:"clinicId" doc:"The clinic."`
	DoctorID      uuid.UUID `json:"doctorId" doc:"The doctor."`
	Status        string    `json:"status" doc:"The appointment's status." example:"booked"`
	StartsAt      string    `json:"startsAt" format:"date-time" doc:"Start time: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	Reason        string    `json:"reason" doc:"doctor_left, doctor_disabled, doctor_deceased, patient_left, patient_disabled or patient_deceased." example:"doctor_left"`
}

// DoctorAbsence is the data of doctor.absence_added and doctor.absence_removed; times are RFC 3339
// in UTC. UserID is the doctor. If the whole clinic is closed, UserID is the person who entered or
// removed that, and DoctorID is omitted.
type DoctorAbsence struct {
	AbsenceID uuid.UUID  `json:"absenceId" doc:"The absence."`
	UserID    uuid.UUID  `json:"userId" doc:"The doctor; if the whole clinic is closed, the person who entered or removed that."`
	ClinicID  uuid.UUID  `json:"clinicId" doc:"The clinic."`
	DoctorID  *uuid.UUID `json:"doctorId,omitempty" doc:"The doctor; omitted if the whole clinic is closed."`
	Kind      string     `json:"kind" doc:"leave, closed or opening (hours on one day only)." example:"leave"`
	StartsAt  string     `json:"startsAt" format:"date-time" doc:"Start time: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	EndsAt    string     `json:"endsAt" format:"date-time" doc:"End time: RFC 3339, in UTC." example:"2026-03-20T17:00:00Z"`
}

// VisitType is the data of visit_type.created and visit_type.updated.
type VisitType struct {
	VisitTypeID uuid.UUID `json:"visitTypeId" doc:"The visit type."`
	ClinicID    uuid.UUID `json:"clinicId" doc:"The clinic that offers it."`
	Version     int64     `json:"version" doc:"The version that was written; 1 is the first." example:"1"`
}

func (AppointmentReversal) readAction() care.Action     { return care.AppointmentRead }
func (AppointmentReassignment) readAction() care.Action { return care.AppointmentRead }
func (AppointmentAttention) readAction() care.Action    { return care.AppointmentRead }
func (VisitType) readAction() care.Action               { return noSubject }
func (DoctorAbsence) readAction() care.Action           { return care.AbsenceRead }

// NeedsAttention returns the appointment.needs_attention event of an appointment. It does not
// change the appointment and therefore has no version.
func NeedsAttention(cmd care.Command, data AppointmentAttention) Event {
	return New(cmd, "appointment.needs_attention", care.Ref{Kind: "appointment", ID: data.AppointmentID}, data).About(cmd, data.UserID, &data.ClinicID)
}
