package template

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// Brand is how a clinic's messages look. An empty field has the look of the service.
type Brand struct {
	// DisplayName is the name that the clinic chose for its messages.
	DisplayName string
	// LogoURL is an https URL on an allowed host.
	LogoURL string
	// Color is #rrggbb.
	Color string
	// ReplyTo is the address for answers to emails.
	ReplyTo string
}

const (
	// defaultColor is the colour of buttons and links without a brand.
	defaultColor = "#0b5c6b"
	// minContrast is the contrast with white that texts need (WCAG 2.2, success criterion 1.4.3).
	minContrast = 4.5
)

var colorForm = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// CheckColor returns an error, for the person who typed the colour, unless it is #rrggbb and dark
// enough for white letters on it.
func CheckColor(color string) error {
	if !colorForm.MatchString(color) {
		return errors.New("must be #rrggbb, such as #0b5c6b")
	}
	if c := contrastWithWhite(color); c < minContrast {
		return fmt.Errorf("has a contrast with white of %.1f:1; choose a darker colour, of at least %.1f:1", c, minContrast)
	}
	return nil
}

// contrastWithWhite returns the contrast ratio of WCAG 2.2.
// https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
func contrastWithWhite(color string) float64 {
	luminance := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8)
		if err != nil {
			return 0
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		luminance += weight * c
	}
	return 1.05 / (luminance + 0.05)
}

// color returns the brand's colour if it can be used, otherwise the service's.
func (b Brand) color() string {
	if b.Color != "" && CheckColor(b.Color) == nil {
		return b.Color
	}
	return defaultColor
}
