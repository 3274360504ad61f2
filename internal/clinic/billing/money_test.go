package billing_test

import (
	"reflect"
	"testing"

	"github.com/bojanz/currency"
	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/billing"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

func TestInvoices_HaveTheCurrencysMinorDigits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for code, want := range map[string]int{"EUR": 2, "USD": 2, "JPY": 0, "KRW": 0, "KWD": 3, "IQD": 3, "AFN": 2, "UGX": 0, "SLE": 2, "VES": 2} {
		n := b.draft()
		n.Currency, n.Number = code, nil
		issued, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
		require.NoError(t, err, code)
		require.Equal(t, want, issued.MinorDigits, code)
		got, err := b.bills.Get(t.Context(), by(b.receptionist), issued.ID)
		require.NoError(t, err)
		require.Equal(t, want, got.MinorDigits, code)
	}
}

// The digits decide what a stored amount means, so an update of the library must not change them.
// The table is ISO 4217's list one, with its amendments up to 2026.
func TestDigits_AreThoseOfISO4217(t *testing.T) {
	t.Parallel()
	exceptions := map[string]int{
		"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0,
		"XAF": 0, "XOF": 0, "XPF": 0,
		"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	}
	inUse := 0
	for _, code := range currency.GetCurrencyCodes() {
		digits, ok := billing.MinorDigits(code)
		if !ok {
			continue
		}
		inUse++
		want, exception := exceptions[code]
		if !exception {
			want = 2
		}
		require.Equal(t, want, digits, code)
	}
	require.Equal(t, 154, inUse, "currencies in use")
	for code := range exceptions {
		_, ok := billing.MinorDigits(code)
		require.True(t, ok, code)
	}
	for _, code := range []string{"MRU", "SLE", "VED", "VES", "XCG", "ZWG"} {
		_, ok := billing.MinorDigits(code)
		require.True(t, ok, "%s was introduced after 2017", code)
	}
	for _, code := range []string{"ANG", "BGN", "CUC", "HRK", "MRO", "SLL", "VEF", "XAU", "XTS", "XXX", "CLF", "eur", ""} {
		_, ok := billing.MinorDigits(code)
		require.False(t, ok, "%s is not a currency in use", code)
	}
}

// floats returns the paths below a type that lead to floating-point numbers.
func floats(typ reflect.Type, path string, seen map[reflect.Type]bool) (found []string) {
	if seen[typ] {
		return nil
	}
	seen[typ] = true
	switch typ.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128, reflect.Interface:
		found = append(found, path)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		found = floats(typ.Elem(), path, seen)
	case reflect.Map:
		found = append(floats(typ.Key(), path, seen), floats(typ.Elem(), path, seen)...)
	case reflect.Struct:
		if typ.PkgPath() == "time" {
			return nil
		}
		for f := range typ.Fields() {
			found = append(found, floats(f.Type, path+"."+f.Name, seen)...)
		}
	default:
	}
	delete(seen, typ)
	return found
}

func TestMoney_IsNeverAFloat(t *testing.T) {
	t.Parallel()
	for _, typ := range []reflect.Type{
		reflect.TypeFor[billing.Invoice](), reflect.TypeFor[billing.Page](), reflect.TypeFor[billing.Payment](), reflect.TypeFor[billing.Refund](),
		reflect.TypeFor[billing.NewInvoice](), reflect.TypeFor[billing.NewPayment](), reflect.TypeFor[billing.NewRefund](),
		reflect.TypeFor[event.Billing](), reflect.TypeFor[event.BillingDue](), reflect.TypeFor[db.Invoice](), reflect.TypeFor[db.InvoiceLine](), reflect.TypeFor[db.Payment](), reflect.TypeFor[db.Refund](),
		reflect.TypeFor[db.InvoiceSettleParams](), reflect.TypeFor[db.InvoiceInsertParams](), reflect.TypeFor[db.InvoiceLineInsertParams](),
		reflect.TypeFor[billing.NewCreditNote](), reflect.TypeFor[billing.Statement](), reflect.TypeFor[db.CreditNote](), reflect.TypeFor[db.CreditNoteLine](),
		reflect.TypeFor[db.CreditNoteInsertParams](), reflect.TypeFor[db.StatementReadRow](),
	} {
		require.Empty(t, floats(typ, typ.String(), map[reflect.Type]bool{}))
	}
	type wrong struct{ Lines []*struct{ Amount float64 } }
	require.Equal(t, []string{"x.Lines.Amount"}, floats(reflect.TypeFor[wrong](), "x", map[reflect.Type]bool{}), "the search works")
	// Nor does the database store one.
	b := setup(t)
	require.Zero(t, b.Count(t, `information_schema.columns WHERE table_name IN ('invoices', 'invoice_lines', 'payments', 'refunds', 'credit_notes', 'credit_note_lines', 'statement_entries')
		AND data_type IN ('real', 'double precision', 'numeric', 'money')`))
}
