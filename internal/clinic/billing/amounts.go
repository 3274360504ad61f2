package billing

import (
	"math/big"

	"carewire/internal/postgres/db"
)

// wholeBps is 100 % in basis points.
const wholeBps = 10_000

// share returns that many basis points of an amount, rounded to a whole minor unit, half away from
// zero. The amount is at least 0 and at most 10^17, bps at most 100,000: nothing here exceeds 1.1 *
// 10^18.
func share(minor int64, bps int32) int64 {
	whole, rest := minor/wholeBps, minor%wholeBps
	return whole*int64(bps) + (rest*int64(bps)+wholeBps/2)/wholeBps
}

// netOf returns the largest net amount that does not exceed the amount once tax is added. The
// amount is below 10^15.
func netOf(minor int64, taxBps int32) int64 {
	whole := int64(wholeBps + taxBps)
	net := minor/whole*wholeBps + minor%whole*wholeBps/whole
	for net > 0 && net+share(net, taxBps) > minor {
		net--
	}
	for net+1+share(net+1, taxBps) <= minor {
		net++
	}
	return net
}

// proportion returns minor * part / total, rounded down.
func proportion(minor, part, total int64) int64 {
	n := big.NewInt(minor)
	return n.Mul(n, big.NewInt(part)).Quo(n, big.NewInt(total)).Int64()
}

// charge returns the line with its amounts: quantity times price less the discount, and the tax on
// that, each rounded.
func charge(l Line) ChargedLine {
	net := share(int64(l.Quantity)*l.UnitMinor, wholeBps-l.DiscountBps)
	return ChargedLine{Line: l, NetMinor: net, TaxMinor: share(net, l.TaxBps)}
}

func chargeAll(lines []Line) []ChargedLine {
	charged := make([]ChargedLine, len(lines))
	for i, l := range lines {
		charged[i] = charge(l)
	}
	return charged
}

func sums(lines []ChargedLine) (net, tax int64) {
	for _, l := range lines {
		net += l.NetMinor
		tax += l.TaxMinor
	}
	return net, tax
}

// amounts are the amounts of an issued invoice. Payments less refunds are paid + excess: paid
// counts towards the balance; excess exceeds the amount owed and belongs to the patient's credit.
type amounts struct{ total, credited, paid, excess int64 }

func amountsOf(row db.Invoice) amounts {
	return amounts{total: row.TotalMinor, credited: row.CreditedMinor, paid: row.PaidMinor, excess: row.ExcessMinor}
}

// balance returns the amount still owed. It is never negative.
func (a amounts) balance() int64 { return a.total - a.credited - a.paid }

// pay adds a payment. The part that exceeds the balance is excess.
func (a *amounts) pay(minor int64) {
	settled := min(minor, a.balance())
	a.paid += settled
	a.excess += minor - settled
}

// credit adds a credit note of at most total - credited. Payments of an amount that is no longer
// owed become excess.
func (a *amounts) credit(minor int64) {
	over := max(0, minor-a.balance())
	a.credited += minor
	a.paid -= over
	a.excess += over
}

// refund subtracts a refund. It is taken from the excess first, as far as the patient's credit
// still includes it, then from the amount paid. It returns the latter part, and reports whether
// that much was paid.
func (a *amounts) refund(minor, credit int64) (fromPaid int64, ok bool) {
	fromExcess := min(minor, a.excess, credit)
	fromPaid = minor - fromExcess
	if fromPaid > a.paid {
		return fromPaid, false
	}
	a.excess -= fromExcess
	a.paid -= fromPaid
	return fromPaid, true
}

// statusOf returns the status of an issued invoice. It follows from the amounts alone, so this is
// every transition except voiding. StatusIssued and StatusPartlyPaid have a balance. Without a
// balance an invoice is StatusPaid if a payment was made and not refunded, else StatusCredited.
func statusOf(a amounts) string {
	switch {
	case a.balance() > 0 && a.paid == 0:
		return StatusIssued
	case a.balance() > 0:
		return StatusPartlyPaid
	case a.paid > 0:
		return StatusPaid
	default:
		return StatusCredited
	}
}
