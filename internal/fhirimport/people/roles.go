package people

import (
	"slices"
	"strings"

	"carewire/internal/care"
	"carewire/internal/fhirimport/fhir"
)

// notCare are the types of organizations that do not care for patients, with what they are: HL7's
// organization-type, and SNOMED CT and v3 RoleCode for pharmacies.
var notCare = map[string]string{
	"govt": "an authority", "ins": "an insurer", "pay": "a payer", "edu": "an educational institute", "reli": "a religious institution",
	"crs": "a research sponsor", "cg": "a community group", "bus": "a business",
	"264372000": "a pharmacy", "PHARM": "a pharmacy", "OUTPHARM": "a pharmacy",
}

// notCareWords are parts of the texts of such types.
var notCareWords = []string{"insur", "payer", "payor", "pharmac", "versicherung", "krankenkasse", "apotheke", "assurance", "pharmacie", "farmacia", "aseguradora"}

// careTypes are the types of HL7's organization-type that care for patients.
var careTypes = []string{"prov", "dept", "team"}

// NotCareType returns what an organization of the types is if none of them cares for patients.
// An organization without a type, or of an unknown one, is taken for a clinic.
func NotCareType(types []fhir.CodeableConcept) string {
	is := ""
	for i := range types {
		what := ""
		for _, c := range types[i].Coding {
			if slices.Contains(careTypes, c.Code) {
				return ""
			}
			if w := notCare[c.Code]; w != "" {
				what = w
			}
		}
		if what == "" && hasWord(&types[i], notCareWords) {
			what = "an insurer, a payer or a pharmacy"
		}
		if what == "" {
			return "" // Of an unknown type.
		}
		is = what
	}
	return is
}

// hasWord reports whether a text of the concept contains one of the words, in lower case.
func hasWord(c *fhir.CodeableConcept, words []string) bool {
	texts := []string{c.Text}
	for _, one := range c.Coding {
		texts = append(texts, one.Display)
	}
	text := strings.ToLower(strings.Join(texts, " "))
	return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
}

// The codes of doctors and nurses: HL7's practitioner-role, SNOMED CT, v2 tables 0286 (providers)
// and 0360 (degrees), and ISCO-08.
var (
	doctorCodes = []string{"doctor", "112247003", "158965000", "309343006", "59058001", "62247001", "11911009", "304292004", "17561000", "309345004", "MD", "2211", "2212", "221", "PP", "CP", "RT", "RP"}
	nurseCodes  = []string{"nurse", "106292003", "224535009", "265937000", "RN", "NP", "2221", "222"}
	doctorWords = []string{
		"doctor", "physician", "surgeon", "general practi", "consultant", "arzt", "ärzt", "médecin", "medecin", "médico", "medico", "lekarz",
		"cardiologist", "dermatologist", "neurologist", "oncologist", "urologist", "gynaecologist", "gynecologist", "radiologist", "psychiatrist",
		"paediatrician", "pediatrician", "internist", "anaesthetist", "anesthesiologist",
	}
	nurseWords = []string{"nurse", "pflege", "infirmi", "enfermer", "pielęgniar"}
	// otherWords are roles with a name that also contains a word of the lists above.
	otherWords = []string{"reception", "secretar", "administra", "assistant", "student", "doctor's office", "arzthelfer", "liaison", "billing"}
)

// PractitionerRole returns the role at a clinic that the codes mean: doctor if there are none, and
// no role if they are neither a doctor's nor a nurse's.
func PractitionerRole(codes []fhir.CodeableConcept) care.Role {
	role := care.Role("")
	named := false
	for i := range codes {
		c := &codes[i]
		if c.EHRCoding() == nil {
			continue
		}
		named = true
		other := hasWord(c, otherWords)
		switch {
		case c.HasCode(doctorCodes...), !other && hasWord(c, doctorWords):
			return care.Doctor
		case c.HasCode(nurseCodes...), !other && hasWord(c, nurseWords):
			role = care.Nurse
		}
	}
	if !named {
		return care.Doctor
	}
	return role
}
