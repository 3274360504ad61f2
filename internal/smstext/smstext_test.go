package smstext_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/smstext"
)

func TestSegments(t *testing.T) {
	t.Parallel()
	r := strings.Repeat
	for name, c := range map[string]struct {
		text     string
		count    int
		encoding smstext.Encoding
	}{
		"empty":                                        {"", 1, smstext.GSM7},
		"one full segment":                             {r("a", 160), 1, smstext.GSM7},
		"one character more":                           {r("a", 161), 2, smstext.GSM7},
		"two full segments":                            {r("a", 306), 2, smstext.GSM7},
		"three segments":                               {r("a", 307), 3, smstext.GSM7},
		"umlauts and ñ are in the alphabet":            {r("äöüßñÄÖÜÑ¿", 16), 1, smstext.GSM7},
		"Greek capitals and line breaks too":           {"ΔΦΓΛΩΠΨΣΘΞ\r\n", 1, smstext.GSM7},
		"an extended character needs two septets":      {r("€", 80), 1, smstext.GSM7},
		"81 euro signs need 162":                       {r("€", 81), 2, smstext.GSM7},
		"an extended character is not split":           {r("a", 152) + "€" + r("a", 152), 3, smstext.GSM7},
		"a small c with cedilla is not in it":          {"ç", 1, smstext.UCS2},
		"a grave accent is not in it":                  {"`", 1, smstext.UCS2},
		"one character beyond the alphabet changes it": {r("a", 70) + "…", 2, smstext.UCS2},
		"one full segment of UCS-2":                    {r("م", 70), 1, smstext.UCS2},
		"one character more of UCS-2":                  {r("م", 71), 2, smstext.UCS2},
		"two full segments of UCS-2":                   {r("م", 134), 2, smstext.UCS2},
		"three segments of UCS-2":                      {r("م", 135), 3, smstext.UCS2},
		"a surrogate pair has two units":               {r("😀", 35), 1, smstext.UCS2},
		"36 pairs need two segments":                   {r("😀", 36), 2, smstext.UCS2},
		"a pair is not split":                          {r("م", 66) + "😀" + r("م", 66), 3, smstext.UCS2},
		"33 pairs fit in 67 units":                     {r("😀", 67), 3, smstext.UCS2},
		"invalid UTF-8 is the replacement character":   {"\xff", 1, smstext.UCS2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count, encoding := smstext.Segments(c.text)
			require.Equal(t, c.encoding, encoding)
			require.Equal(t, c.count, count)
		})
	}
}

func TestSegments_HasEveryCharacterOfTheDefaultAlphabet(t *testing.T) {
	t.Parallel()
	// 3GPP TS 23.038 has 127 characters beside the escape, and ten in the extension table.
	single, double := 0, 0
	for c := range rune(0x10000) {
		if c >= 0xd800 && c < 0xe000 {
			continue
		}
		if _, encoding := smstext.Segments(string(c)); encoding != smstext.GSM7 {
			continue
		}
		if count, _ := smstext.Segments(strings.Repeat(string(c), 160)); count == 1 {
			single++
		} else {
			double++
		}
	}
	require.Equal(t, 127, single)
	require.Equal(t, 10, double)
}
