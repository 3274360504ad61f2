package event

import (
	"strings"

	"carewire/internal/care"
)

// ReadAction returns the action of care.Access that reading the subject of an event of the type
// takes. It is empty for events that other systems append: their subjects cannot be read here.
func (d *Declaration) ReadAction() care.Action {
	if d.Type == "user.invited" { // The clinic must not learn who is known elsewhere.
		return care.SelfManage
	}
	switch d.Payload.(type) {
	case Record:
		return care.RecordRead
	case Appointment, AppointmentReassignment, AppointmentReversal, AppointmentAttention:
		return care.AppointmentRead
	case DoctorHours:
		return care.AvailabilityRead
	case DoctorAbsence:
		return care.AbsenceRead
	case Billing, BillingDue:
		return care.InvoiceRead
	case ChatMessage, ChatParticipant, ChatUnread:
		return care.ConversationRead
	case CareTeam:
		return care.CareTeamRead
	case User, Merge, SignIn, Membership, InvitationOf, Contact, AddressSuppression:
		return care.UserRead
	case Verification, Device:
		return care.SelfManage
	}
	return ""
}

// Critical reports whether an event of the type must reach a clinician at once.
func (d *Declaration) Critical() bool {
	_, ok := d.Payload.(Record)
	return ok && strings.HasSuffix(d.Type, ".critical")
}
