package rule

import (
	_ "embed"
	"slices"
)

//go:embed default.yaml
var defaultSource []byte

// Default returns the source of the rules that a new installation starts with.
func Default() []byte { return slices.Clone(defaultSource) }
