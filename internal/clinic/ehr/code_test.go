package ehr

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestCodes_AreCheckedByTheFormatOfTheirSystem(t *testing.T) {
	t.Parallel()
	for system, c := range map[string]struct{ good, bad []string }{
		loinc: {
			[]string{"2823-3", "24323-8", "85354-9", "8480-6", "72514-3", "1-8", "LA6576-8", "LP14635-4"},
			[]string{"2823-4", "2832-3", "2823", "28233", "2823-33", "2823–3", "12345678-1", " 2823-3", "LX1-1"},
		},
		snomed: {
			[]string{"38341003", "91935009", "80146002", "22298006", "39579001"},
			[]string{"38341004", "38340103", "83341003", "12345", "038341003", "1234567890123456789", "38341003 ", "38341003|x|", "abc"},
		},
		rxNorm: {[]string{"314076", "7", "10379725"}, []string{"0314076", "RX314076", "1234567890", "31 4076"}},
		icd10:  {[]string{"I10", "E11.9", "K35.8", "M53.88", "U07.1", "A17.0+", "G01*"}, []string{"i10", "10I", "E11.", "E1", "E11.99999", "123457", "E11-9"}},
		icd10C: {[]string{"E11.65", "S72.001A", "C7A.00", "E119"}, []string{"S72.001AXX", "e11.65"}},
		cvx:    {[]string{"140", "08", "1"}, []string{"1400", "CVX140", "1.4"}},
		ucum: {
			[]string{"mmol/L", "mm[Hg]", "/min", "10*3/uL", "kg/m2", "{score}", "mL/min/{1.73_m2}", "%", "Cel", "[in_i]", "mg/(24.h)", "m.s-2", "10*-3", "ng/mL{FEU}", "((mg))", "[iU]/L"},
			[]string{"mg / dL", "mg//dL", "mg/", "(mg", "mg)", "{a", "a}", "µg/L", "°C", "[a", "()", "{}", "mg\"", ".", strings.Repeat("(", 25) + strings.Repeat(")", 25), strings.Repeat("m", 51)},
		},
		"http://clinic.example/codes": {[]string{"anything goes", "42"}, nil},
	} {
		for _, code := range c.good {
			var errs care.FieldErrors
			Coding{System: system, Code: code}.check(&errs, "code")
			require.Empty(t, errs, "%s %q", system, code)
		}
		for _, code := range c.bad {
			var errs care.FieldErrors
			Coding{System: system, Code: code}.check(&errs, "code")
			require.Len(t, errs, 1, "%s %q", system, code)
			require.Equal(t, "code.code", errs[0].Field)
			require.NotContains(t, errs[0].Message, " "+code+" ", "what was sent is not repeated")
		}
	}
}

func TestCodes_OneWrongOrSwappedDigitIsDetected(t *testing.T) {
	t.Parallel()
	for system, code := range map[string]string{loinc: "24323-8", snomed: "38341003"} {
		valid := codeForms[system].valid
		require.True(t, valid(code))
		for i, digit := range code {
			if digit == '-' || i == 0 {
				continue
			}
			for other := '0'; other <= '9'; other++ {
				if other != digit {
					require.False(t, valid(code[:i]+string(other)+code[i+1:]), "%s at %d", system, i)
				}
			}
			if before := code[i-1]; before != byte(digit) && before != '-' {
				require.False(t, valid(code[:i-1]+string(digit)+string(before)+code[i+1:]), "%s swapped at %d", system, i)
			}
		}
	}
}

// FuzzUnit searches for a unit for which the check does not terminate or panics.
func FuzzUnit(f *testing.F) {
	for _, seed := range []string{"mg/dL", "((m))", "{a}{b}", "[[a]]", "(((((", "10*3/uL", "\x00", "m-2.s+3", "{(}", "[)]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, unit string) {
		if validUCUM(unit) {
			require.LessOrEqual(t, len(unit), maxUnit)
			require.NotContains(t, unit, " ")
		}
	})
}
