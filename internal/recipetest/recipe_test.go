// Package recipetest tests docs/extending.md: it applies the recipes of the page to a copy of the
// repository, builds it and runs the tests of the page.
package recipetest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const (
	root = "../.."
	page = "docs/extending.md"
	// maxEdits is the maximum number of edits of a recipe that the page promises, without its test.
	maxEdits = 3
)

// recipe is a section of the page with code blocks that name files.
type recipe struct {
	title string
	edits []edit
	tests []edit
}

// edit is a code block: a new file, or a diff of an existing one.
type edit struct {
	file string
	line int // Line of the block on the page.
	new  bool
	text string
}

// heading matches the line above a block: **1.** or **Test.**, then "New file `x`" or "In `x`", and
// its purpose.
var heading = regexp.MustCompile("^\\*\\*(\\d|Test)\\.\\*\\* (New file|In) `([^`]+)`.*:$")

// readPage returns the recipes. A block without a heading is an error, because it would not be
// tested.
func readPage(text string) ([]recipe, error) {
	var all []recipe
	var next *edit
	var test bool
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "## "):
			all = append(all, recipe{title: strings.TrimPrefix(line, "## ")})
		case strings.HasPrefix(line, "**"):
			m := heading.FindStringSubmatch(line)
			if m == nil || len(all) == 0 {
				return nil, fmt.Errorf("line %d: write «**1.** New file `x`:», «**1.** In `x`:» or «**Test.** …»", i+1)
			}
			r := &all[len(all)-1]
			if want := fmt.Sprint(len(r.edits) + 1); m[1] != "Test" && m[1] != want {
				return nil, fmt.Errorf("line %d: edit %s should be %s", i+1, m[1], want)
			}
			next, test = &edit{file: m[3], new: m[2] == "New file"}, m[1] == "Test"
		case strings.HasPrefix(line, "```"):
			if next == nil || (strings.TrimPrefix(line, "```") == "diff") == next.new {
				return nil, fmt.Errorf("line %d: a block needs a file above it, and is a diff only where the file is not new", i+1)
			}
			next.line = i + 1
			end := i + 1 + slices.Index(lines[i+1:], "```")
			if end <= i {
				return nil, fmt.Errorf("line %d: the block does not end", i+1)
			}
			next.text, i = strings.Join(lines[i+1:end], "\n")+"\n", end
			r := &all[len(all)-1]
			if test {
				r.tests = append(r.tests, *next)
			} else {
				r.edits = append(r.edits, *next)
			}
			next = nil
		}
	}
	return slices.DeleteFunc(all, func(r recipe) bool { return len(r.edits)+len(r.tests) == 0 }), nil
}

// apply applies the edit below dir.
func (e edit) apply(dir string) error {
	name := filepath.Join(dir, e.file)
	there, err := os.ReadFile(name)
	if e.new {
		if err == nil {
			return fmt.Errorf("%s, line %d: %s is there already", page, e.line, e.file)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			return err
		}
		return os.WriteFile(name, []byte(e.text), 0o600)
	}
	if err != nil {
		return fmt.Errorf("%s, line %d: %w", page, e.line, err)
	}
	text := string(there)
	for hunk := range strings.SplitSeq(e.text, "@@\n") {
		before, after := sides(hunk)
		if n := strings.Count("\n"+text, "\n"+before); n != 1 || before == "" {
			return fmt.Errorf("%s, line %d: what the diff changes stands %d times in %s, not once:\n%s", page, e.line, n, e.file, before)
		}
		text = strings.TrimPrefix(strings.Replace("\n"+text, "\n"+before, "\n"+after, 1), "\n")
	}
	return os.WriteFile(name, []byte(text), 0o600)
}

// sides returns the text that a hunk replaces, and its replacement.
func sides(hunk string) (before, after string) {
	for line := range strings.Lines(hunk) {
		switch {
		case strings.HasPrefix(line, "-"):
			before += line[1:]
		case strings.HasPrefix(line, "+"):
			after += line[1:]
		default:
			before, after = before+strings.TrimPrefix(line, " "), after+strings.TrimPrefix(line, " ")
		}
	}
	return before, after
}

func recipes(t *testing.T) []recipe {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, page))
	require.NoError(t, err)
	all, err := readPage(string(text))
	require.NoError(t, err)
	return all
}

func TestRecipes_AreFiveOfAtMostThreeEditsAndATest(t *testing.T) {
	t.Parallel()
	var titles []string
	for _, r := range recipes(t) {
		titles = append(titles, r.title)
		require.NotEmpty(t, r.edits, r.title)
		require.LessOrEqual(t, len(r.edits), maxEdits, r.title)
		require.NotEmpty(t, r.tests, r.title)
		for _, e := range r.edits {
			require.False(t, e.new && strings.HasSuffix(e.file, "_test.go"), "%s: %s is a test: say so", r.title, e.file)
		}
	}
	require.Equal(t, []string{"A record kind", "An event", "A rule", "A channel", "A listener"}, titles)
}

func TestRecipes_BuildAndPassTheirTestsInACopyOfTheRepository(t *testing.T) {
	t.Parallel()
	dir := scratch(t)
	copyRepository(t, dir)
	names, packages, touched := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range recipes(t) {
		for _, e := range slices.Concat(r.edits, r.tests) {
			require.NoError(t, e.apply(dir), r.title)
			if strings.HasSuffix(e.file, ".go") {
				touched["./"+filepath.Dir(e.file)] = true
			}
		}
		for _, e := range r.tests {
			packages["./"+filepath.Dir(e.file)] = true
			for _, m := range testName.FindAllStringSubmatch(e.text, -1) {
				names[m[1]] = true
			}
		}
	}
	run(t, dir, append([]string{"go", "vet", "./internal/app", "./cmd/..."}, keys(touched)...)...)
	run(t, dir, "make", "goldens", "WITH_POSTGRES=")
	said := run(t, dir, append([]string{"go", "test", "-v", "-run", "^(" + strings.Join(keys(names), "|") + ")$"}, keys(packages)...)...)
	for name := range names {
		require.Contains(t, said, "--- PASS: "+name)
	}
	// Tests of rules that the recipes could break: the direction of imports, and the checks of every
	// event and rule.
	run(t, dir, "go", "test", "./internal/archtest", "./internal/event", "./internal/rule/...", "./internal/config")
	require.Contains(t, run(t, dir, "go", "test", "-v", "./internal/httpapi/rest", "-run", "^TestKinds_/^referral$"), "/referral", "what every kind does")
	spec, err := os.ReadFile(filepath.Join(dir, "internal/httpapi/rest/testdata/openapi.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(spec), "/api/ehr/referrals/{id}:")
	run(t, dir, "make", "build")
	require.Contains(t, run(t, dir, "bin/carewire", "serve", "--help"), "CAREWIRE_TEAMS_GATEWAY")
	require.Contains(t, run(t, dir, "bin/carewire", "follower", "failures", "--help"), "export")
	checkChannel(t, dir)
}

// checkChannel uses the channel of the recipe, which nothing in the repository prepares: a rule set that names it passes
// the check, and a message on it reaches its stand-in.
func checkChannel(t *testing.T, dir string) {
	t.Helper()
	rules := filepath.Join(dir, "teams.yaml")
	require.NoError(t, os.WriteFile(rules, []byte("rules: [{name: teams, on: ehr.*.created, recipients: [{user: data.userId}], channels: [teams]}]\n"), 0o600))
	run(t, dir, "bin/carewire", "rules", "check", rules)
	text, err := os.ReadFile("testdata/teams_test.go.txt")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "internal/e2e/teams_test.go"), text, 0o600))
	run(t, dir, "go", "test", "./internal/e2e", "-count=1", "-run", "^TestChannel_ThatNobodyPreparedDeliversWhatARuleSends$")
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+_\w+)\(`)

func keys(set map[string]bool) []string {
	var all []string
	for k := range set {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// scratch returns an empty directory for the copy, used by this test alone until it ends. It has
// the same name each time because the build cache depends on the path, so that only changes since
// the last run are compiled.
func scratch(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	from, err := filepath.Abs(root)
	require.NoError(t, err)
	dir := filepath.Join(cache, "carewire-recipes", strings.ReplaceAll(strings.Trim(from, "/"), "/", "-"))
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o750))
	lock, err := os.Create(dir + ".lock")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, lock.Close())
	})
	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	require.NoError(t, os.RemoveAll(dir)) // Left by a run that was killed.
	return dir
}

// copyRepository copies the files that the module is built and tested from.
func copyRepository(t *testing.T, dir string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(d.Name(), ".") && rel != "."
		if d.IsDir() {
			if hidden || slices.Contains([]string{"bin", "bench"}, rel) {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, rel), 0o750)
		}
		if hidden || !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), text, 0o600)
	}))
}

// run runs a command in the copy and returns its output.
func run(t *testing.T, dir string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s\n%s", strings.Join(command, " "), out)
	return string(out)
}

func TestPage_IsRefusedWhereABlockWouldNotBeTested(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no file":                     "## A\n```go\nx\n```\n",
		"a diff of what is not there": "## A\n**1.** New file `x`:\n```diff\n+x\n```\n",
		"a file that is there, whole": "## A\n**1.** In `x`:\n```go\nx\n```\n",
		"no end":                      "## A\n**1.** In `x`:\n```diff\n+x\n",
		"a number left out":           "## A\n**2.** In `x`:\n```diff\n+x\n```\n",
		"another form":                "## A\n**1.** To `x`:\n```diff\n+x\n```\n",
	} {
		_, err := readPage(text)
		require.Error(t, err, name)
	}
}

func TestApply_ChangesOneSpotAndNoOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x"), []byte("one\n\ttwo\ntwo\nthree\n"), 0o600))
	require.NoError(t, edit{file: "x", text: " two\n+new\n@@\n-three\n+four\n"}.apply(dir))
	text, err := os.ReadFile(filepath.Join(dir, "x"))
	require.NoError(t, err)
	require.Equal(t, "one\n\ttwo\ntwo\nnew\nfour\n", string(text))
	for says, e := range map[string]edit{
		"0 times":       {file: "x", text: " five\n+six\n"},
		"not once":      {file: "x", text: "+six\n"},
		"there already": {file: "x", new: true},
		"no such file":  {file: "y", text: " one\n"},
	} {
		require.ErrorContains(t, e.apply(dir), says)
	}
}
