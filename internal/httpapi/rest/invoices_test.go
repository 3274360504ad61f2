package rest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const invoicesPath = "/api/billing/invoices"

// dueIn is a day so many months ahead.
func dueIn(months int) string { return time.Now().UTC().AddDate(0, months, 1).Format(time.DateOnly) }

// invoice is a valid invoice of 42.50 to the clinic's patient.
func (b *bundle) invoice() map[string]any {
	return map[string]any{
		"patientId": b.ids[patient], "clinicId": b.clinicID, "currency": "EUR", "dueOn": dueIn(1),
		"lines": []any{map[string]any{"description": "Blood panel", "quantity": 2, "unitMinor": 2125}},
	}
}

// issueInvoice issues an invoice as the receptionist and gives its path.
func (b *bundle) issueInvoice() string {
	b.t.Helper()
	w := b.do(receptionist, http.MethodPost, invoicesPath, b.invoice())
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	return w.Header().Get("Location")
}

func TestInvoices_AreIssuedReadAndKeptFromOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	w := b.do(receptionist, http.MethodPost, invoicesPath, b.invoice())
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	require.Equal(t, `"1"`, w.Header().Get("ETag"))
	issued := decode(t, w)
	require.Equal(t, invoicesPath+"/"+issued["id"].(string), w.Header().Get("Location"))
	require.Equal(t, "issued", issued["status"])
	require.Contains(t, w.Body.String(), `"totalMinor":4250`)
	path := w.Header().Get("Location")
	for _, who := range []string{patient, receptionist, admin} {
		got := b.do(who, http.MethodGet, path, nil)
		require.Equal(t, http.StatusOK, got.Code, who)
		require.JSONEq(t, w.Body.String(), got.Body.String())
		require.Equal(t, http.StatusNotModified, b.do(who, http.MethodGet, path, nil, "If-None-Match", `"1"`).Code)
	}
	require.Equal(t, 6, b.events("record.read"))
	for i, who := range []string{doctor, nurse, auditor, operator} {
		requireProblem(t, b.do(who, http.MethodGet, path, nil), 404, "not_found")
		require.Equal(t, i+1, b.events("access.denied"), who)
	}
	requireProblem(t, b.do(patient, http.MethodPost, invoicesPath, b.invoice()), 403, "forbidden")
	requireProblem(t, b.do(patient, http.MethodPost, path+"/payments", map[string]any{"amountMinor": 1, "provider": "stripe", "reference": "x"}), 403, "forbidden")
	requireProblem(t, b.do("", http.MethodGet, path, nil), 401, "unauthenticated")
	list := decode(t, b.do(patient, http.MethodGet, invoicesPath+"?status=issued&limit=1&clinicId="+b.clinicID.String(), nil))
	require.Len(t, list["items"], 1)
	require.Empty(t, decode(t, b.do(patient, http.MethodGet, invoicesPath+"?status=overdue", nil))["items"])
}

func TestInvoices_NameTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	good := b.invoice()
	text, err := json.Marshal(good)
	require.NoError(t, err)
	raw := func(old, replacement string) string { return strings.Replace(string(text), old, replacement, 1) }
	for _, c := range []struct {
		name, field string
		body        any
	}{
		{"a fraction of a cent", "lines[0].unitMinor", raw("2125", "21.25")},
		{"an amount as text", "lines[0].unitMinor", raw("2125", `"2125"`)},
		{"an amount beyond all", "lines[0].unitMinor", raw("2125", "99999999999999999999")},
		{"an amount below nothing", "lines[0].unitMinor", raw("2125", "-1")},
		{"half a thing", "lines[0].quantity", raw(`"quantity":2`, `"quantity":0.5`)},
		{"no lines", "lines", with(good, "lines", []any{})},
		{"a currency in small letters", "currency", with(good, "currency", "eur")},
		{"a currency that is none", "currency", with(good, "currency", "ABC")},
		{"a day that is none", "dueOn", with(good, "dueOn", "2026-02-30")},
		{"a time for a day", "dueOn", with(good, "dueOn", "2026-04-30T00:00:00Z")},
		{"a day that is over", "dueOn", with(good, "dueOn", "2026-04-30")},
		{"a discount of more than all", "lines[0].discountBps", raw(`"quantity":2`, `"quantity":2,"discountBps":10001`)},
		{"half a basis point", "lines[0].taxBps", raw(`"quantity":2`, `"quantity":2,"taxBps":0.5`)},
		{"somebody who is no patient", "patientId", with(good, "patientId", b.ids[doctor])},
		{"nobody", "patientId", with(good, "patientId", uuid.New())},
		{"a NUL", "lines[0].description", raw("Blood panel", `Blood\u0000panel`)},
		{"a total of one's own", "totalMinor", with(good, "totalMinor", 1)},
	} {
		fields := requireProblem(t, b.do(receptionist, http.MethodPost, invoicesPath, c.body), 422, "invalid")
		require.Equal(t, []string{c.field}, slices.Compact(fields), c.name)
	}
	require.Zero(t, b.events("billing.invoice_issued"))
}

func TestInvoices_AreVoidedByVersionOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.issueInvoice() + "/void"
	requireProblem(t, b.do(receptionist, http.MethodPost, path, nil), 428, "precondition_required")
	stale := b.do(receptionist, http.MethodPost, path, nil, "If-Match", `"7"`)
	requireProblem(t, stale, 412, "precondition_failed")
	require.Equal(t, `"1"`, stale.Header().Get("ETag"), "the current one")
	w := b.do(receptionist, http.MethodPost, path, nil, "If-Match", `"1"`)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	require.Equal(t, `"2"`, w.Header().Get("ETag"))
	require.Equal(t, "void", decode(t, w)["status"])
	require.Equal(t, 1, b.events("billing.invoice_voided"))
	requireProblem(t, b.do(receptionist, http.MethodPost, path, nil, "If-Match", `"2"`), 409, "conflict")
}

func TestPayments_ToldAgainAreTheFirstAndRefundsToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.issueInvoice()
	payment := map[string]any{"amountMinor": 4250, "provider": "stripe", "reference": "pi_1"}
	w := b.do(receptionist, http.MethodPost, path+"/payments", payment)
	require.Equal(t, http.StatusCreated, w.Code, "%s", w.Body)
	again := b.do(receptionist, http.MethodPost, path+"/payments", payment)
	require.Equal(t, http.StatusOK, again.Code, "%s", again.Body)
	require.JSONEq(t, w.Body.String(), again.Body.String())
	require.Equal(t, []string{"reference"}, requireProblem(t, b.do(receptionist, http.MethodPost, path+"/payments", with(payment, "amountMinor", 1)), 409, "conflict"))
	require.Contains(t, requireProblem(t, b.do(receptionist, http.MethodPost, path+"/payments", with(payment, "amountMinor", 0.5)), 422, "invalid"), "amountMinor")
	require.Equal(t, 1, b.events("billing.payment_received"))
	require.Equal(t, `"2"`, b.do(patient, http.MethodGet, path, nil).Header().Get("ETag"))
	requireProblem(t, b.do(receptionist, http.MethodPost, path+"/void", nil, "If-Match", `"2"`), 409, "conflict")

	refunds := "/api/billing/payments/" + decode(t, w)["id"].(string) + "/refunds"
	refund := map[string]any{"amountMinor": 1000, "reference": "re_1", "reopen": true}
	require.Equal(t, http.StatusCreated, b.do(admin, http.MethodPost, refunds, refund).Code)
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPost, refunds, refund).Code)
	require.Equal(t, []string{"amountMinor"}, requireProblem(t, b.do(admin, http.MethodPost, refunds, map[string]any{"amountMinor": 3251, "reference": "re_2", "reopen": true}), 409, "conflict"))
	require.Equal(t, 1, b.events("billing.refund_made"))
	got := decode(t, b.do(patient, http.MethodGet, path, nil))
	require.Equal(t, "partly_paid", got["status"])
	require.EqualValues(t, 3250, got["paidMinor"])
	require.EqualValues(t, 1000, got["balanceMinor"])
	requireProblem(t, b.do(admin, http.MethodPost, strings.Replace(refunds, "/api/billing/payments/", "/api/billing/payments/x", 1), refund), 422, "invalid")
	requireProblem(t, b.do(admin, http.MethodPost, "/api/billing/payments/"+uuid.NewString()+"/refunds", refund), 404, "not_found")
}
