package fhir

import (
	"regexp"
	"strings"
	"unicode"
)

const ucumSystem = "http://unitsofmeasure.org"

// UCUM returns the quantity's unit in UCUM. A unit that is not in UCUM is put in braces, UCUM's
// syntax for an annotation, with its text as it is.
func (q *Quantity) UCUM() string {
	isUCUM := q.System == ucumSystem && q.Code != ""
	text := q.Code
	if text == "" || (!isUCUM && q.Unit != "" && isNumber(text)) {
		text = q.Unit // A number is a code of SNOMED CT.
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	unit := unitSigns.Replace(text)
	if known, ok := unitSpellings[strings.ToLower(unit)]; ok {
		return known
	}
	if !isUCUM {
		if known, ok := plainUnits[unit]; ok {
			return known
		}
		if m := powerOfTen.FindStringSubmatch(unit); m != nil {
			return "10*" + m[1] + m[2]
		}
	}
	unit = ucumWords.Replace(unit)
	if ucumPattern.MatchString(unit) {
		return unit
	}
	return "{" + unitBraces.Replace(strings.Join(strings.FieldsFunc(text, unicode.IsControl), " ")) + "}"
}

// ucumPattern matches units in printable ASCII.
var ucumPattern = regexp.MustCompile(`^[!#-~]{1,50}$`)

func isNumber(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

var (
	// unitSigns are signs for which UCUM has ASCII: the micro sign (U+00B5), the Greek letter mu
	// (U+03BC), which looks the same, degrees, and powers.
	unitSigns = strings.NewReplacer("µ", "u", "μ", "u", "℃", "Cel", "℉", "[degF]", "°C", "Cel", "° C", "Cel", "°F", "[degF]", "° F", "[degF]", "°", "deg",
		"²", "2", "³", "3", "⁶", "6", "⁹", "9", "¹²", "12", "×", "x", "·", ".", "⋅", ".", "−", "-", "‰", "[ppth]")
	// ucumWords are parts of compound units.
	ucumWords = strings.NewReplacer("mmHg", "mm[Hg]", "mcg", "ug", "^", "", "/hr", "/h", "/day", "/d", "/minute", "/min")
	// unitBraces keeps braces out of an annotation.
	unitBraces = strings.NewReplacer("{", "(", "}", ")")
	// powerOfTen matches spellings of a number of cells: 10^9/L, x10E3/uL, 10*6/uL.
	powerOfTen = regexp.MustCompile(`^[xX]? ?10 ?[\^*eE]? ?([0-9]{1,2})( ?/ ?[A-Za-z0-9]+)$`)
)

// unitSpellings are common spellings in lower case that are no units of UCUM, and the unit of UCUM.
var unitSpellings = map[string]string{
	"mm hg": "mm[Hg]", "mmhg": "mm[Hg]", "mm(hg)": "mm[Hg]", "beats/min": "/min", "beats/minute": "/min", "bpm": "/min", "breaths/min": "/min",
	"breaths/minute": "/min", "1/min": "/min", "per minute": "/min", "{beats}/min": "/min", "{breaths}/min": "/min",
	"percent": "%", "mcg": "ug", "mcg/ml": "ug/mL", "mcg/l": "ug/L", "mcg/dl": "ug/dL", "degc": "Cel", "deg c": "Cel", "celsius": "Cel", "cel": "Cel",
	"degf": "[degF]", "deg f": "[degF]", "fahrenheit": "[degF]", "lbs": "[lb_av]", "pounds": "[lb_av]", "lb": "[lb_av]", "inches": "[in_i]", "inch": "[in_i]",
	"iu": "[IU]", "iu/l": "[IU]/L", "iu/ml": "[IU]/mL", "miu/l": "m[IU]/L", "miu/ml": "m[IU]/mL", "uiu/ml": "u[IU]/mL", "kiu/l": "k[IU]/L",
	"kg/m^2": "kg/m2", "mg/24h": "mg/(24.h)", "mg/24 h": "mg/(24.h)", "g/24h": "g/(24.h)", "g/24 h": "g/(24.h)", "ml/24h": "mL/(24.h)", "ml/24 h": "mL/(24.h)",
	"meq/l": "meq/L", "meq": "meq",
}

// plainUnits are spellings that mean something else in UCUM, and are used without UCUM's system.
var plainUnits = map[string]string{
	"in": "[in_i]", "ft": "[ft_i]", "oz": "[oz_av]", "C": "Cel", "F": "[degF]", "K/uL": "10*3/uL", "K/mm3": "10*3/mm3", "M/uL": "10*6/uL", "gm": "g", "cc": "mL",
	"sec": "s", "seconds": "s", "minutes": "min", "hr": "h", "hrs": "h", "hours": "h", "days": "d", "day": "d", "weeks": "wk", "months": "mo", "years": "a", "yrs": "a",
}
