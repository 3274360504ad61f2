package template

import "carewire/internal/care"

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

// defaultColor is the color of buttons and links without a brand.
const defaultColor = "#0b5c6b"

// color returns the brand's color if it can be used, otherwise the service's.
func (b Brand) color() string {
	if care.CheckColor(b.Color) == nil {
		return b.Color
	}
	return defaultColor
}
