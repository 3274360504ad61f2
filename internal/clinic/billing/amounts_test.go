package billing_test

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/clinic/billing"
)

// roundedShare returns amount times bps divided by 10,000, rounded half away from zero, with
// arbitrary precision.
func roundedShare(amount *big.Int, bps int64) *big.Int {
	n := new(big.Int).Mul(amount, big.NewInt(bps))
	return n.Add(n, big.NewInt(5000)).Div(n, big.NewInt(10000))
}

var (
	quantities = rapid.OneOf(rapid.Int32Range(1, 100_000), rapid.Just[int32](1), rapid.Just[int32](100_000))
	units      = rapid.OneOf(rapid.Int64Range(0, 999_999_999_999), rapid.Int64Range(0, 20_000), rapid.Just[int64](999_999_999_999))
	discounts  = rapid.OneOf(rapid.Int32Range(0, 10_000), rapid.SampledFrom([]int32{0, 1, 5000, 9999, 10_000}))
	taxes      = rapid.OneOf(rapid.Int32Range(0, 100_000), rapid.SampledFrom([]int32{0, 1, 700, 1900, 2500, 100_000}))
)

func aLine(t *rapid.T) billing.Line {
	return billing.Line{
		Description: "x", Quantity: quantities.Draw(t, "quantity"), UnitMinor: units.Draw(t, "unit"),
		DiscountBps: discounts.Draw(t, "discount"), TaxBps: taxes.Draw(t, "tax"),
	}
}

func TestAmounts_OfALineAreRoundedHalfAwayFromZero(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := aLine(t)
		charged := billing.Charge(l)
		gross := new(big.Int).Mul(big.NewInt(int64(l.Quantity)), big.NewInt(l.UnitMinor))
		net := roundedShare(gross, 10_000-int64(l.DiscountBps))
		require.Equal(t, net.String(), big.NewInt(charged.NetMinor).String())
		require.Equal(t, roundedShare(net, int64(l.TaxBps)).String(), big.NewInt(charged.TaxMinor).String())
	})
	for _, c := range []struct {
		unit          int64
		discount, tax int32
		net, vat      int64
	}{
		{1, 5000, 0, 1, 0},  // 0.5
		{3, 5000, 0, 2, 0},  // 1.5
		{1, 5001, 0, 0, 0},  // 0.4999
		{50, 0, 100, 50, 1}, // 0.5
		{49, 0, 100, 49, 0}, // 0.49
		{1000, 250, 1900, 975, 185},
		{1000, 10_000, 1900, 0, 0},
	} {
		got := billing.Charge(billing.Line{Quantity: 1, UnitMinor: c.unit, DiscountBps: c.discount, TaxBps: c.tax})
		require.Equal(t, []int64{c.net, c.vat}, []int64{got.NetMinor, got.TaxMinor}, "%+v", c)
	}
}

func TestAmounts_PassTheChecksOfTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var charged []billing.ChargedLine
	rapid.Check(t, func(t *rapid.T) { charged = append(charged, billing.Charge(aLine(t))) })
	var quantities, discounts, taxes []int32
	var units, nets, vats []int64
	for _, c := range charged {
		quantities, discounts, taxes = append(quantities, c.Quantity), append(discounts, c.DiscountBps), append(taxes, c.TaxBps)
		units, nets, vats = append(units, c.UnitMinor), append(nets, c.NetMinor), append(vats, c.TaxMinor)
	}
	// Without its keys and triggers the table has its checks alone.
	b.exec(t, "CREATE TABLE checked (LIKE invoice_lines INCLUDING CONSTRAINTS)")
	insert := `INSERT INTO checked (invoice_id, line, description, quantity, unit_minor, discount_bps, tax_bps, amount_minor, tax_minor)
		SELECT gen_random_uuid(), 1, 'x', unnest($1::integer[]), unnest($2::bigint[]), unnest($3::integer[]), unnest($4::integer[]), unnest($5::bigint[]), unnest($6::bigint[])`
	b.exec(t, insert, quantities, units, discounts, taxes, nets, vats)
	require.Equal(t, len(charged), b.count(t, "checked"))
	for _, wrong := range []*[]int64{&nets, &vats} {
		(*wrong)[0]++
		_, err := b.db.Owner.Exec(t.Context(), insert, quantities, units, discounts, taxes, nets, vats)
		require.ErrorContains(t, err, "invoice_lines_")
		(*wrong)[0]--
	}
}

func TestIssue_AppliesDiscountAndTaxPerLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := b.draft()
	n.Lines[0].DiscountBps, n.Lines[0].TaxBps, n.Lines[1].TaxBps = 1250, 1900, 700
	i, err := b.bills.Issue(t.Context(), by(b.receptionist), n)
	require.NoError(t, err)
	require.Equal(t, []int64{5250, 998}, []int64{i.Lines[0].NetMinor, i.Lines[0].TaxMinor}, "997.5 is rounded up")
	require.Equal(t, []int64{4000, 280}, []int64{i.Lines[1].NetMinor, i.Lines[1].TaxMinor})
	require.Equal(t, []int64{9250, 1278, 10528, 10528}, []int64{i.NetMinor, i.TaxMinor, i.TotalMinor, i.BalanceMinor})
	require.Equal(t, i, b.get(t, i.ID))
	free := b.draft()
	free.Lines = []billing.Line{{Description: "x", Quantity: 1, UnitMinor: 1, DiscountBps: 10_000}}
	_, err = b.bills.Issue(t.Context(), by(b.receptionist), free)
	requireCode(t, err, "invalid", "lines")
}

func TestRefundLines_AddUpToTheRefundWithTheTaxesOfTheInvoice(t *testing.T) {
	t.Parallel()
	total := func(lines []billing.Line) (sum int64) {
		for _, l := range lines {
			c := billing.Charge(l)
			sum += c.NetMinor + c.TaxMinor
		}
		return sum
	}
	rapid.Check(t, func(t *rapid.T) {
		var lines []billing.Line
		for range rapid.IntRange(1, 5).Draw(t, "lines") {
			lines = append(lines, billing.Line{
				Quantity: 1, UnitMinor: rapid.Int64Range(1, 199_999_999_999).Draw(t, "unit"), TaxBps: rapid.SampledFrom([]int32{0, 700, 1900, 100_000}).Draw(t, "tax"),
			})
		}
		minor := rapid.Int64Range(1, total(lines)).Draw(t, "refund")
		got := billing.RefundLines(lines, minor)
		require.Equal(t, minor, total(got))
		for _, l := range got {
			require.Positive(t, l.UnitMinor)
			if l.Description == "Rounding" {
				require.Less(t, l.UnitMinor, int64(60), "a few units for each rate")
			}
		}
	})
	require.Equal(t, []billing.Line{{Description: "Refund", Quantity: 1, UnitMinor: 1000, TaxBps: 1900}},
		billing.RefundLines([]billing.Line{{Quantity: 1, UnitMinor: 5000, TaxBps: 1900}}, 1190))
	require.Equal(t, []billing.Line{{Description: "Refund", Quantity: 1, UnitMinor: 1000}},
		billing.RefundLines([]billing.Line{{Quantity: 2, UnitMinor: 5000}}, 1000))
	require.Equal(t, []billing.Line{{Description: "Refund", Quantity: 1, UnitMinor: 500}, {Description: "Refund", Quantity: 1, UnitMinor: 467, TaxBps: 700}},
		billing.RefundLines([]billing.Line{{Quantity: 1, UnitMinor: 10_000}, {Quantity: 1, UnitMinor: 9346, TaxBps: 700}}, 1000))
	require.Equal(t, "Rounding", billing.RefundLines([]billing.Line{{Quantity: 1, UnitMinor: 5000, TaxBps: 1900}}, 3)[1].Description, "no net amount comes to 3 with its tax")
}
