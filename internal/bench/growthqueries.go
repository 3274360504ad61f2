package main

import (
	"net/url"
	"time"
)

// growthQuery is a list or a look-up over REST, as the demo person with a role.
type growthQuery struct{ role, path string }

func (q growthQuery) name() string { return "GET " + q.path + " as " + q.role }

// growthQueries returns every list with its filters, alone and combined, and the look-ups. In paths,
// {clinic}, {doctor} and {patient} are the busy ones; the ids of others are those of grow.sql.
func growthQueries() []growthQuery {
	const (
		person = "0190a000-0000-7000-8000-000000000021"
		record = "01905000-0000-7000-8000-000000000010"
	)
	month := url.Values{
		"from": {time.Now().AddDate(0, -3, 0).UTC().Format(time.RFC3339)},
		"to":   {time.Now().AddDate(0, -2, 0).UTC().Format(time.RFC3339)},
	}.Encode()
	var all []growthQuery
	for _, list := range []struct {
		role, path string
		filters    []string
	}{
		{"operator", "/api/deliveries", []string{
			"", "channel=email", "channel=push", "channel=sms", "channel=whatsapp", "state=sent", "state=delivered", "state=failed", "state=queued", "state=planned",
			"state=unknown", "rule=grown-3", "rule=grown-rare", "rule=none", "recipientId={doctor}", "recipientId=" + person, month,
			"recipientId={doctor}&state=failed", "recipientId={doctor}&rule=none", "state=failed&channel=email&rule=grown-3", "state=delivered&rule=grown-rare",
			"channel=push&rule=grown-rare&" + month,
		}},
		{"operator", "/api/notifications", []string{
			"", "unread=true", "unacknowledged=true", "channel=email", "channel=sms", "channel=whatsapp", "state=sent", "state=delivered", "state=failed", "state=queued",
			"state=planned", "state=cancelled", "state=failed&channel=push", "recipientId={doctor}", "recipientId={doctor}&state=failed",
			"recipientId={doctor}&channel=whatsapp", "recipientId={doctor}&unacknowledged=true", month, "state=failed&" + month,
		}},
		{"operator", "/api/suppressions", []string{"", "channel=email", "reason=complaint", "userId=" + person}},
		{"operator", "/api/notifications/explain", []string{"event=0190e000-0000-7000-8000-000000000005"}},
		{"operator", "/api/rules", []string{""}},
		{"operator", "/api/followers", []string{""}},
		{"operator", "/api/stats/deliveries", []string{""}},
		{"doctor", "/api/notifications", []string{"", "unread=true", "unacknowledged=true", "state=planned", "state=cancelled"}},
		{"doctor", "/api/inbox", []string{"", "unread=true", "unseen=true", "archived=true", "unacknowledged=true", "category=billing"}},
		{"doctor", "/api/ehr/lab-reports", []string{
			"", "patientId={patient}", "doctorId={doctor}", "authorId={doctor}", "clinicId={clinic}", "doctorId={doctor}&" + month, "patientId={patient}&code=http://loinc.org|none",
		}},
		{"doctor", "/api/ehr/lab-reports/" + record, []string{""}},
		{"doctor", "/api/ehr/lab-reports/" + record + "/history", []string{""}},
		{"doctor", "/api/appointments", []string{"", "doctorId={doctor}", "patientId={patient}", month, "status=cancelled"}},
		{"doctor", "/api/conversations", []string{""}},
		{"doctor", "/api/conversations/01907000-0000-7000-8000-000000000001/messages", []string{""}},
		{"doctor", "/api/patients/{patient}/care-team", []string{""}},
		{"patient", "/api/ehr/lab-reports", []string{"", "clinicId={clinic}"}},
		{"patient", "/api/appointments", []string{""}},
		{"patient", "/api/billing/invoices", []string{"", "status=issued"}},
		{"patient", "/api/inbox", []string{""}},
		{"receptionist", "/api/users", []string{"", "clinicId={clinic}", "clinicId={clinic}&name=given7", "clinicId={clinic}&role=doctor", "clinicId={clinic}&birthDate=1950-03-01"}},
		{"receptionist", "/api/billing/invoices", []string{"", "clinicId={clinic}", "patientId={patient}", "clinicId={clinic}&status=draft"}},
		{"receptionist", "/api/billing/statements", []string{"patientId={patient}&clinicId={clinic}&currency=EUR"}},
		{"receptionist", "/api/appointments", []string{"clinicId={clinic}", "clinicId={clinic}&" + month, "clinicId={clinic}&status=cancelled"}},
		{"auditor", "/api/audit", []string{
			"subject=lab_report/" + record, "person={patient}", "person=" + person, "actor={doctor}", "actor=system:notify", "type=access.denied", "type=record.read", month,
			"person={patient}&type=record.read&" + month,
		}},
	} {
		for _, filter := range list.filters {
			path := list.path
			if filter != "" {
				path += "?" + filter
			}
			all = append(all, growthQuery{list.role, path})
		}
	}
	return all
}
