package people

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"carewire/internal/fhirimport/fhir"
)

// HumanName is FHIR R4's HumanName.
type HumanName struct {
	Use    string       `json:"use"`
	Text   string       `json:"text"`
	Family string       `json:"family"`
	Given  []string     `json:"given"`
	Period *fhir.Period `json:"period"`
	// MaskedFamily and MaskedGiven are extensions of the parts, such as data-absent-reason.
	MaskedFamily json.RawMessage `json:"_family"`
	MaskedGiven  json.RawMessage `json:"_given"`
	MaskedText   json.RawMessage `json:"_text"`
}

// nameUses are the uses of a name that a person goes by, the best first (FHIR R4, name-use). A
// name without a use follows usual. The others are no names to address a person by: nickname and
// anonymous are not, old and maiden no longer.
var nameUses = []string{"official", "usual", "", "temp"}

// ChooseName returns the current name of the best use, and reports whether one was found among
// those there are. Of equal names the first counts.
func ChooseName(names []HumanName, now time.Time) (given, family string, found bool) {
	best, rank := HumanName{}, len(nameUses)
	for _, n := range names {
		r := slices.Index(nameUses, n.Use)
		if r < 0 || r >= rank || !n.Period.Includes(now) || !n.isReadable() {
			continue
		}
		best, rank = n, r
	}
	given, family = best.parts()
	return truncateName(given), truncateName(family), rank < len(nameUses) || len(names) == 0
}

// isReadable reports whether the name has a part that is not masked.
func (n HumanName) isReadable() bool {
	given, family := n.parts()
	return given != "" || family != ""
}

// parts returns the given and the family name. A name that consists of a text only is divided.
// The text is not used if a part is masked, because it could contain it.
func (n HumanName) parts() (given, family string) {
	// A masked part is null, which the decoder reads as "".
	known := slices.DeleteFunc(slices.Clone(n.Given), func(part string) bool { return part == "" })
	given, family = strings.TrimSpace(strings.Join(known, " ")), strings.TrimSpace(n.Family)
	masked := isMasked(n.MaskedFamily) || isMasked(n.MaskedGiven) || isMasked(n.MaskedText)
	if given == "" && family == "" && !masked {
		return splitName(n.Text)
	}
	return given, family
}

// splitName divides a whole name: at its comma if it begins with the family name, else before its
// last word.
func splitName(text string) (given, family string) {
	if before, after, ok := strings.Cut(text, ","); ok && strings.TrimSpace(after) != "" {
		return strings.TrimSpace(after), strings.TrimSpace(before)
	}
	words := strings.Fields(text)
	count := len(words)
	if count == 0 {
		return "", ""
	}
	return strings.Join(words[:count-1], " "), words[count-1]
}

// isMasked reports whether the extensions of an element, or of one item of a list, say that its
// value is absent: data-absent-reason, or iso21090's nullFlavor.
func isMasked(extensions json.RawMessage) bool {
	text := string(extensions)
	return strings.Contains(text, "/data-absent-reason") || strings.Contains(text, "nullFlavor")
}

// truncateName truncates a name to the directory's maximum of 200 characters.
func truncateName(name string) string {
	for utf8.RuneCountInString(name) > 200 {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// ContactPoint is FHIR R4's ContactPoint.
type ContactPoint struct {
	fhir.ContactPoint
	Rank int `json:"rank"`
}

// contactUses are the uses of a phone number or an address, the best first (FHIR R4,
// contact-point-use). An old one is never used.
var contactUses = []string{"mobile", "home", "", "work", "temp"}

// chooseContacts returns the current contact points of the systems, the preferred first: by rank,
// where 1 is the best and no rank the last, then by use.
func chooseContacts(all []ContactPoint, now time.Time, systems ...string) []ContactPoint {
	var chosen []ContactPoint
	for _, c := range all {
		if slices.Contains(systems, c.System) && slices.Contains(contactUses, c.Use) && c.Period.Includes(now) && strings.TrimSpace(c.Value) != "" {
			chosen = append(chosen, c)
		}
	}
	slices.SortStableFunc(chosen, func(a, b ContactPoint) int {
		return cmp.Or(cmp.Compare(rankOf(a), rankOf(b)), cmp.Compare(slices.Index(contactUses, a.Use), slices.Index(contactUses, b.Use)))
	})
	return chosen
}

func rankOf(c ContactPoint) int {
	if c.Rank <= 0 {
		return math.MaxInt
	}
	return c.Rank
}
