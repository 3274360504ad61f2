package billing

import (
	"slices"

	"github.com/bojanz/currency"
)

// notMoney are codes of the library's list that nothing is paid in: funds codes and units of
// account (ISO 4217), and the Salvadoran colón, which the US dollar replaced in 2001.
var notMoney = []string{"BOV", "CHE", "CHW", "CLF", "COU", "MXV", "SVC", "USN", "UYI", "UYW", "XAD"}

// MinorDigits returns the number of decimal digits of the currency's minor unit by ISO 4217, and
// reports whether the code is of a currency in use.
func MinorDigits(code string) (int, bool) { return digits(code), isInUse(code) }

// isInUse reports whether the code, in capitals, is of a currency in use. Codes of precious metals,
// units of account, tests (XTS) and no currency (XXX) are not.
func isInUse(code string) bool {
	_, ok := currency.GetDigits(code)
	return ok && !slices.Contains(notMoney, code)
}

// digits returns the number of decimal digits of the currency's minor unit. It is 2 for a currency
// that is no longer in use. TestDigits_AreThoseOfISO4217 compares it with ISO 4217: CLDR, the
// library's source, may differ.
func digits(code string) int {
	if n, ok := currency.GetDigits(code); ok {
		return int(n)
	}
	return 2
}
