// Package smstext counts the segments of text messages, in which providers bill and carriers send
// them. A text is encoded in the GSM 7-bit default alphabet if it has every character, otherwise in
// UCS-2.
package smstext

import "unicode/utf16"

// Encoding is the encoding of a text message.
type Encoding string

// The encodings.
const (
	// GSM7 is the 7-bit default alphabet with its extension table (3GPP TS 23.038, section 6.2.1).
	GSM7 Encoding = "GSM-7"
	// UCS2 has two bytes a character, and four for a character outside of the basic plane.
	UCS2 Encoding = "UCS-2"
)

// The capacity of a message of one segment, and of each segment of a longer one, whose header has 6
// bytes (3GPP TS 23.040, section 9.2.3.24.1): septets of GSM7, UTF-16 code units of UCS2.
const (
	gsmSingle, gsmPart = 160, 153
	ucsSingle, ucsPart = 70, 67
)

// basic and extension are the characters of the default alphabet and of its extension table. One of
// the extension needs two septets.
const (
	basic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
		"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	extension = "\f^{}\\[~]|€"
)

var septets = func() map[rune]int {
	widths := map[rune]int{}
	for _, r := range basic {
		widths[r] = 1
	}
	for _, r := range extension {
		widths[r] = 2
	}
	return widths
}()

// Segments returns the number of segments that the text needs, and its encoding. An empty text needs
// one. Neither the two septets of an extended character nor a surrogate pair are split between two
// segments.
func Segments(text string) (count int, encoding Encoding) {
	widths := make([]int, 0, len(text))
	for _, r := range text {
		width, ok := septets[r]
		if !ok {
			return unicodeSegments(text), UCS2
		}
		widths = append(widths, width)
	}
	return pack(widths, gsmSingle, gsmPart), GSM7
}

func unicodeSegments(text string) int {
	widths := make([]int, 0, len(text))
	for _, r := range text {
		widths = append(widths, utf16.RuneLen(r))
	}
	return pack(widths, ucsSingle, ucsPart)
}

// pack returns how many segments characters of these widths fill.
func pack(widths []int, single, part int) int {
	total := 0
	for _, width := range widths {
		total += width
	}
	if total <= single {
		return 1
	}
	count, room := 1, part
	for _, width := range widths {
		if width > room {
			count, room = count+1, part
		}
		room -= width
	}
	return count
}
