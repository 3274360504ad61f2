package postgres

import "carewire/internal/care"

// meaning is the domain error of a violated constraint.
type meaning struct {
	code    care.Code
	field   string
	message string
}

func (m meaning) err() *care.Error {
	if m.code == care.Invalid {
		return care.InvalidField(m.field, "%s", m.message)
	}
	e := &care.Error{Code: m.code, Message: m.message}
	if m.field != "" {
		e.Fields = []care.FieldError{{Field: m.field, Message: m.message}}
	}
	return e
}

// constraints has the constraints that a request can violate. The error of any other constraint
// describes only its kind. Every name is in the schema.
var constraints = map[string]meaning{
	"clinics_pkey":             {care.Conflict, "id", "a clinic with this id already exists"},
	"clinics_name_length":      {care.Invalid, "name", "must have 1 to 200 characters"},
	"clinics_time_zone_length": {care.Invalid, "timeZone", "must be an IANA time zone such as Europe/Berlin"},
	"users_pkey":               {care.Conflict, "id", "a person with this id already exists"},
	"users_email_verified_key": {care.Conflict, "email", "is a verified address of another person"},
	"users_email_lower":        {care.Invalid, "email", "must be in lower case"},
	"users_email_length":       {care.Invalid, "email", "must have 3 to 254 characters"},
	"users_given_name_length":  {care.Invalid, "givenName", "must have 1 to 200 characters"},
	"users_family_name_length": {care.Invalid, "familyName", "must have 1 to 200 characters"},
	"users_phone_e164":         {care.Invalid, "phone", "must be in E.164 form, such as +4930123456"},
	"users_whatsapp_e164":      {care.Invalid, "whatsApp", "must be in E.164 form, such as +4930123456"},
	"users_phone_verified_key": {care.Conflict, "phone", "is a verified number of another person"},
	"users_whatsapp_verified_key": {
		care.Conflict, "whatsApp", "is a verified number of another person",
	},
	"invitations_clinic_id_fkey": {care.Invalid, "clinicId", "unknown clinic"},
	"users_locale_length":        {care.Invalid, "locale", "must be a language tag such as en or de-AT"},
	"users_time_zone_length":     {care.Invalid, "timeZone", "must be an IANA time zone such as Europe/Berlin"},
	"users_status_known":         {care.Invalid, "status", "must be active or disabled"},
	"users_sex_known":            {care.Invalid, "sex", "must be male, female, other or unknown"},
	"users_birth_date_plausible": {care.Invalid, "birthDate", "must be in 1850 or later"},
	"medical_record_numbers_number_key": {
		care.Conflict, "medicalRecordNumber", "is the number of another patient at this clinic",
	},
	"medical_record_numbers_number_length": {
		care.Invalid, "medicalRecordNumber", "must have 1 to 64 characters",
	},
	"identities_pkey":          {care.Conflict, "", "this identity already belongs to a person"},
	"identities_user_id_fkey":  {care.Invalid, "userId", "unknown person"},
	"memberships_active_key":   {care.Conflict, "role", "the person already has this role at this clinic"},
	"memberships_user_id_fkey": {care.Invalid, "userId", "unknown person"},
	"memberships_clinic_id_fkey": {
		care.Invalid, "clinicId", "unknown clinic",
	},
	"memberships_role_known": {care.Invalid, "role", "unknown role"},
	"memberships_clinic_or_platform": {
		care.Invalid, "clinicId", "is required for clinic roles, and must be omitted for auditor and operator",
	},
	"care_team_pkey":                  {care.Conflict, "memberId", "is already on the patient's care team"},
	"care_team_patient_id_fkey":       {care.Invalid, "patientId", "unknown person"},
	"care_team_clinic_id_fkey":        {care.Invalid, "clinicId", "unknown clinic"},
	"care_team_member_id_fkey":        {care.Invalid, "memberId", "unknown person"},
	"devices_pkey":                    {care.Conflict, "id", "a device with this id already exists"},
	"devices_user_id_fkey":            {care.Invalid, "userId", "unknown person"},
	"devices_token_key":               {care.Conflict, "token", "is already registered"},
	"devices_platform_known":          {care.Invalid, "platform", "must be android, ios or web"},
	"devices_token_length":            {care.Invalid, "token", "must have 1 to 4096 characters"},
	"preferences_user_id_fkey":        {care.Invalid, "userId", "unknown person"},
	"preferences_clinic_id_fkey":      {care.Invalid, "clinicId", "unknown clinic"},
	"web_sessions_user_id_fkey":       {care.Invalid, "userId", "unknown person"},
	"socket_tickets_session_id_fkey":  {care.Unauthenticated, "", "the session has ended: sign in again"},
	"socket_tickets_user_id_fkey":     {care.Invalid, "userId", "unknown person"},
	"records_pkey":                    {care.Conflict, "id", "a record with this id already exists"},
	"records_patient_id_fkey":         {care.Invalid, "patientId", "unknown person"},
	"records_clinic_id_fkey":          {care.Invalid, "clinicId", "unknown clinic"},
	"records_doctor_id_fkey":          {care.Invalid, "doctorId", "unknown person"},
	"record_versions_pkey":            {care.Conflict, "", "another request changed the record at the same time; read it again"},
	"appointments_pkey":               {care.Conflict, "id", "an appointment with this id already exists"},
	"appointments_clinic_id_fkey":     {care.Invalid, "clinicId", "unknown clinic"},
	"appointments_patient_id_fkey":    {care.Invalid, "patientId", "unknown person"},
	"appointments_doctor_id_fkey":     {care.Invalid, "doctorId", "unknown person"},
	"appointments_ends_after_start":   {care.Invalid, "endsAt", "must be after startsAt"},
	"appointments_patient_not_doctor": {care.Invalid, "doctorId", "must not be the patient"},
	"appointments_doctor_free":        {care.Conflict, "startsAt", "is not available: choose another time"},
	"appointments_patient_free":       {care.Conflict, "startsAt", "is not available: choose another time"},
	"appointments_visit_type_id_fkey": {care.Invalid, "visitType", "must be an active visit type of this clinic"},
	"absences_clinic_id_fkey":         {care.Invalid, "clinicId", "unknown clinic"},
	"absences_doctor_id_fkey":         {care.Invalid, "doctorId", "unknown person"},
	"visit_types_clinic_id_fkey":      {care.Invalid, "clinicId", "unknown clinic"},
	"visit_types_name_key":            {care.Conflict, "name", "the clinic already has a visit type with this name"},
	"clinic_settings_pkey":            {care.Conflict, "", "another request changed the clinic's settings at the same time; read them again"},
	"doctor_hours_doctor_key":         {care.Conflict, "", "another request changed the doctor's hours at the same time; read them again"},
	"doctor_hours_spans_apart":        {care.Invalid, "openings", "must not overlap"},
	"invoices_number_key":             {care.Conflict, "number", "the clinic already has an invoice with this number"},
	"payments_clinic_reference_key":   {care.Conflict, "reference", "belongs to another payment"},
	"refunds_clinic_reference_key":    {care.Conflict, "reference", "belongs to another refund"},
	"credit_notes_number_key":         {care.Conflict, "number", "the clinic already has a credit note with this number"},
	"payments_credit":                 {care.Conflict, "amountMinor", "must be at most the patient's credit at the clinic"},
	"template_sets_pkey":              {care.Conflict, "", "another request published templates at the same time; try again"},
	"notification_defaults_key":       {care.Conflict, "", "another request changed the defaults at the same time; read them again"},
	"clinic_brands_pkey":              {care.Conflict, "", "another request changed the clinic's brand at the same time; read it again"},
	"rule_sets_pkey":                  {care.Conflict, "", "another request published rules at the same time; try again"},
	"service_accounts_pkey":           {care.Conflict, "id", "a service account with this id already exists"},
	"service_accounts_clinic_id_fkey": {care.Invalid, "clinicId", "unknown clinic"},
	"service_accounts_identity_key":   {care.Conflict, "clientId", "already acts at another clinic: use a separate client for each clinic"},
	"outbox_data_object":              {care.Invalid, "data", "must be an object of at most 16 KiB"},
	"outbox_data_length":              {care.Invalid, "data", "must have at most 64 KiB as text"},
	"outbox_time_readable":            {care.Invalid, "time", "must be in the years 1 to 9999"},
	"outbox_type_form":                {care.Invalid, "type", "must be two to four lower-case words separated by dots"},
	"outbox_source_length":            {care.Invalid, "source", "must have 1 to 200 characters"},
	"outbox_subject_form":             {care.Invalid, "subject", "must have the form kind/id"},
	"outbox_correlation_id_length":    {care.Invalid, "correlationId", "must have at most 200 characters"},
	"outbox_traceparent_length":       {care.Invalid, "traceparent", "must have at most 100 characters"},
}
