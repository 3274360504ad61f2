package billing_test

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/clinic/billing"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

func TestInvoices_SayHowManyDigitsTheCurrencyHas(t *testing.T) {
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

// floats gives the paths below a type that lead to a number that is not whole.
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

func TestMoney_IsNowhereAFraction(t *testing.T) {
	t.Parallel()
	for _, typ := range []reflect.Type{
		reflect.TypeFor[billing.Invoice](), reflect.TypeFor[billing.Page](), reflect.TypeFor[billing.Payment](), reflect.TypeFor[billing.Refund](),
		reflect.TypeFor[billing.NewInvoice](), reflect.TypeFor[billing.NewPayment](), reflect.TypeFor[billing.NewRefund](),
		reflect.TypeFor[event.Billing](), reflect.TypeFor[db.Invoice](), reflect.TypeFor[db.InvoiceLine](), reflect.TypeFor[db.Payment](), reflect.TypeFor[db.Refund](),
		reflect.TypeFor[db.InvoiceSettleParams](), reflect.TypeFor[db.InvoiceInsertParams](), reflect.TypeFor[db.InvoiceLineInsertParams](),
		reflect.TypeFor[billing.NewCreditNote](), reflect.TypeFor[billing.Statement](), reflect.TypeFor[db.CreditNote](), reflect.TypeFor[db.CreditNoteLine](),
		reflect.TypeFor[db.CreditNoteInsertParams](), reflect.TypeFor[db.StatementEntryListRow](),
	} {
		require.Empty(t, floats(typ, typ.String(), map[reflect.Type]bool{}))
	}
	type wrong struct{ Lines []*struct{ Amount float64 } }
	require.Equal(t, []string{"x.Lines.Amount"}, floats(reflect.TypeFor[wrong](), "x", map[reflect.Type]bool{}), "the search finds one")
	// Neither does the database keep one.
	b := setup(t)
	require.Zero(t, b.Count(t, `information_schema.columns WHERE table_name IN ('invoices', 'invoice_lines', 'payments', 'refunds', 'credit_notes', 'credit_note_lines', 'statement_entries')
		AND data_type IN ('real', 'double precision', 'numeric', 'money')`))
}
