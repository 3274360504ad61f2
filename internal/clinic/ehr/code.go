package ehr

import (
	"regexp"
	"strings"

	"carewire/internal/care"
)

// The URIs in FHIR R4 of the code systems with a code format that can be checked.
const (
	loinc  = "http://loinc.org"
	snomed = "http://snomed.info/sct"
	rxNorm = "http://www.nlm.nih.gov/research/umls/rxnorm"
	icd10  = "http://hl7.org/fhir/sid/icd-10"
	icd10C = "http://hl7.org/fhir/sid/icd-10-cm"
	cvx    = "http://hl7.org/fhir/sid/cvx"
	ucum   = "http://unitsofmeasure.org"
)

// codeForms are the code formats by code system. The check detects typing errors only: whether a
// well-formed code exists requires a terminology server.
var codeForms = map[string]struct {
	valid func(code string) bool
	form  string
}{
	loinc:  {validLOINC, "a LOINC code with its check digit, such as 2823-3"},
	snomed: {validSCTID, "a SNOMED CT identifier with its check digit, such as 38341003"},
	rxNorm: {regexp.MustCompile(`^[1-9][0-9]{0,7}$`).MatchString, "an RxNorm concept identifier, such as 314076"},
	icd10:  {icd10Form.MatchString, "an ICD-10 code, such as I10 or E11.9"},
	icd10C: {icd10Form.MatchString, "an ICD-10-CM code, such as I10 or E11.9"},
	cvx:    {regexp.MustCompile(`^[0-9]{1,3}$`).MatchString, "a CVX code, such as 140"},
	ucum:   {validUCUM, "a UCUM unit, such as mg/dL"},
}

var (
	// icd10Form accepts a category followed by up to four characters, with or without the point,
	// and WHO's dagger and asterisk.
	icd10Form = regexp.MustCompile(`^[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?[+*]?$`)
	loincForm = regexp.MustCompile(`^[0-9]{1,7}-[0-9]$`)
	// loincPart matches LOINC's answers, parts, groups and lists. The check digit of these codes
	// also covers the letters.
	loincPart = regexp.MustCompile(`^L[AGLP][0-9]{1,7}-[0-9]$`)
	sctidForm = regexp.MustCompile(`^[1-9][0-9]{5,17}$`)
)

// check adds an error for each invalid part of the code.
func (c Coding) check(errs *care.FieldErrors, path string) {
	errs.Line(path+".system", c.System, 1, 200)
	count := len(*errs)
	errs.Line(path+".code", c.Code, 1, 100)
	if form, ok := codeForms[c.System]; ok && len(*errs) == count && !form.valid(c.Code) {
		errs.Add(path+".code", "must be %s", form.form)
	}
	errs.Line(path+".display", c.Display, 0, 500)
}

// HasForm reports whether the code has the form of its system. A code of a system without a known
// form has it.
func (c Coding) HasForm() bool {
	form, ok := codeForms[c.System]
	return !ok || form.valid(c.Code)
}

// checkCode ignores nil.
func checkCode(errs *care.FieldErrors, path string, c *Coding) {
	if c != nil {
		c.check(errs, path)
	}
}

// validLOINC checks the last digit: modulus 10, where every other digit counts twice (LOINC Users'
// Guide, appendix C).
func validLOINC(code string) bool {
	if !loincForm.MatchString(code) {
		return loincPart.MatchString(code)
	}
	digits, check, _ := strings.Cut(code, "-")
	sum := 0
	for i := range len(digits) {
		n := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			n *= 2
		}
		sum += n/10 + n%10
	}
	return (10-sum%10)%10 == int(check[0]-'0')
}

// The tables of Verhoeff's check over the dihedral group D5 (SNOMED CT Technical Implementation
// Guide, check-digit).
var (
	verhoeffProduct = [10]string{
		"0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
		"5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
	}
	verhoeffPlace = [8]string{
		"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
	}
)

// validSCTID checks an identifier of SNOMED CT: 6 to 18 digits, of which the last is Verhoeff's
// check digit.
func validSCTID(code string) bool {
	if !sctidForm.MatchString(code) {
		return false
	}
	sum := 0
	for i := range len(code) {
		place := verhoeffPlace[i%8][code[len(code)-1-i]-'0']
		sum = int(verhoeffProduct[sum][place-'0'] - '0')
	}
	return sum == 0
}

// maxUnit is far longer than any unit in use.
const maxUnit = 50

var (
	// UCUM allows only ASCII without spaces in an annotation. Units of other systems that have no
	// equivalent in UCUM are annotations in any script.
	unitAnnotation = regexp.MustCompile(`\{[^{}\p{C}\p{Zl}\p{Zp}]+\}`)
	unitGroup      = regexp.MustCompile(`\([^()]*\)`)
	unitTerm       = func() *regexp.Regexp {
		// An atom consists of printable ASCII without special meaning and of names in brackets,
		// followed by its exponent.
		const atom = `(?:[^"()+\-./={}\[\]\x00-\x20\x7f-\x{10ffff}]|\[[!-Z^-~]+\])+(?:[+-][0-9]+)?`
		return regexp.MustCompile(`^/?` + atom + `(?:[./]` + atom + `)*$`)
	}()
)

// validUCUM checks the syntax of a unit (The Unified Code for Units of Measure, section 2). It does
// not check that the unit exists: TAB is not a UCUM unit, but it is in use.
func validUCUM(unit string) bool {
	if len(unit) > maxUnit {
		return false
	}
	rest := unitAnnotation.ReplaceAllString(unit, "1")
	for {
		group := unitGroup.FindStringIndex(rest)
		if group == nil {
			return unitTerm.MatchString(rest)
		}
		if !unitTerm.MatchString(rest[group[0]+1 : group[1]-1]) {
			return false
		}
		rest = rest[:group[0]] + "1" + rest[group[1]:]
	}
}

// checkUnit ignores an empty unit.
func checkUnit(errs *care.FieldErrors, path, unit string) {
	if unit != "" && !validUCUM(unit) {
		errs.Add(path, "must be a unit in UCUM, such as mg/dL, mm[Hg] or {score}")
	}
}
