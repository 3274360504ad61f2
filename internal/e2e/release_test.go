package e2e_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

const (
	releaseFile  = "../../.goreleaser.yaml"
	workflowFile = "../../.github/workflows/ci.yml"
)

// releaseConfig is the part of GoReleaser's configuration (version 2) that the project uses.
type releaseConfig struct {
	Version     int    `yaml:"version"`
	ProjectName string `yaml:"project_name"`
	Builds      []struct {
		ID           string   `yaml:"id"`
		Main         string   `yaml:"main"`
		Binary       string   `yaml:"binary"`
		Env          []string `yaml:"env"`
		Tags         []string `yaml:"tags"`
		Flags        []string `yaml:"flags"`
		Ldflags      []string `yaml:"ldflags"`
		Goos         []string `yaml:"goos"`
		Goarch       []string `yaml:"goarch"`
		ModTimestamp string   `yaml:"mod_timestamp"`
	} `yaml:"builds"`
	Archives []struct {
		ID              string   `yaml:"id"`
		IDs             []string `yaml:"ids"`
		Formats         []string `yaml:"formats"`
		NameTemplate    string   `yaml:"name_template"`
		WrapInDirectory bool     `yaml:"wrap_in_directory"`
		Files           []string `yaml:"files"`
	} `yaml:"archives"`
	Checksum struct {
		NameTemplate string `yaml:"name_template"`
		Algorithm    string `yaml:"algorithm"`
	} `yaml:"checksum"`
	Changelog struct {
		Disable bool `yaml:"disable"`
	} `yaml:"changelog"`
	Release struct {
		Draft bool `yaml:"draft"`
	} `yaml:"release"`
}

// workflow is the part of GitHub's workflow syntax that the project uses.
type workflow struct {
	Name string `yaml:"name"`
	On   struct {
		Push struct {
			Branches []string `yaml:"branches"`
		} `yaml:"push"`
		PullRequest *struct{} `yaml:"pull_request"`
	} `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency struct {
		Group            string `yaml:"group"`
		CancelInProgress bool   `yaml:"cancel-in-progress"`
	} `yaml:"concurrency"`
	Jobs map[string]struct {
		RunsOn  string `yaml:"runs-on"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []struct {
			Name string            `yaml:"name"`
			Uses string            `yaml:"uses"`
			With map[string]string `yaml:"with"`
			Run  string            `yaml:"run"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// readStrict decodes a YAML file into v and fails on a field that v does not have.
func readStrict(t *testing.T, name string, v any) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(readText(t, name))), yaml.Strict())
	require.NoError(t, decoder.Decode(v), name)
}

func TestRelease_BuildsTheBinaryAsTheImageDoes(t *testing.T) {
	t.Parallel()
	var c releaseConfig
	readStrict(t, releaseFile, &c)
	require.Equal(t, 2, c.Version)
	require.Len(t, c.Builds, 1)
	b := c.Builds[0]
	require.Equal(t, "main", packageName(t, filepath.Join("../..", b.Main)))
	require.Equal(t, []string{"linux", "darwin"}, b.Goos)
	require.Equal(t, []string{"amd64", "arm64"}, b.Goarch)
	require.Contains(t, b.Env, "CGO_ENABLED=0")
	build := strings.Join(b.Env, " ") + " go build -tags " + strings.Join(b.Tags, ",") + " " +
		strings.Join(b.Flags, " ") + ` -ldflags "` + strings.Join(b.Ldflags, " ") + `"`
	// The image gets the version as a build argument.
	require.Contains(t, readText(t, "../../deploy/Dockerfile"), strings.ReplaceAll(build, "{{ .Tag }}", "${VERSION}"))
	for _, m := range regexp.MustCompile(`-X[ =](\S+)\.(\w+)=`).FindAllStringSubmatch(strings.Join(b.Ldflags, " "), -1) {
		require.True(t, hasVariable(t, m[1], m[2]), "-X names %s.%s, which does not exist", m[1], m[2])
	}
}

func TestRelease_ArchivesFilesThatExist(t *testing.T) {
	t.Parallel()
	var c releaseConfig
	readStrict(t, releaseFile, &c)
	require.Len(t, c.Archives, 1)
	require.Equal(t, []string{c.Builds[0].ID}, c.Archives[0].IDs)
	require.Contains(t, c.Archives[0].Files, "LICENSE")
	for _, pattern := range c.Archives[0].Files {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		require.NoError(t, err)
		require.NotEmpty(t, found, pattern)
	}
	require.Contains(t, strings.Fields(readText(t, "../../.gitignore")), "/dist/", "a release needs a clean tree")
}

func TestWorkflow_RunsTheChecksWithTheModulesGo(t *testing.T) {
	t.Parallel()
	var w workflow
	readStrict(t, workflowFile, &w)
	require.Equal(t, map[string]string{"contents": "read"}, w.Permissions)
	require.Contains(t, w.Jobs, "checks")
	var runs []string
	for _, step := range w.Jobs["checks"].Steps {
		if step.Uses == "" {
			runs = append(runs, step.Run)
			continue
		}
		require.Regexp(t, `^actions/[a-z-]+@v\d+$`, step.Uses)
		if name, ok := step.With["go-version-file"]; ok {
			require.Regexp(t, `(?m)^go 1\.\d+`, readText(t, filepath.Join("../..", name)))
		}
		for name := range strings.FieldsSeq(step.With["cache-dependency-path"]) {
			require.FileExists(t, filepath.Join("../..", name))
		}
	}
	require.NotEmpty(t, runs)
	require.Equal(t, ".ci/run", runs[len(runs)-1])
	info, err := os.Stat("../../.ci/run")
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o111, ".ci/run is executable")
}

// packageName returns the name of the package in dir.
func packageName(t *testing.T, dir string) string {
	t.Helper()
	files := parseFiles(t, dir)
	return files[0].Name.Name
}

// hasVariable reports whether a package of the module declares the variable. The linker calls the main package "main".
func hasVariable(t *testing.T, importPath, name string) bool {
	t.Helper()
	dir := "../../cmd/carewire"
	if importPath != "main" {
		dir = filepath.Join("../..", strings.TrimPrefix(importPath, "carewire/"))
	}
	for _, f := range parseFiles(t, dir) {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, n := range s.(*ast.ValueSpec).Names {
					if n.Name == name {
						return true
					}
				}
			}
		}
	}
	return false
}

// parseFiles parses the Go files of dir, tests left out.
func parseFiles(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		files = append(files, f)
	}
	require.NotEmpty(t, files, dir)
	return files
}
