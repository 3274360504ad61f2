package mapping

import (
	"cmp"
	"math/big"
	"regexp"

	"carewire/internal/clinic/billing"
	"carewire/internal/fhirimport/fhir"
)

// price is the price of one item, nil if there is none, and its path.
type price struct {
	path    string
	concept fhir.CodeableConcept
	amount  *fhir.Money
}

// charges are the lines of an invoice in one currency.
type charges struct {
	lines    []billing.Line
	currency string
	// rounded are the paths of the amounts with more digits than the currency's minor unit.
	rounded []string
}

// sumUp returns a line for each item with a price if they add up to the total, else one line with
// the total. All amounts must be in one currency. An amount without a currency is in that of the
// others.
func sumUp(prices []price, totalPath string, total *fhir.Money) (charges, error) {
	var c charges
	if err := c.setCurrency(prices, totalPath, total); err != nil {
		return c, err
	}
	var sum int64
	for _, p := range prices {
		if p.amount == nil {
			continue
		}
		minor, err := c.minorUnits(p.amount, p.path)
		if err != nil {
			return c, err
		}
		c.lines = append(c.lines, billing.Line{Description: p.concept.Label(), Quantity: 1, UnitMinor: minor})
		sum += minor
	}
	if total == nil {
		return c, nil
	}
	all, err := c.minorUnits(total, totalPath)
	if err != nil || (sum == all && len(c.lines) > 0) {
		return c, err
	}
	description := "Service"
	if len(prices) > 0 {
		description = prices[0].concept.Label()
	}
	c.lines = []billing.Line{{Description: description, Quantity: 1, UnitMinor: all}}
	return c, nil
}

// setCurrency sets the one currency of all amounts.
func (c *charges) setCurrency(prices []price, totalPath string, total *fhir.Money) error {
	amounts := append([]price{{path: totalPath, amount: total}}, prices...)
	found, path := false, totalPath
	for _, p := range amounts {
		switch {
		case p.amount == nil:
			continue
		case c.currency != "" && p.amount.Currency != "" && p.amount.Currency != c.currency:
			return fhir.NewError(p.path+".currency", "is not the currency of the other amounts; an invoice has one currency")
		case !found:
			path = p.path
		}
		found = true
		if c.currency == "" && p.amount.Currency != "" {
			c.currency, path = p.amount.Currency, p.path
		}
	}
	if !found {
		return fhir.NewError(totalPath, "is missing, and no item has a price")
	}
	if _, known := billing.HistoricDigits(c.currency); !known {
		return fhir.NewError(path+".currency", "must be an ISO 4217 code of a currency, such as EUR")
	}
	return nil
}

// amountForm is a decimal number without a sign, of bounded size: FHIR R4 requires 18 digits.
var amountForm = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?$`)

// maxAmount is above any amount of an invoice, in the currency's main unit.
var maxAmount = big.NewRat(1_000_000_000_000, 1)

// minorUnits returns the amount in minor units of the currency. Half a unit is rounded up.
func (c *charges) minorUnits(m *fhir.Money, path string) (int64, error) {
	value, ok := new(big.Rat), amountForm.MatchString(string(m.Value))
	if ok {
		_, ok = value.SetString(string(m.Value))
	}
	if !ok || value.Cmp(maxAmount) > 0 {
		return 0, fhir.NewError(path+".value", "must be an amount of 0 or more")
	}
	digits, _ := billing.HistoricDigits(cmp.Or(c.currency, m.Currency))
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	value.Mul(value, new(big.Rat).SetInt(scale))
	if value.IsInt() {
		return value.Num().Int64(), nil
	}
	c.rounded = append(c.rounded, path+".value")
	// The floor of value + 1/2.
	value.Add(value, big.NewRat(1, 2))
	return new(big.Int).Quo(value.Num(), value.Denom()).Int64(), nil
}

// note notes the amounts that were rounded.
func (c *charges) note(d *Draft) {
	for _, path := range c.rounded {
		d.Note(path, "has more digits than the currency's minor unit and was rounded")
	}
}
