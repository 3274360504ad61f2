package care

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line adds an error unless the value is one line of valid UTF-8 of minLength to maxLength
// characters, such as a name or a number. It must contain a visible character, and must not contain
// a space at either end, line breaks, control or invisible characters, or characters that change
// the writing direction.
func (errs *FieldErrors) Line(field, value string, minLength, maxLength int) {
	switch n := utf8.RuneCountInString(value); {
	case !utf8.ValidString(value):
		errs.Add(field, "must be valid UTF-8")
		return
	case n == 0 && minLength > 0:
		errs.Add(field, "must not be empty")
		return
	case n < minLength || n > maxLength:
		errs.Add(field, "must have %d to %d characters, not %d", minLength, maxLength, n)
		return
	}
	if fault := lineFault(value); fault != "" {
		errs.Add(field, "%s", fault)
	}
}

// lineFault returns the reason that a text is not a valid line, or "".
func lineFault(text string) string {
	if text == "" || isPlainLine(text) {
		return ""
	}
	if isBlank(text) {
		return "must not be blank"
	}
	first, _ := utf8.DecodeRuneInString(text)
	last, _ := utf8.DecodeLastRuneInString(text)
	before := rune(0)
	for i, r := range text {
		switch {
		case isLineBreak(r):
			return "must be one line, without line breaks"
		case isControl(r):
			return "must not contain control characters"
		case isInvisible(r) || (isJoiner(r) && !joins(before, text[i+utf8.RuneLen(r):])):
			return "must not contain invisible or bidirectional control characters"
		}
		before = r
	}
	if isSpace(first) || isSpace(last) {
		return "must not begin or end with a space"
	}
	return ""
}

// CleanLine returns the text as a valid line, except for its length. Line breaks and control
// characters become spaces; invisible characters and spaces at the ends are removed. It is for
// imported text, where no user can correct the input. The result is empty if no visible character
// is left.
func CleanLine(text string) string {
	text = strings.ToValidUTF8(text, "")
	if lineFault(text) == "" {
		return text
	}
	if isBlank(text) {
		return ""
	}
	var clean strings.Builder
	before := rune(0)
	for i, r := range text {
		switch {
		case isLineBreak(r) || isControl(r):
			r = ' '
		case isInvisible(r) || (isJoiner(r) && !joins(before, text[i+utf8.RuneLen(r):])):
			continue
		}
		clean.WriteRune(r)
		before = r
	}
	return strings.TrimFunc(clean.String(), isSpace)
}

// isPlainLine reports whether the text is printable ASCII without a space at its ends, which nearly
// all texts are.
func isPlainLine(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return text[0] != ' ' && text[len(text)-1] != ' '
}

// isBlank reports whether the text has no visible character.
func isBlank(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return !isSpace(r) && !isControl(r) && !isInvisible(r) && !isJoiner(r) && !unicode.Is(unicode.Variation_Selector, r)
	})
}

// isSpace also includes the blank Braille pattern, which Unicode classifies as a symbol.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\u2800' }

func isLineBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == '\v' || r == '\f' || r == '\u0085' || unicode.In(r, unicode.Zl, unicode.Zp)
}

func isControl(r rune) bool { return unicode.IsControl(r) }

// isJoiner reports whether the character only controls whether its neighbours join. Some languages
// require it.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// joins reports whether a joiner has a character to join on both sides. ASCII joins nothing.
func joins(before rune, rest string) bool {
	after, _ := utf8.DecodeRuneInString(rest)
	return before >= utf8.RuneSelf && !isSpace(before) && rest != "" && after >= utf8.RuneSelf && !isSpace(after) && !isJoiner(after)
}

// isInvisible reports whether the character has no glyph, or changes the writing direction.
// Arabic's number signs are in the same category and are visible.
func isInvisible(r rune) bool {
	if r < 0xad || isJoiner(r) || unicode.Is(unicode.Prepended_Concatenation_Mark, r) {
		return false
	}
	return unicode.In(r, unicode.Cf, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}
