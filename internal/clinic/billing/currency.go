package billing

import "golang.org/x/text/currency"

// introduced are currencies that ISO 4217 has and the tables of golang.org/x/text, which are of 2017, have not; withdrawn
// are those that are no money any more. Both are from the amendments to ISO 4217 from 2018 to 2026.
var (
	introduced = map[string]bool{"MRU": true, "SLE": true, "VED": true, "VES": true, "XCG": true, "ZWG": true}
	withdrawn  = map[string]bool{"ANG": true, "BGN": true, "CUC": true, "HRK": true, "MRO": true, "SLL": true, "VEF": true}
)

// tender are the currencies in which something can be paid somewhere today. The codes of precious metals, units of account,
// tests (XTS) and nothing (XXX) are none.
var inUse = func() map[string]bool {
	all := map[string]bool{}
	for it := currency.Query(); it.Next(); {
		if code := it.Unit().String(); !withdrawn[code] {
			all[code] = true
		}
	}
	for code := range introduced {
		all[code] = true
	}
	return all
}()

// minorDigits has the currencies whose minor unit is not a hundredth, by ISO 4217's list one. The tables of
// golang.org/x/text say for some how many digits are in daily use, which is another thing.
var minorDigits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0, "UGX": 0, "VND": 0, "VUV": 0,
	"XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

// MinorDigits is how many digits of an amount in minor units stand behind the decimal point; false for a code of no money
// that can be paid today.
func MinorDigits(code string) (int, bool) { return digits(code), isInUse(code) }

// known reports whether the code, in capitals, is of money that can be paid today.
func isInUse(code string) bool { return inUse[code] }

// digits is how many digits of an amount in minor units stand behind the decimal point.
func digits(code string) int {
	if n, ok := minorDigits[code]; ok {
		return n
	}
	return 2
}
