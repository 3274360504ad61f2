package e2e_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// ignored returns a function that reports whether a path below the root, with slashes, is left out
// of the build context of the image. It supports the patterns of .dockerignore that this repository
// uses: a path or a glob in the root directory, without ** and exceptions.
func ignored(t *testing.T) func(file string) bool {
	t.Helper()
	var patterns []string
	for line := range strings.Lines(readText(t, root+"/.dockerignore")) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		require.NotContains(t, line, "**", "the test does not support this pattern")
		require.False(t, strings.HasPrefix(line, "!"), "the test does not support exceptions: %s", line)
		patterns = append(patterns, strings.Trim(line, "/"))
	}
	require.NotEmpty(t, patterns)
	return func(file string) bool {
		for ; file != "."; file = path.Dir(file) {
			for _, p := range patterns {
				if matched, err := path.Match(p, file); err != nil || matched {
					return true
				}
			}
		}
		return false
	}
}

// sources returns the files of the module from which the binary is built, relative to the root: Go
// files, embedded files, and the module's own files.
func sources(t *testing.T) []string {
	t.Helper()
	list := exec.Command("go", "list", "-deps", "-tags", "disable_grpc_modules", "-json=Dir,Standard,Module,GoFiles,EmbedFiles", "./cmd/carewire")
	list.Dir = root
	list.Env = append(list.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := list.Output()
	require.NoError(t, err)
	base, err := filepath.Abs(root)
	require.NoError(t, err)
	files := []string{"go.mod", "go.sum"}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			Dir                 string
			Standard            bool
			Module              *struct{ Main bool }
			GoFiles, EmbedFiles []string
		}
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.Standard || p.Module == nil || !p.Module.Main {
			continue
		}
		dir, err := filepath.Rel(base, p.Dir)
		require.NoError(t, err)
		for _, f := range append(p.GoFiles, p.EmbedFiles...) {
			files = append(files, path.Join(filepath.ToSlash(dir), filepath.ToSlash(f)))
		}
	}
	require.Greater(t, len(files), 300)
	return files
}

func TestImage_IsBuiltFromEveryFileOfTheBinary(t *testing.T) {
	t.Parallel()
	drops := ignored(t)
	files := sources(t)
	for _, f := range files {
		require.False(t, drops(f), ".dockerignore drops %s", f)
	}
	for _, f := range []string{"docs/socket.md", "migrations/00001_directory.sql", "internal/notify/template/builtin/welcome.yaml", "internal/postgres/sql/scope.sql"} {
		require.Contains(t, files, f, "the list has embedded files")
	}
	for _, f := range []string{"bin/carewire", ".carewire/demo-key.pem", "carewire.env", ".env.local", "deploy/secrets/database_url"} {
		require.True(t, drops(f), "%s does not belong into the image", f)
	}
}

func TestVersion_IsStampedByEveryBuild(t *testing.T) {
	t.Parallel()
	const variable = "carewire/internal/app.stamp"
	require.Contains(t, readText(t, root+"/internal/app/version.go"), "\nvar stamp string\n")
	for file, stamp := range map[string]string{
		"Makefile":          `(?m)^STAMP = -X ` + variable + `=\$\(VERSION\)$`,
		"deploy/Dockerfile": `(?s)\nARG VERSION=\n.*-ldflags "-s -w -X ` + variable + `=\$\{VERSION\}"`,
		".goreleaser.yaml":  `(?m)^ +- -s -w -X ` + variable + `=\{\{ \.Tag \}\}$`,
	} {
		require.Regexp(t, stamp, readText(t, root+"/"+file), file)
	}
	makefile := readText(t, root+"/Makefile")
	require.Regexp(t, `(?m)^VERSION \?= \$\(shell git describe --always --dirty --tags `, makefile)
	builds := regexp.MustCompile(`(?m)\$\(GO\) build [^\n]*-o bin/\S+ \./cmd/carewire$`).FindAllString(makefile, -1)
	require.Len(t, builds, 2)
	for _, build := range builds {
		require.Contains(t, build, "$(STAMP)")
	}
}
