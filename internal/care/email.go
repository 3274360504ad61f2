package care

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The limits of RFC 5321, section 4.5.3.1, in bytes. A path holds an address of at most 254 (RFC
// 3696, erratum 1690).
const (
	maxEmail     = 254
	maxEmailName = 64
	maxDomain    = 253
	maxLabel     = 63
)

// emailAtoms are the punctuation marks of RFC 5322's atext.
const emailAtoms = "!#$%&'*+-/=?^_`{|}~"

// ParseEmail returns the normal form of an email address, by which people are looked up: ASCII
// letters in lower case and an internationalized domain as Punycode (UTS 46, the Lookup profile).
// Nothing else is folded: "mİke" is not "mike". The error for an unusable address is written for
// the person who typed it, and does not repeat the address.
func ParseEmail(text string) (string, error) {
	if err := plainText(text); err != nil {
		return "", err
	}
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return "", errors.New("must be an email address with an @, such as ada@clinic.example")
	}
	name, domain := text[:at], text[at+1:]
	if err := checkEmailName(name); err != nil {
		return "", err
	}
	domain, err := foldDomain(domain)
	if err != nil {
		return "", err
	}
	email := foldASCII(name) + "@" + domain
	if len(email) > maxEmail {
		return "", errors.New("must be an email address of at most 254 characters")
	}
	return email, nil
}

// EmailSpellings returns all spellings under which a person with the address may be stored: the
// result of ParseEmail, and the form with a Unicode domain that older rows have. An unusable
// address is returned unchanged.
func EmailSpellings(text string) []string {
	email, err := ParseEmail(text)
	if err != nil {
		return []string{strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")}
	}
	name, domain, _ := strings.Cut(email, "@")
	shown, err := idna.Lookup.ToUnicode(domain)
	if err != nil || shown == domain {
		return []string{email}
	}
	return []string{email, name + "@" + shown}
}

// SameEmail reports whether two texts are spellings of one address.
func SameEmail(a, b string) bool { return FoldEmail(a) == FoldEmail(b) }

// FoldEmail returns the result of ParseEmail, or the unchanged text if it is not a usable address.
func FoldEmail(text string) string {
	if email, err := ParseEmail(text); err == nil {
		return email
	}
	return text
}

// Email adds an error unless the value is the normal form of an email address (ParseEmail).
func (errs *FieldErrors) Email(field, value string) {
	email, err := ParseEmail(value)
	switch {
	case err != nil:
		errs.Add(field, "%s", err.Error())
	case email != value:
		errs.Add(field, "must be in lower case, and its domain in ASCII")
	}
}

// plainText returns an error for characters in an address that cannot be seen or typed.
func plainText(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("must be valid UTF-8")
	}
	for _, r := range text {
		switch {
		case r <= ' ' || r == 0x7f || isSpace(r):
			return errors.New("must be an email address without spaces or control characters")
		case isControl(r) || isInvisible(r) || isJoiner(r):
			return errors.New("must not contain invisible or bidirectional control characters")
		}
	}
	return nil
}

// checkEmailName checks for RFC 5321's Dot-string: the part before the @ without quotes.
func checkEmailName(name string) error {
	for _, r := range name {
		letter := (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9')
		switch {
		case r > 0x7e:
			return errors.New("must have ASCII characters only before the @")
		case !letter && r != '.' && !strings.ContainsRune(emailAtoms, r):
			return errors.New("must be an email address alone: letters, digits and the usual signs before the @, without quotes, comments or a name")
		}
	}
	switch {
	case name == "" || len(name) > maxEmailName:
		return errors.New("must have 1 to 64 characters before the @")
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return errors.New("must not have a dot at the beginning, before the @, or two in a row")
	case strings.Contains(name, "=?") || strings.Contains(name, "?="):
		return errors.New("must not contain an encoded word (RFC 2047)")
	}
	return nil
}

// foldDomain returns the domain in the form that is looked up in the DNS.
func foldDomain(domain string) (string, error) {
	if strings.HasPrefix(domain, "[") {
		return "", errors.New("must have a domain after the @, not an IP address")
	}
	folded, err := idna.Lookup.ToASCII(domain)
	if err != nil || folded == "" || len(folded) > maxDomain {
		return "", errors.New("must have a domain after the @, such as clinic.example")
	}
	labels := strings.Split(folded, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel || !isHostLabel(label) {
			return "", errors.New("must have a domain after the @, such as clinic.example, without a trailing dot or consecutive dots")
		}
	}
	// Two spellings in Punycode must not denote one name.
	shown, err := idna.Lookup.ToUnicode(folded)
	if again, errAgain := idna.Lookup.ToASCII(shown); err != nil || errAgain != nil || again != folded {
		return "", errors.New("must have a domain after the @ in its normal spelling")
	}
	if _, err := netip.ParseAddr(folded); err == nil || isNumber(labels[len(labels)-1]) {
		return "", errors.New("must have a domain after the @, not an IP address")
	}
	return folded, nil
}

func isHostLabel(label string) bool {
	return !strings.HasPrefix(label, "-") && !strings.HasSuffix(label, "-") && !strings.ContainsFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

func isNumber(label string) bool {
	return !strings.ContainsFunc(label, func(r rune) bool { return r < '0' || r > '9' })
}

// foldASCII returns the text with A to Z in lower case. (strings.ToLower maps the Kelvin sign to
// "k".)
func foldASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}
