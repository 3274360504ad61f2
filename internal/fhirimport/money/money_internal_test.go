package money

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport/fhir"
)

func amount(value, currency string) *fhir.Money {
	return &fhir.Money{Value: json.Number(value), Currency: currency}
}

func TestSumUp_CalculatesInDecimalsOfOneCurrency(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prices []*fhir.Money
		total  *fhir.Money
		lines  []int64
		want   string
	}{
		"lines":            {[]*fhir.Money{amount("0.1", "EUR"), amount("0.2", "EUR")}, amount("0.3", "EUR"), []int64{10, 20}, "EUR"},
		"a large amount":   {[]*fhir.Money{amount("9007199254.74", "EUR")}, nil, []int64{900719925474}, "EUR"},
		"half a cent":      {[]*fhir.Money{amount("1.005", "EUR")}, nil, []int64{101}, "EUR"},
		"an exponent":      {[]*fhir.Money{amount("1.25e2", "EUR")}, nil, []int64{12500}, "EUR"},
		"other total":      {[]*fhir.Money{amount("1", "EUR"), amount("2", "EUR")}, amount("4", "EUR"), []int64{400}, "EUR"},
		"of the total":     {[]*fhir.Money{amount("1", "")}, amount("1", "CHF"), []int64{100}, "CHF"},
		"of another line":  {[]*fhir.Money{amount("1", ""), nil, amount("2", "CHF")}, nil, []int64{100, 200}, "CHF"},
		"without fraction": {[]*fhir.Money{amount("12", "ITL")}, nil, []int64{12}, "ITL"},
	} {
		var prices []Price
		for _, m := range c.prices {
			prices = append(prices, Price{"Claim.item[0].net", fhir.CodeableConcept{Text: "Visit"}, m})
		}
		got, err := SumUp(prices, "Claim.total", c.total)
		require.NoError(t, err, name)
		var lines []int64
		for _, l := range got.Lines {
			lines = append(lines, l.UnitMinor)
		}
		require.Equal(t, c.lines, lines, name)
		require.Equal(t, c.want, got.Currency, name)
		require.Equal(t, name == "half a cent", len(got.Rounded) == 1, name)
	}
}

func TestSumUp_RefusesByPath(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		line, total *fhir.Money
		path        string
	}{
		"mixed currencies":    {amount("1", "USD"), amount("1", "EUR"), "item.net.currency"},
		"no currency":         {amount("1", ""), nil, "item.net.currency"},
		"gold":                {amount("1", "XAU"), nil, "item.net.currency"},
		"a unit of account":   {nil, amount("1", "CLF"), "total.currency"},
		"an unknown currency": {nil, amount("1", "ABC"), "total.currency"},
		"lower case":          {nil, amount("1", "eur"), "total.currency"},
		"a negative amount":   {amount("-1", "EUR"), nil, "item.net.value"},
		"a huge amount":       {amount("1e99", "EUR"), nil, "item.net.value"},
		"a huge exponent":     {amount("1e999999999", "EUR"), nil, "item.net.value"},
		"no amount":           {nil, nil, "total"},
	} {
		_, err := SumUp([]Price{{"item.net", fhir.CodeableConcept{}, c.line}}, "total", c.total)
		var fault *fhir.Error
		require.ErrorAs(t, err, &fault, name)
		require.Equal(t, c.path, fault.Path, name)
	}
}
