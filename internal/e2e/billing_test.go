package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBilling_AnInvoiceIsSentToThePatientOnlyByEmailAndPush(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	patientID, clinicID := c.me(patient)
	due := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	a := c.do(receptionist, http.MethodPost, "/api/billing/invoices", map[string]any{
		"patientId": patientID, "clinicId": clinicID, "currency": "EUR", "dueOn": due,
		"lines": []any{map[string]any{"description": "Blood panel", "quantity": 2, "unitMinor": 77125}},
	})
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	id := a.decode(t)["id"].(string)
	subject := "invoice/" + id

	c.eventually("an email and a push for the patient", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 2 })
	require.Len(t, c.sandboxMessages("email", patient), 1)
	require.Len(t, c.sandboxMessages("push", "demo-device-patient"), 1)
	require.Len(t, c.sandboxMessages("email", ""), 1, "nobody else received an email")
	require.Len(t, c.sandboxMessages("push", ""), 1, "nor a push message")
	for _, channel := range []string{"email", "push"} {
		text := fmt.Sprint(c.sandboxMessages(channel, ""))
		for _, private := range []string{"Blood", "771.25", "1542.5", "1,542", "154250", "EUR", due, "Winter"} {
			require.NotContains(t, text, private, "a message only has a link")
		}
		require.Contains(t, text, "nvoice")
	}

	path := "/api/billing/invoices/" + id
	paid := c.do(receptionist, http.MethodPost, path+"/payments", map[string]any{"amountMinor": 154250, "provider": "stripe", "reference": "pi_1"})
	require.Equal(t, http.StatusCreated, paid.status, "%s", paid.body)
	c.eventually("the patient is notified of the payment", func() bool { return len(c.sandboxMessages("email", patient)) == 2 })
	require.Equal(t, "paid", c.do(patient, http.MethodGet, path, nil).decode(t)["status"])
	require.Equal(t, http.StatusNotFound, c.do(doctor, http.MethodGet, path, nil).status)
	c.eventually("the refusal is in the ledger", func() bool { return len(ofType(c.story(subject), "access.denied")) == 1 })
}

func TestBilling_ARefundWithItsCreditNoteIsOneMessage(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	patientID, clinicID := c.me(patient)
	create := func(path string, body map[string]any) map[string]any {
		a := c.do(receptionist, http.MethodPost, path, body)
		require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
		return a.decode(t)
	}
	lines := []any{map[string]any{"description": "Blood panel", "quantity": 1, "unitMinor": 5000}}
	issue := func() string {
		return create("/api/billing/invoices", map[string]any{
			"patientId": patientID, "clinicId": clinicID, "currency": "EUR", "dueOn": time.Now().AddDate(0, 1, 0).Format(time.DateOnly), "lines": lines,
		})["id"].(string)
	}
	planned := func(id string) int { return len(ofType(c.story("invoice/"+id), "notification.planned")) }
	refunded, credited := issue(), issue()
	paid := create("/api/billing/invoices/"+refunded+"/payments", map[string]any{"amountMinor": 5000, "provider": "stripe", "reference": "pi_1"})
	create("/api/billing/payments/"+paid["id"].(string)+"/refunds", map[string]any{"amountMinor": 5000, "reference": "re_1"})
	create("/api/billing/invoices/"+credited+"/credit-notes", map[string]any{"reason": "Goodwill", "lines": lines})
	// Planning follows the ledger: messages of the last event are planned after those of earlier
	// events.
	c.eventually("the patient is notified of the credit note", func() bool { return planned(credited) == 2 })
	require.Len(t, ofType(c.story("invoice/"+refunded), "billing.credit_note_issued"), 1)
	require.Equal(t, 3, planned(refunded), "of the invoice, the payment and the refund")
}
