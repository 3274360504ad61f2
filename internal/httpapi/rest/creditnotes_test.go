package rest_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

const statementsPath = "/api/billing/statements"

// creditNote is a credit note over the amount.
func creditNote(minor int64) map[string]any {
	return map[string]any{"reason": "Goodwill", "lines": []any{map[string]any{"description": "Goodwill", "quantity": 1, "unitMinor": minor}}}
}

// create makes a request that creates something, and returns the answer.
func (b *bundle) create(as, path string, body any, headers ...string) map[string]any {
	b.t.Helper()
	w := b.do(as, http.MethodPost, path, body, headers...)
	require.Equal(b.t, http.StatusCreated, w.Code, "%s", w.Body)
	return decode(b.t, w)
}

// pays records a payment of the invoice, and returns where its refunds go.
func (b *bundle) pays(invoice string, minor int64, reference string) (refunds string) {
	b.t.Helper()
	p := b.create(receptionist, invoice+"/payments", map[string]any{"amountMinor": minor, "provider": "stripe", "reference": reference})
	return "/api/billing/payments/" + p["id"].(string) + "/refunds"
}

func (b *bundle) statement(as string, more string) map[string]any {
	b.t.Helper()
	w := b.do(as, http.MethodGet, statementsPath+"?patientId="+b.ids[patient].String()+"&clinicId="+b.clinicID.String()+more, nil)
	require.Equal(b.t, http.StatusOK, w.Code, "%s", w.Body)
	return decode(b.t, w)
}

func TestRefunds_LeaveNothingOwedUnlessTheyReopen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.issueInvoice()
	refunds := b.pays(path, 4250, "pi_1")
	made := b.create(receptionist, refunds, map[string]any{"amountMinor": 4250, "reference": "re_1", "reason": "Visit cancelled"})
	require.Equal(t, false, made["reopened"])
	got := decode(t, b.do(patient, http.MethodGet, path, nil))
	require.Equal(t, "credited", got["status"])
	require.EqualValues(t, 0, got["balanceMinor"])
	require.EqualValues(t, 4250, got["creditedMinor"])
	note := got["creditNotes"].([]any)[0].(map[string]any)
	require.Equal(t, made["creditNoteId"], note["id"])
	require.Equal(t, "CN-1", note["number"])
	require.Equal(t, "Visit cancelled", note["reason"])
	require.Equal(t, got["lines"], note["lines"], "all of the invoice was credited")
	require.Equal(t, 1, b.events("billing.refund_made"))
	require.Equal(t, 1, b.events("billing.credit_note_issued"))
	void := b.do(receptionist, http.MethodPost, path+"/void", nil, "If-Match", `"4"`)
	requireProblem(t, void, 409, "conflict")
	require.Contains(t, void.Body.String(), "does not need to be voided")

	path = b.issueInvoice()
	refunds = b.pays(path, 4250, "pi_2")
	require.Equal(t, true, b.create(receptionist, refunds, map[string]any{"amountMinor": 4250, "reference": "re_2", "reopen": true})["reopened"])
	got = decode(t, b.do(patient, http.MethodGet, path, nil))
	require.Equal(t, "issued", got["status"])
	require.EqualValues(t, 4250, got["balanceMinor"])
	require.Empty(t, got["creditNotes"])
	require.Equal(t, 1, b.events("billing.credit_note_issued"))
	paid := b.do(receptionist, http.MethodPost, path+"/void", nil, "If-Match", `"3"`)
	requireProblem(t, paid, 409, "conflict")
	require.Contains(t, paid.Body.String(), "issue a credit note")
}

func TestCreditNotes_LowerTheBalanceAndAreKeptFromOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.issueInvoice()
	note := b.create(receptionist, path+"/credit-notes", creditNote(1250))
	require.EqualValues(t, 1250, note["totalMinor"])
	got := decode(t, b.do(patient, http.MethodGet, path, nil))
	require.EqualValues(t, 3000, got["balanceMinor"])
	require.Equal(t, []any{note}, got["creditNotes"])
	require.Equal(t, "issued", got["status"])
	b.pays(path, 3000, "pi_1")
	require.Equal(t, "paid", decode(t, b.do(patient, http.MethodGet, path, nil))["status"])
	require.Equal(t, []string{"lines"}, requireProblem(t, b.do(receptionist, http.MethodPost, path+"/credit-notes", creditNote(3001)), 409, "conflict"))
	require.Equal(t, []string{"reason"}, requireProblem(t, b.do(receptionist, http.MethodPost, path+"/credit-notes", with(creditNote(1), "reason", "")), 422, "invalid"))
	b.create(admin, path+"/credit-notes", creditNote(3000))
	got = decode(t, b.do(patient, http.MethodGet, path, nil))
	require.Equal(t, "credited", got["status"])
	require.EqualValues(t, 3000, got["excessMinor"], "paid, and owed no longer")
	require.Len(t, decode(t, b.do(receptionist, http.MethodGet, invoicesPath+"?status=credited", nil))["items"], 1)
	requireProblem(t, b.do(patient, http.MethodPost, path+"/credit-notes", creditNote(1)), 403, "forbidden")
	requireProblem(t, b.do(doctor, http.MethodPost, path+"/credit-notes", creditNote(1)), 404, "not_found")
	requireProblem(t, b.do(receptionist, http.MethodPost, invoicesPath+"/"+uuid.NewString()+"/credit-notes", creditNote(1)), 404, "not_found")
}

func TestPayments_BeyondTheBalanceBecomeCreditThatPaysAndIsRefunded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.issueInvoice(), b.issueInvoice()
	refunds := b.pays(first, 5000, "pi_1")
	got := decode(t, b.do(patient, http.MethodGet, first, nil))
	require.Equal(t, "paid", got["status"])
	require.EqualValues(t, 4250, got["paidMinor"])
	require.EqualValues(t, 750, got["excessMinor"])
	require.EqualValues(t, 750, b.statement(patient, "")["creditMinor"])
	draw := map[string]any{"amountMinor": 751, "provider": "credit"}
	require.Equal(t, []string{"amountMinor"}, requireProblem(t, b.do(receptionist, http.MethodPost, second+"/payments", draw), 409, "conflict"))
	b.create(receptionist, second+"/payments", with(draw, "amountMinor", 500))
	require.EqualValues(t, 3750, decode(t, b.do(patient, http.MethodGet, second, nil))["balanceMinor"])
	require.Equal(t, []string{"amountMinor"}, requireProblem(t, b.do(receptionist, http.MethodPost, refunds, map[string]any{"amountMinor": 5000, "reference": "re_1"}), 409, "conflict"))
	back := b.create(receptionist, refunds, map[string]any{"amountMinor": 250, "reference": "re_1"})
	require.NotContains(t, back, "creditNoteId", "it was never owed")
	require.EqualValues(t, 0, b.statement(patient, "")["creditMinor"])
	require.Equal(t, "paid", decode(t, b.do(patient, http.MethodGet, first, nil))["status"])
}

func TestPayments_ReferencesOfOneClinicAreNothingToAnother(t *testing.T) {
	t.Parallel()
	w := setupWalk(t)
	b := w.bundle
	refunds := b.pays(b.issueInvoice(), 4250, "R-1")
	made := b.create(awayReceptionist, invoicesPath, with(with(b.invoice(), "clinicId", w.other), "patientId", b.ids[awayPatient]))
	path := invoicesPath + "/" + made["id"].(string)
	p := b.create(awayReceptionist, path+"/payments", map[string]any{"amountMinor": 4250, "provider": "stripe", "reference": "R-1"})
	b.create(receptionist, refunds, map[string]any{"amountMinor": 1, "reference": "R-2"})
	b.create(awayReceptionist, "/api/billing/payments/"+p["id"].(string)+"/refunds", map[string]any{"amountMinor": 1, "reference": "R-2"})
}

func TestPayments_InCashNeedNoReferenceAndAKeyMakesThemOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.issueInvoice()
	cash := map[string]any{"amountMinor": 100, "provider": "cash"}
	one, two := b.create(receptionist, path+"/payments", cash), b.create(receptionist, path+"/payments", cash)
	require.NotEqual(t, one["id"], two["id"], "two receipts over the same amount are two payments")
	keyed := b.create(receptionist, path+"/payments", cash, "Idempotency-Key", "desk-1")
	require.Equal(t, keyed, b.create(receptionist, path+"/payments", cash, "Idempotency-Key", "desk-1"))
	require.Equal(t, 3, b.events("billing.payment_received"))
	refunds, refund := "/api/billing/payments/"+keyed["id"].(string)+"/refunds", map[string]any{"amountMinor": 10}
	back := b.create(receptionist, refunds, refund, "Idempotency-Key", "desk-2")
	require.Equal(t, back, b.create(receptionist, refunds, refund, "Idempotency-Key", "desk-2"))
	require.Equal(t, 1, b.events("billing.refund_made"))
	for _, key := range [][]string{nil, {"Idempotency-Key", "desk-3"}} {
		require.Equal(t, []string{"reference"}, requireProblem(t, b.do(receptionist, http.MethodPost, path+"/payments", with(cash, "provider", "stripe"), key...), 422, "invalid"))
		named := b.pays(path, 1, "pi"+uuid.NewString())
		require.Equal(t, []string{"reference"}, requireProblem(t, b.do(receptionist, http.MethodPost, named, map[string]any{"amountMinor": 1}, key...), 422, "invalid"))
	}
}

func TestInvoices_AddDiscountAndTaxToEachLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	line := map[string]any{"description": "Blood panel", "quantity": 1, "unitMinor": 1001, "discountBps": 500, "taxBps": 1900}
	made := b.create(receptionist, invoicesPath, with(b.invoice(), "lines", []any{line}))
	// 1001 less 5 % is 950.95, 19 % of 951 is 180.69.
	require.EqualValues(t, 951, made["netMinor"])
	require.EqualValues(t, 181, made["taxMinor"])
	require.EqualValues(t, 1132, made["totalMinor"])
	got := made["lines"].([]any)[0].(map[string]any)
	require.EqualValues(t, 951, got["netMinor"])
	require.EqualValues(t, 181, got["taxMinor"])
	require.EqualValues(t, 500, got["discountBps"])
	require.Equal(t, made, decode(t, b.do(patient, http.MethodGet, invoicesPath+"/"+made["id"].(string), nil)))
}

func TestInvoices_AreForThoseWhoWerePatientsToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.db.Owner.Exec(t.Context(), `UPDATE memberships SET revoked_at = now() WHERE user_id = $1 AND role = $2`, b.ids[patient], care.Patient)
	require.NoError(t, err)
	b.pays(b.issueInvoice(), 4250, "pi_1")
	_, err = b.db.Owner.Exec(t.Context(), `UPDATE users SET status = 'disabled' WHERE id = $1`, b.ids[patient])
	require.NoError(t, err)
	b.issueInvoice()
	require.Len(t, b.statement(receptionist, "")["items"], 3)
}

func TestStatements_ShowTheAccountWithItsBalances(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := b.issueInvoice()
	refunds := b.pays(path, 5000, "pi_1")
	b.create(receptionist, refunds, map[string]any{"amountMinor": 1750, "reference": "re_1"})
	reads := b.events("record.read")
	st := b.statement(patient, "&currency=EUR")
	require.Equal(t, reads+1, b.events("record.read"))
	var kinds []string
	var balances []float64
	for _, item := range st["items"].([]any) {
		entry := item.(map[string]any)
		kinds, balances = append(kinds, entry["type"].(string)), append(balances, entry["balanceMinor"].(float64))
	}
	require.Equal(t, []string{"invoice_issued", "payment_received", "refund_made", "credit_note_issued"}, kinds)
	require.Equal(t, []float64{4250, -750, 1000, 0}, balances)
	require.EqualValues(t, 0, st["openingBalanceMinor"])
	require.EqualValues(t, 0, st["closingBalanceMinor"])
	page := b.statement(receptionist, "&limit=3")
	require.Len(t, page["items"], 3)
	require.Equal(t, st["items"].([]any)[3:], b.statement(receptionist, "&limit=3&cursor="+page["next"].(string))["items"])
	require.Empty(t, b.statement(admin, "&to=2020-01-01")["items"])
	for _, who := range []string{doctor, nurse, auditor, operator} {
		requireProblem(t, b.do(who, http.MethodGet, statementsPath+"?patientId="+b.ids[patient].String()+"&clinicId="+b.clinicID.String(), nil), 404, "not_found")
	}
	for query, field := range map[string]string{
		"?patientId=" + b.ids[patient].String(): "clinicId", "?clinicId=" + b.clinicID.String(): "patientId",
		"?patientId=" + b.ids[patient].String() + "&clinicId=" + b.clinicID.String() + "&from=2026-13-01": "from",
	} {
		fields := requireProblem(t, b.do(receptionist, http.MethodGet, statementsPath+query, nil), 422, "invalid")
		require.Equal(t, []string{field}, slices.Compact(fields))
	}
}

func TestRefunds_OfAPartCreditItsTaxToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	line := map[string]any{"description": "Blood panel", "quantity": 1, "unitMinor": 10000, "taxBps": 1900}
	path := invoicesPath + "/" + b.create(receptionist, invoicesPath, with(b.invoice(), "lines", []any{line}))["id"].(string)
	b.create(receptionist, b.pays(path, 11900, "pi_1"), map[string]any{"amountMinor": 1190, "reference": "re_1"})
	got := decode(t, b.do(patient, http.MethodGet, path, nil))
	require.Equal(t, "paid", got["status"])
	note := got["creditNotes"].([]any)[0].(map[string]any)
	require.EqualValues(t, 1000, note["netMinor"])
	require.EqualValues(t, 190, note["taxMinor"])
}
