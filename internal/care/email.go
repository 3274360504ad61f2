package care

import (
	"errors"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The limits of RFC 5321, section 4.5.3.1, in bytes: a path holds an address of at most 254 (RFC 3696, erratum 1690).
const (
	maxEmail     = 254
	maxEmailName = 64
	maxDomain    = 253
	maxLabel     = 63
)

// emailAtoms are the punctuation marks of RFC 5322's atext.
const emailAtoms = "!#$%&'*+-/=?^_`{|}~"

// ParseEmail returns the one spelling of an email address by which people are looked up: ASCII letters in lower case and an
// internationalized domain as Punycode (UTS 46, the Lookup profile). Nothing else is folded: "mİke" is not "mike". An address
// that cannot be used is an error in words for the person who typed it, which do not repeat the address.
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

// EmailSpellings returns every text by which a person with the address may have been stored: the one of ParseEmail, and the one
// with the domain in Unicode, by which older rows go. An address that cannot be used any more is looked for exactly as it is.
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

// FoldEmail returns what ParseEmail does, or the text as it is where it is not an address that can be used.
func FoldEmail(text string) string {
	if email, err := ParseEmail(text); err == nil {
		return email
	}
	return text
}

// Email notes a problem unless the value is the one spelling of an email address (ParseEmail).
func (errs *FieldErrors) Email(field, value string) {
	email, err := ParseEmail(value)
	switch {
	case err != nil:
		errs.Add(field, "%s", err.Error())
	case email != value:
		errs.Add(field, "must be in lower case, and its domain in ASCII")
	}
}

// plainText refuses what nobody sees or types in an address.
func plainText(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("must be valid UTF-8")
	}
	for _, r := range text {
		switch {
		case r <= ' ' || r == 0x7f || isSpace(r):
			return errors.New("must be an email address without spaces or control characters")
		case isControl(r) || isInvisible(r) || isJoiner(r):
			return errors.New("must not hold invisible or bidirectional control characters")
		}
	}
	return nil
}

// checkEmailName takes RFC 5321's Dot-string: the part before the @ without quotes.
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
		return errors.New("must not hold an encoded word (RFC 2047)")
	}
	return nil
}

// foldDomain returns a domain as it is asked for in the DNS.
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
			return "", errors.New("must have a domain after the @, such as clinic.example, without a dot at its end or two in a row")
		}
	}
	// Two spellings in Punycode must not stand for one name.
	shown, err := idna.Lookup.ToUnicode(folded)
	if again, errAgain := idna.Lookup.ToASCII(shown); err != nil || errAgain != nil || again != folded {
		return "", errors.New("must have a domain after the @ in its usual spelling")
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

// foldASCII returns the text with A to Z in lower case. (strings.ToLower makes "k" of the Kelvin sign.)
func foldASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}
