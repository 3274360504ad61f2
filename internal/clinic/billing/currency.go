package billing

import (
	"slices"

	"github.com/bojanz/currency"
	historic "golang.org/x/text/currency"
)

// notMoney are codes of the library's list that nothing is paid in: funds codes and units of
// account (ISO 4217), and the Salvadoran colón, which the US dollar replaced in 2001.
var notMoney = []string{"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "SVC", "USN", "UYI", "UYW", "XAD"}

// MinorDigits returns the number of decimal digits of the currency's minor unit by ISO 4217, and
// reports whether the code is of a currency in use.
func MinorDigits(code string) (int, bool) { return digits(code), isInUse(code) }

// notCurrencies are the codes of ISO 4217 that were never paid in: funds codes and units of
// account.
var notCurrencies = []string{"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "USN", "USS", "UYI", "UYW", "XAD"}

// HistoricDigits is MinorDigits for an invoice of the past: it also knows currencies that are no
// longer in use, such as DEM.
func HistoricDigits(code string) (int, bool) {
	if isInUse(code) {
		return digits(code), true
	}
	unit, err := historic.ParseISO(code)
	// Codes that begin with X are of metals, tests and no currency, unless they are in use (ISO 4217).
	if err != nil || unit.String() != code || code[0] == 'X' || slices.Contains(notCurrencies, code) {
		return 0, false
	}
	return digits(code), true
}

// isInUse reports whether the code, in capitals, is of a currency in use. Codes of precious metals,
// units of account, tests (XTS) and no currency (XXX) are not.
func isInUse(code string) bool {
	_, ok := currency.GetDigits(code)
	return ok && !slices.Contains(notMoney, code)
}

// digits returns the number of decimal digits of the currency's minor unit, by CLDR for a currency
// that is no longer in use. TestDigits_AreThoseOfISO4217 compares it with ISO 4217: CLDR, the
// library's source, may differ.
func digits(code string) int {
	if n, ok := currency.GetDigits(code); ok {
		return int(n)
	}
	unit, err := historic.ParseISO(code)
	if err != nil {
		return 2
	}
	scale, _ := historic.Standard.Rounding(unit)
	return scale
}
