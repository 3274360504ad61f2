package event

import (
	"slices"

	"github.com/google/uuid"
)

// external is every type that other systems may append, part of the Catalog. A new one is a struct and a line here.
//
// What comes from outside is held to its struct: unknown fields are refused, and a text must say by its tag which values
// it may have (enum) or that it is a time (format:"date-time"), so that no protected health information can be put into
// it. Each carries clinicId, which must be the service account's clinic, and userId; that and doctorId, where there is
// one, must be people of that clinic.
var external = []Declaration{
	{"device.reading_received", Clinical, Reading{}, true, clinicians, true, "A medical device measured something."},
	{"device.connection_lost", CategorySystem, DeviceConnection{}, true, clinicians, true, "A patient's medical device does not answer any more."},
	{"lab.order_received", Clinical, LabOrder{}, true, clinicians, true, "A laboratory has an order."},
	{"pharmacy.prescription_dispensed", Clinical, Dispense{}, true, clinicians, true, "A pharmacy handed out what was prescribed."},
}

// External reports whether other systems may append the type.
func (d *Declaration) External() bool {
	return slices.ContainsFunc(external, func(e Declaration) bool { return e.Type == d.Type })
}

// ExternalTypes lists the types that other systems may append, in the catalog's order.
func ExternalTypes() []string {
	types := make([]string, len(external))
	for i := range external {
		types[i] = external[i].Type
	}
	return types
}

// Reading is the data of device.reading_received. What was measured stays with the device's system, under ReadingID.
type Reading struct {
	ReadingID  uuid.UUID `json:"readingId" format:"uuid" doc:"The reading, in the device's system."`
	DeviceID   uuid.UUID `json:"deviceId" format:"uuid" doc:"The medical device."`
	UserID     uuid.UUID `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID   uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	Urgency    string    `json:"urgency" enum:"routine,urgent,emergency" doc:"How soon somebody must look at it." example:"routine"`
	MeasuredAt string    `json:"measuredAt" format:"date-time" doc:"When it was measured." example:"2026-03-14T09:30:00Z"`
}

// DeviceConnection is the data of device.connection_lost.
type DeviceConnection struct {
	DeviceID   uuid.UUID `json:"deviceId" format:"uuid" doc:"The medical device."`
	UserID     uuid.UUID `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID   uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	LastSeenAt string    `json:"lastSeenAt" format:"date-time" doc:"When the device answered last." example:"2026-03-14T09:30:00Z"`
}

// LabOrder is the data of lab.order_received. DoctorID is who ordered.
type LabOrder struct {
	OrderID    uuid.UUID  `json:"orderId" format:"uuid" doc:"The order, in the laboratory's system."`
	UserID     uuid.UUID  `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID   uuid.UUID  `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	DoctorID   *uuid.UUID `json:"doctorId,omitempty" format:"uuid" doc:"The doctor who ordered."`
	Status     string     `json:"status" enum:"accepted,rejected" doc:"How far it is." example:"accepted"`
	ReceivedAt string     `json:"receivedAt" format:"date-time" doc:"When the order arrived." example:"2026-03-14T09:30:00Z"`
}

// Dispense is the data of pharmacy.prescription_dispensed.
type Dispense struct {
	DispenseID     uuid.UUID `json:"dispenseId" format:"uuid" doc:"The dispense, in the pharmacy's system."`
	PrescriptionID uuid.UUID `json:"prescriptionId" format:"uuid" doc:"The prescription that was filled."`
	UserID         uuid.UUID `json:"userId" format:"uuid" doc:"The patient."`
	ClinicID       uuid.UUID `json:"clinicId" format:"uuid" doc:"The clinic: that of the service account."`
	Status         string    `json:"status" enum:"partial,complete" doc:"How far it is." example:"partial"`
	DispensedAt    string    `json:"dispensedAt" format:"date-time" doc:"When it was handed out." example:"2026-03-14T09:30:00Z"`
}

func (Reading) payload()          {}
func (DeviceConnection) payload() {}
func (LabOrder) payload()         {}
func (Dispense) payload()         {}
