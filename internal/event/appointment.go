package event

import (
	"github.com/google/uuid"

	"carewire/internal/care"
)

// AppointmentReversal is the data of appointment.reversed: what Appointment has, with the status that was taken back.
type AppointmentReversal struct {
	AppointmentID uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID        uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID      uuid.UUID `json:"clinicId" doc:"Where."`
	DoctorID      uuid.UUID `json:"doctorId" doc:"By whom."`
	Status        string    `json:"status" doc:"The status that it has again." example:"booked"`
	FromStatus    string    `json:"fromStatus" doc:"The status that was taken back: completed, cancelled or no_show." example:"no_show"`
	StartsAt      string    `json:"startsAt" doc:"When it starts: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
}

// AppointmentReassignment is the data of appointment.reassigned: what Appointment has, with the doctor before.
type AppointmentReassignment struct {
	AppointmentID    uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID           uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID         uuid.UUID `json:"clinicId" doc:"Where."`
	DoctorID         uuid.UUID `json:"doctorId" doc:"By whom from now on."`
	PreviousDoctorID uuid.UUID `json:"previousDoctorId" doc:"By whom it was to be."`
	Status           string    `json:"status" doc:"How far it is. One that was confirmed is to be confirmed again." example:"booked"`
	StartsAt         string    `json:"startsAt" doc:"When it starts: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	Override         bool      `json:"override,omitempty" doc:"The clinic set it to a time outside the doctor's hours on purpose." example:"true"`
}

// AppointmentAttention is the data of appointment.needs_attention: what Appointment has, with the reason.
type AppointmentAttention struct {
	AppointmentID uuid.UUID `json:"appointmentId" doc:"The appointment."`
	UserID        uuid.UUID `json:"userId" doc:"The patient."`
	ClinicID      uuid.UUID `json:"clinicId" doc:"Where."`
	DoctorID      uuid.UUID `json:"doctorId" doc:"By whom."`
	Status        string    `json:"status" doc:"How far it is." example:"booked"`
	StartsAt      string    `json:"startsAt" doc:"When it starts: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	Reason        string    `json:"reason" doc:"doctor_left, doctor_disabled, doctor_deceased, patient_left, patient_disabled or patient_deceased." example:"doctor_left"`
}

// DoctorAbsence is the data of doctor.absence_added and doctor.absence_removed; times are RFC 3339 in UTC. UserID is the
// doctor, and where the whole clinic is closed whoever said so; DoctorID is left out then.
type DoctorAbsence struct {
	AbsenceID uuid.UUID  `json:"absenceId" doc:"The absence."`
	UserID    uuid.UUID  `json:"userId" doc:"The doctor; where the whole clinic is closed, whoever entered or removed that."`
	ClinicID  uuid.UUID  `json:"clinicId" doc:"Where."`
	DoctorID  *uuid.UUID `json:"doctorId,omitempty" doc:"The doctor; left out where the whole clinic is closed."`
	Kind      string     `json:"kind" doc:"leave, closed or opening, which are hours on one day only." example:"leave"`
	StartsAt  string     `json:"startsAt" doc:"When it starts: RFC 3339, in UTC." example:"2026-03-16T09:00:00Z"`
	EndsAt    string     `json:"endsAt" doc:"When it ends: RFC 3339, in UTC." example:"2026-03-20T17:00:00Z"`
}

// VisitType is the data of visit_type.created and visit_type.updated.
type VisitType struct {
	VisitTypeID uuid.UUID `json:"visitTypeId" doc:"The visit type."`
	ClinicID    uuid.UUID `json:"clinicId" doc:"The clinic that offers it."`
	Version     int64     `json:"version" doc:"The version that was written; 1 is the first." example:"1"`
}

func (AppointmentReversal) payload()     {}
func (AppointmentReassignment) payload() {}
func (AppointmentAttention) payload()    {}
func (VisitType) payload()               {}
func (DoctorAbsence) payload()           {}

// NeedsAttention returns the appointment.needs_attention of one appointment. It changes nothing of the appointment and so has
// no version.
func NeedsAttention(cmd care.Command, data AppointmentAttention) Event {
	return New(cmd, "appointment.needs_attention", care.Ref{Kind: "appointment", ID: data.AppointmentID}, data).About(cmd, data.UserID, &data.ClinicID)
}
