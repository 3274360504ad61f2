package money

import (
	"cmp"
	"math/big"
	"regexp"

	"carewire/internal/clinic/billing"
	"carewire/internal/fhirimport/fhir"
)

// Price is the price of one item, nil if there is none, and its path.
type Price struct {
	Path    string
	Concept fhir.CodeableConcept
	Amount  *fhir.Money
}

// Charges are the lines of an invoice in one currency.
type Charges struct {
	Lines    []billing.Line
	Currency string
	// Rounded are the paths of the amounts with more digits than the currency's minor unit.
	Rounded []string
}

// SumUp returns a line for each item with a price if they add up to the total, else one line with
// the total. All amounts must be in one currency. An amount without a currency is in that of the
// others.
func SumUp(prices []Price, totalPath string, total *fhir.Money) (Charges, error) {
	var c Charges
	if err := c.setCurrency(prices, totalPath, total); err != nil {
		return c, err
	}
	var sum int64
	for _, p := range prices {
		if p.Amount == nil {
			continue
		}
		minor, err := c.minorUnits(p.Amount, p.Path)
		if err != nil {
			return c, err
		}
		c.Lines = append(c.Lines, billing.Line{Description: p.Concept.Label(), Quantity: 1, UnitMinor: minor})
		sum += minor
	}
	if total == nil {
		return c, nil
	}
	all, err := c.minorUnits(total, totalPath)
	if err != nil || (sum == all && len(c.Lines) > 0) {
		return c, err
	}
	description := "Service"
	if len(prices) > 0 {
		description = prices[0].Concept.Label()
	}
	c.Lines = []billing.Line{{Description: description, Quantity: 1, UnitMinor: all}}
	return c, nil
}

// setCurrency sets the one currency of all amounts.
func (c *Charges) setCurrency(prices []Price, totalPath string, total *fhir.Money) error {
	amounts := append([]Price{{Path: totalPath, Amount: total}}, prices...)
	found, path := false, totalPath
	for _, p := range amounts {
		switch {
		case p.Amount == nil:
			continue
		case c.Currency != "" && p.Amount.Currency != "" && p.Amount.Currency != c.Currency:
			return fhir.NewError(p.Path+".currency", "is not the currency of the other amounts; an invoice has one currency")
		case !found:
			path = p.Path
		}
		found = true
		if c.Currency == "" && p.Amount.Currency != "" {
			c.Currency, path = p.Amount.Currency, p.Path
		}
	}
	if !found {
		return fhir.NewError(totalPath, "is missing, and no item has a price")
	}
	if _, known := billing.HistoricDigits(c.Currency); !known {
		return fhir.NewError(path+".currency", "must be an ISO 4217 code of a currency, such as EUR")
	}
	return nil
}

// amountForm is a decimal number without a sign, of bounded size: FHIR R4 requires 18 digits.
var amountForm = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?$`)

// maxAmount is above any amount of an invoice, in the currency's main unit.
var maxAmount = big.NewRat(1_000_000_000_000, 1)

// minorUnits returns the amount in minor units of the currency. Half a unit is rounded up.
func (c *Charges) minorUnits(m *fhir.Money, path string) (int64, error) {
	value, ok := new(big.Rat), amountForm.MatchString(string(m.Value))
	if ok {
		_, ok = value.SetString(string(m.Value))
	}
	if !ok || value.Cmp(maxAmount) > 0 {
		return 0, fhir.NewError(path+".value", "must be an amount of 0 or more")
	}
	digits, _ := billing.HistoricDigits(cmp.Or(c.Currency, m.Currency))
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	value.Mul(value, new(big.Rat).SetInt(scale))
	if value.IsInt() {
		return value.Num().Int64(), nil
	}
	c.Rounded = append(c.Rounded, path+".value")
	// The floor of value + 1/2.
	value.Add(value, big.NewRat(1, 2))
	return new(big.Int).Quo(value.Num(), value.Denom()).Int64(), nil
}
