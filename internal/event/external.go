package event

import (
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
)

// external has every type that other systems may append; it is part of the Catalog. A new one is a
// struct and a line here.
//
// Events from outside are strict: unknown fields are refused, and the tag of a text must declare
// its values (enum) or that it is a time (format:"date-time"), so that it cannot contain protected
// health information. Each type has clinicId, which must be the service account's clinic, and
// userId. The people in userId and in doctorId, if present, must belong to that clinic.
var external = []Declaration{
	{"device.reading_received", CategoryClinical, Reading{}, true, clinicians, true, "A medical device sent a reading."},
	{"device.connection_lost", CategorySystem, DeviceConnection{}, true, clinicians, true, "A patient's medical device stopped responding."},
	{"lab.order_received", CategoryClinical, LabOrder{}, true, clinicians, true, "A laboratory received an order."},
	{"pharmacy.prescription_dispensed", CategoryClinical, Dispense{}, true, clinicians, true, "A pharmacy dispensed a prescription."},
}

// External reports whether other systems may append the type.
func (d *Declaration) External() bool {
	return slices.ContainsFunc(external, func(e Declaration) bool { return e.Type == d.Type })
}

// ExternalTypes returns the types that other systems may append, in the catalog's order.
func ExternalTypes() []string {
	types := make([]string, len(external))
	for i := range external {
		types[i] = external[i].Type
	}
	return types
}

// Reading is the data of device.reading_received. The measurement remains in the device's system,
// under ReadingID.
type Reading struct {
	ReadingID  uuid.UUID `json:"readingId" format:"uuid" doc:"The reading, in the device's system."`
	DeviceID   uuid.UUID `json:"deviceId" format:"uuid" doc:"The medical device."`
	UserID     uuid.UUID `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID   uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	Urgency    string    `json:"urgency" enum:"routine,urgent,emergency" doc:"How soon the reading must be reviewed." example:"routine"`
	MeasuredAt string    `json:"measuredAt" format:"date-time" doc:"Time of the measurement." example:"2026-03-14T09:30:00Z"`
}

// DeviceConnection is the data of device.connection_lost.
type DeviceConnection struct {
	DeviceID   uuid.UUID `json:"deviceId" format:"uuid" doc:"The medical device."`
	UserID     uuid.UUID `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID   uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	LastSeenAt string    `json:"lastSeenAt" format:"date-time" doc:"Time of the device's last response." example:"2026-03-14T09:30:00Z"`
}

// LabOrder is the data of lab.order_received. DoctorID is the ordering doctor.
type LabOrder struct {
	OrderID    uuid.UUID  `json:"orderId" format:"uuid" doc:"The order, in the laboratory's system."`
	UserID     uuid.UUID  `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID   uuid.UUID  `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	DoctorID   *uuid.UUID `json:"doctorId,omitempty" format:"uuid" doc:"The doctor who ordered."`
	Status     string     `json:"status" enum:"accepted,rejected" doc:"The order's status." example:"accepted"`
	ReceivedAt string     `json:"receivedAt" format:"date-time" doc:"Time at which the order was received." example:"2026-03-14T09:30:00Z"`
}

// Dispense is the data of pharmacy.prescription_dispensed.
type Dispense struct {
	DispenseID     uuid.UUID `json:"dispenseId" format:"uuid" doc:"The dispense, in the pharmacy's system."`
	PrescriptionID uuid.UUID `json:"prescriptionId" format:"uuid" doc:"The dispensed prescription."`
	UserID         uuid.UUID `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID       uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	Status         string    `json:"status" enum:"partial,complete" doc:"Whether all of the prescription was dispensed." example:"partial"`
	DispensedAt    string    `json:"dispensedAt" format:"date-time" doc:"Time of the dispense." example:"2026-03-14T09:30:00Z"`
}

func (Reading) readAction() care.Action          { return noSubject }
func (DeviceConnection) readAction() care.Action { return noSubject }
func (LabOrder) readAction() care.Action         { return noSubject }
func (Dispense) readAction() care.Action         { return noSubject }
