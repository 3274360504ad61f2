package e2e_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/docs"
)

// documentedClient returns a file with the block of JavaScript in docs/socket.md.
func documentedClient(t *testing.T) string {
	t.Helper()
	_, code, ok := strings.Cut(string(docs.Socket), "```js\n")
	require.True(t, ok, "docs/socket.md has no client")
	code, _, ok = strings.Cut(code, "```")
	require.True(t, ok)
	path := filepath.Join(t.TempDir(), "client.mjs")
	require.NoError(t, os.WriteFile(path, []byte(code), 0o600))
	return path
}

// node returns the command line of Node, with the flag that its version needs for WebSocket.
func node(t *testing.T) []string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node is not installed: the documented client cannot be run")
	}
	out, err := exec.CommandContext(t.Context(), path, "--version").Output()
	require.NoError(t, err)
	version := regexp.MustCompile(`^v(\d+)\.`).FindStringSubmatch(string(out))
	require.NotNil(t, version, "%s", out)
	if major, _ := strconv.Atoi(version[1]); major < 22 {
		return []string{path, "--experimental-websocket"}
	}
	return []string{path}
}

func TestDocumentedSocketClient_PrintsAnEventAsItHappens(t *testing.T) {
	t.Parallel()
	run := node(t)
	c := openClinic(t)
	args := append(run[1:], documentedClient(t), c.url, c.token(doctor))
	cmd := exec.CommandContext(t.Context(), run[0], args...)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range lines { // The scanner ends with the process, and Wait must follow it.
		}
		_ = cmd.Wait()
	})

	// A socket without a cursor starts when it opens and does not see earlier writes.
	subjects, seen := map[string]bool{}, false
	c.eventually("the client prints an event", func() bool {
		subjects["lab_report/"+c.writeReport()] = true
		for {
			select {
			case line, ok := <-lines:
				require.True(t, ok, "the client ended")
				words := strings.Fields(line)
				require.Len(t, words, 3, "%s", line)
				if words[1] == "ehr.lab_report.created" {
					require.True(t, subjects[words[2]], "%s", line)
					seen = true
				}
			default:
				return seen
			}
		}
	})
}
