package event

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCatalog_DescribesEachFieldAndHasAnExample(t *testing.T) {
	t.Parallel()
	for _, d := range Catalog {
		e := Example(d.Type)
		require.Equal(t, d.Type, e.Type)
		_, err := e.Decode()
		require.NoError(t, err)
		var data map[string]any
		require.NoError(t, json.Unmarshal(e.Data, &data))
		for _, f := range d.Fields() {
			require.NotEmpty(t, f.Doc, "%T: add a doc:\"…\" tag to %s: the event reference (/docs/events) shows it", d.Payload, f.Name)
			if f.Type == "string" && data[f.Name] != nil {
				require.NotEmpty(t, data[f.Name], "%T: add an example:\"…\" tag to %s: the event reference (/docs/events) shows it", d.Payload, f.Name)
			}
		}
		for _, name := range d.Required() {
			require.Contains(t, data, name)
		}
	}
}

func TestFields_HaveATypeAndReportWhetherAFieldIsRequired(t *testing.T) {
	t.Parallel()
	planned, _ := Lookup("notification.planned")
	require.Contains(t, planned.Fields(), Field{Name: "channels", Type: "list of object", Required: true, Doc: "The decision for each channel."})
	require.Contains(t, planned.Fields(), Field{Name: "channels[].deliveryId", Type: "uuid", Required: true, Doc: "The message on this channel."})
	read, _ := Lookup("record.read")
	require.Contains(t, read.Fields(), Field{Name: "clinicId", Type: "uuid", Required: true, Nullable: true, Doc: "The record's clinic; null for none."})
	require.Contains(t, read.Fields(), Field{Name: "recordIds", Type: "list of uuid", Doc: "The records of this person at this clinic that a list showed."})
}

func TestExample_HasASubjectOfTheTypesKind(t *testing.T) {
	t.Parallel()
	for typ, kind := range map[string]string{
		"ehr.lab_report.created": "lab_report", "user.created": "user", "appointment.booked": "appointment", "billing.invoice_issued": "invoice",
		"billing.payment_received": "invoice", "notification.sent": "notification", "chat.message_created": "message", "membership.granted": "membership",
		"doctor.hours_changed":    "doctor_hours",
		"clinic.settings_changed": "clinic_settings",
	} {
		require.Regexp(t, "^"+kind+"/[0-9a-f-]{36}$", Example(typ).Subject, typ)
	}
	require.Equal(t, "rules/live", Example("rules.published").Subject)
	require.Nil(t, Example("rules.published").PersonID)
	require.Panics(t, func() { Example("ehr.unheard_of.created") })
}
