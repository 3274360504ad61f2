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
	// Number is the stamped version, such as v0.4.0-3-g8d5f3c1, or else the module's version, or
	// "devel" for a plain build from a working tree.
	Number string
	// Revision is the commit it was built from, with the suffix "-dirty" if the tree had changes;
	// empty if unknown.
	Revision string
	// Go is the toolchain's version.
	Go string
}

// String returns the output of `carewire version`.
func (b Build) String() string {
	return fmt.Sprintf("carewire %s (%s%s, %s/%s)", b.Number, b.commit(), b.Go, runtime.GOOS, runtime.GOARCH)
}

// commit returns the revision for String. A stamped version names its commit already.
func (b Build) commit() string {
	switch {
	case b.Revision != "":
		return b.Revision + ", "
	case b.Number == "devel":
		return "unknown revision, "
	}
	return ""
}

// stamp is the output of `git describe --always --dirty --tags` for the tree that the binary was
// built from. The Makefile, the Dockerfile and goreleaser set it with
// -ldflags "-X carewire/internal/app.stamp=…"; it is empty after a plain go build.
var stamp string

// Version returns the build information that the linker and the toolchain wrote into the binary.
var Version = sync.OnceValue(func() Build {
	info, _ := debug.ReadBuildInfo()
	return buildOf(stamp, info)
})

// buildOf returns the build with the stamp, or with the version of the module if it is empty. info
// may be nil.
func buildOf(stamp string, info *debug.BuildInfo) Build {
	b := Build{Number: cmp.Or(stamp, "devel"), Go: runtime.Version()}
	if info == nil {
		return b
	}
	if v := info.Main.Version; stamp == "" && v != "" && v != "(devel)" {
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
}
