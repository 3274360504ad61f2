package care

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// minContrast is the lowest contrast with white of a color that has white letters on it: WCAG 2.2,
// success criterion 1.4.3.
const minContrast = 4.5

var colorForm = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// CheckColor returns an error, for the person who typed the color, unless it is #rrggbb in lower case
// and dark enough for white letters on it.
func CheckColor(color string) error {
	if !colorForm.MatchString(color) {
		return errors.New("must be #rrggbb in lower case, such as #0b5c6b")
	}
	if ratio := contrastWithWhite(color); ratio < minContrast {
		return fmt.Errorf("has a contrast of %.1f with white; want at least %.1f: choose a darker color", math.Floor(ratio*10)/10, minContrast)
	}
	return nil
}

// contrastWithWhite returns the contrast ratio of a color with white, from 1 to 21.
// https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
func contrastWithWhite(color string) float64 {
	value, err := strconv.ParseUint(color[1:], 16, 32)
	if err != nil {
		return 0
	}
	linear := func(shift uint) float64 {
		c := float64(value>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	luminance := 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
	return 1.05 / (luminance + 0.05)
}
