package postgres

import "carewire/internal/care"

// meaning is what a violated constraint says to the person who made the request.
type meaning struct {
	code    care.Code
	field   string
	message string
}

func (m meaning) refusal() *care.Error {
	if m.code == care.Invalid {
		return care.InvalidField(m.field, "%s", m.message)
	}
	e := &care.Error{Code: m.code, Message: m.message}
	if m.field != "" {
		e.Fields = []care.FieldError{{Field: m.field, Message: m.message}}
	}
	return e
}

// constraints has the ones that a request can violate; of any other its kind is told. Every name in it is in the schema.
var constraints = map[string]meaning{
	"clinics_pkey":             {care.Conflict, "id", "there is a clinic with this id already"},
	"clinics_name_length":      {care.Invalid, "name", "must have 1 to 200 characters"},
	"clinics_time_zone_length": {care.Invalid, "timeZone", "must be an IANA time zone such as Europe/Berlin"},
	"users_pkey":               {care.Conflict, "id", "there is a person with this id already"},
	"users_email_verified_key": {care.Conflict, "email", "is verified as another person's address"},
	"users_email_lower":        {care.Invalid, "email", "must be in lower case"},
	"users_email_length":       {care.Invalid, "email", "must have 3 to 254 characters"},
	"users_given_name_length":  {care.Invalid, "givenName", "must have 1 to 200 characters"},
	"users_family_name_length": {care.Invalid, "familyName", "must have 1 to 200 characters"},
	"users_phone_e164":         {care.Invalid, "phone", "must be in E.164 form, such as +4930123456"},
	"users_whatsapp_e164":      {care.Invalid, "whatsApp", "must be in E.164 form, such as +4930123456"},
	"users_phone_verified_key": {care.Conflict, "phone", "is verified as another person's number"},
	"users_whatsapp_verified_key": {
		care.Conflict, "whatsApp", "is verified as another person's number",
	},
	"invitations_clinic_id_fkey": {care.Invalid, "clinicId", "there is no such clinic"},
	"users_locale_length":        {care.Invalid, "locale", "must be a language tag such as en or de-AT"},
	"users_time_zone_length":     {care.Invalid, "timeZone", "must be an IANA time zone such as Europe/Berlin"},
	"users_status_known":         {care.Invalid, "status", "must be active or disabled"},
	"users_sex_known":            {care.Invalid, "sex", "must be male, female, other or unknown"},
	"users_birth_date_plausible": {care.Invalid, "birthDate", "must be a day from 1850 on"},
	"medical_record_numbers_number_key": {
		care.Conflict, "medicalRecordNumber", "is another patient's number at this clinic",
	},
	"medical_record_numbers_number_length": {
		care.Invalid, "medicalRecordNumber", "must have 1 to 64 characters",
	},
	"identities_pkey":          {care.Conflict, "", "this identity belongs to a person already"},
	"identities_user_id_fkey":  {care.Invalid, "userId", "there is no such person"},
	"memberships_active_key":   {care.Conflict, "role", "the person has this role at this clinic already"},
	"memberships_user_id_fkey": {care.Invalid, "userId", "there is no such person"},
	"memberships_clinic_id_fkey": {
		care.Invalid, "clinicId", "there is no such clinic",
	},
	"memberships_role_known": {care.Invalid, "role", "must be a role that exists"},
	"memberships_clinic_or_platform": {
		care.Invalid, "clinicId", "must be given for a clinic's roles, and left out for auditor and operator",
	},
	"care_team_pkey":                  {care.Conflict, "memberId", "is on the patient's care team already"},
	"care_team_patient_id_fkey":       {care.Invalid, "patientId", "there is no such person"},
	"care_team_clinic_id_fkey":        {care.Invalid, "clinicId", "there is no such clinic"},
	"care_team_member_id_fkey":        {care.Invalid, "memberId", "there is no such person"},
	"devices_pkey":                    {care.Conflict, "id", "there is a device with this id already"},
	"devices_user_id_fkey":            {care.Invalid, "userId", "there is no such person"},
	"devices_token_key":               {care.Conflict, "token", "is registered already"},
	"devices_platform_known":          {care.Invalid, "platform", "must be android, ios or web"},
	"devices_token_length":            {care.Invalid, "token", "must have 1 to 4096 characters"},
	"preferences_user_id_fkey":        {care.Invalid, "userId", "there is no such person"},
	"web_sessions_user_id_fkey":       {care.Invalid, "userId", "there is no such person"},
	"socket_tickets_session_id_fkey":  {care.Unauthenticated, "", "the session has ended: sign in again"},
	"socket_tickets_user_id_fkey":     {care.Invalid, "userId", "there is no such person"},
	"records_pkey":                    {care.Conflict, "id", "there is a record with this id already"},
	"records_patient_id_fkey":         {care.Invalid, "patientId", "there is no such person"},
	"records_clinic_id_fkey":          {care.Invalid, "clinicId", "there is no such clinic"},
	"records_doctor_id_fkey":          {care.Invalid, "doctorId", "there is no such person"},
	"record_versions_pkey":            {care.Conflict, "", "somebody else changed the record at the same moment; read it again"},
	"appointments_pkey":               {care.Conflict, "id", "there is an appointment with this id already"},
	"appointments_clinic_id_fkey":     {care.Invalid, "clinicId", "there is no such clinic"},
	"appointments_patient_id_fkey":    {care.Invalid, "patientId", "there is no such person"},
	"appointments_doctor_id_fkey":     {care.Invalid, "doctorId", "there is no such person"},
	"appointments_ends_after_start":   {care.Invalid, "endsAt", "must be after startsAt"},
	"appointments_patient_not_doctor": {care.Invalid, "doctorId", "must be somebody else than the patient"},
	"appointments_doctor_free":        {care.Conflict, "startsAt", "is not available: choose another time"},
	"appointments_patient_free":       {care.Conflict, "startsAt", "is not available: choose another time"},
	"appointments_visit_type_id_fkey": {care.Invalid, "visitType", "must be an active visit type of this clinic"},
	"absences_clinic_id_fkey":         {care.Invalid, "clinicId", "there is no such clinic"},
	"absences_doctor_id_fkey":         {care.Invalid, "doctorId", "there is no such person"},
	"visit_types_clinic_id_fkey":      {care.Invalid, "clinicId", "there is no such clinic"},
	"visit_types_name_key":            {care.Conflict, "name", "the clinic offers a visit type of this name already"},
	"clinic_settings_pkey":            {care.Conflict, "", "somebody else set the clinic's settings at the same moment; read them again"},
	"doctor_hours_doctor_key":         {care.Conflict, "", "somebody else set the doctor's hours at the same moment; read them again"},
	"doctor_hours_spans_apart":        {care.Invalid, "openings", "must not overlap"},
	"invoices_number_key":             {care.Conflict, "number", "the clinic has an invoice with this number already"},
	"payments_clinic_reference_key":   {care.Conflict, "reference", "stands for another payment"},
	"refunds_clinic_reference_key":    {care.Conflict, "reference", "stands for another refund"},
	"credit_notes_number_key":         {care.Conflict, "number", "the clinic has a credit note with this number already"},
	"payments_credit":                 {care.Conflict, "amountMinor", "must be at most the patient's credit at the clinic"},
	"rule_sets_pkey":                  {care.Conflict, "", "somebody else published rules at the same moment; try again"},
	"service_accounts_pkey":           {care.Conflict, "id", "there is a service account with this id already"},
	"service_accounts_clinic_id_fkey": {care.Invalid, "clinicId", "there is no such clinic"},
	"service_accounts_identity_key":   {care.Conflict, "clientId", "acts at another clinic already: use a client of its own for each clinic"},
	"outbox_data_object":              {care.Invalid, "data", "must be an object of at most 16 KiB"},
	"outbox_data_length":              {care.Invalid, "data", "must have at most 64 KiB as text"},
	"outbox_time_readable":            {care.Invalid, "time", "must be a time of the years 1 to 9999"},
	"outbox_type_form":                {care.Invalid, "type", "must be two to four dotted words in lower case"},
	"outbox_source_length":            {care.Invalid, "source", "must have 1 to 200 characters"},
	"outbox_subject_form":             {care.Invalid, "subject", "must have the form kind/id"},
	"outbox_correlation_id_length":    {care.Invalid, "correlationId", "must have at most 200 characters"},
	"outbox_traceparent_length":       {care.Invalid, "traceparent", "must have at most 100 characters"},
}
