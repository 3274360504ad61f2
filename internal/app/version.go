package app

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Build describes the binary.
type Build struct {
	// Number is the module's version, or "devel" for a build from a working tree.
	Number string
	// Revision is the commit it was built from, with the suffix "-dirty" if the tree had changes;
	// empty if unknown.
	Revision string
	// Go is the toolchain's version.
	Go string
}

// String returns the output of `carewire version`.
func (b Build) String() string {
	return fmt.Sprintf("carewire %s (%s, %s, %s/%s)", b.Number, cmp.Or(b.Revision, "unknown revision"), b.Go, runtime.GOOS, runtime.GOARCH)
}

// Version returns the build information that the toolchain wrote into the binary.
var Version = sync.OnceValue(func() Build {
	b := Build{Number: "devel", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Number = v
	}
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.Revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if b.Revision != "" {
		b.Revision += dirty
	}
	return b
})
