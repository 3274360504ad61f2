package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

const firstDayFile = "../../docs/first-day.md"

// step is a fenced block of docs/first-day.md, or an instruction to a person at a browser in an HTML
// comment such as "test: sign in ada@clinic.example".
type step struct{ language, text string }

// firstDaySteps returns the steps of the page in their order.
func firstDaySteps(t *testing.T) []step {
	t.Helper()
	found := regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$|<!-- test: (.*?) -->").FindAllStringSubmatch(readText(t, firstDayFile), -1)
	var steps []step
	for _, m := range found {
		if m[3] != "" {
			steps = append(steps, step{"test", m[3]})
		} else {
			steps = append(steps, step{m[1], m[2]})
		}
	}
	require.NotEmpty(t, steps)
	return steps
}

// firstDay follows docs/first-day.md on an empty server.
type firstDay struct {
	t     *testing.T
	shell *shell
	ses   *ses
	admin *pgx.Conn
	// values are the settings that the page asks to replace.
	values map[string]string
}

func TestFirstDay_ThePageLeadsFromAnEmptyServerToTheFirstLabReport(t *testing.T) {
	t.Parallel()
	d := newFirstDay(t)
	outputs := map[string]string{}
	for _, s := range firstDaySteps(t) {
		switch s.language {
		case "sql":
			for statement := range strings.SplitSeq(strings.TrimSpace(s.text), "\n") {
				_, err := d.admin.Exec(t.Context(), statement)
				require.NoError(t, err, statement)
			}
		case "sh":
			if strings.Contains(s.text, "export DATABASE_URL=") {
				s.text = d.settings(s.text)
			}
			outputs[strings.TrimSpace(s.text)] = d.shell.run(s.text)
		case "json":
			require.True(t, json.Valid([]byte(s.text)))
		case "test":
			d.person(s.text)
		default:
			require.Fail(t, "the test does not know how to run a block of "+s.language)
		}
	}
	d.checkOutputs(outputs)
	require.Empty(t, d.ses.problems(), "SES accepts every request")
}

func newFirstDay(t *testing.T) *firstDay {
	t.Helper()
	cluster, err := postgrestest.StartCluster(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cluster.Stop(context.Background())) })
	d := &firstDay{t: t, ses: newSES(t, "clinic.example"), admin: emptyServer(t, cluster.URL())}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	require.NoError(t, os.Mkdir(bin, 0o700))
	carewire, err := binary()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(carewire, filepath.Join(bin, "carewire")))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "dex"), ".")
	build.Dir = "oidcprovider"
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	writeServiceAccount(t, filepath.Join(dir, "firebase.json"))

	base, err := url.Parse(cluster.URL())
	require.NoError(t, err)
	address, issuer := freeAddress(t), freeAddress(t)
	d.values = map[string]string{
		"DATABASE_URL":  "postgres://carewire_login:CHANGE-ME@127.0.0.1:" + base.Query().Get("port") + "/clinic?sslmode=disable",
		"CAREWIRE_ADDR": address, "CAREWIRE_BASE_URL": "http://" + address, "CAREWIRE_OIDC_ISSUER": "http://" + issuer + "/dex",
		"AWS_REGION": d.ses.region, "AWS_ACCESS_KEY_ID": d.ses.keyID, "AWS_SECRET_ACCESS_KEY": d.ses.secret,
	}
	d.shell = newShell(t, dir, "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "AWS_ENDPOINT_URL_SESV2="+d.ses.URL, "AWS_EC2_METADATA_DISABLED=true", "CAREWIRE_DRAIN_DELAY=0s")
	return d
}

// emptyServer removes what the tests' PostgreSQL has beyond a server of its own, and returns its
// administrator's connection.
func emptyServer(t *testing.T, clusterURL string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(clusterURL)
	require.NoError(t, err)
	used := cfg.Database
	cfg.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close(context.Background()) })
	_, err = admin.Exec(t.Context(), "DROP DATABASE "+pgx.Identifier{used}.Sanitize()+" WITH (FORCE)")
	require.NoError(t, err)
	rows, err := admin.Query(t.Context(), `SELECT rolname FROM pg_roles WHERE rolname LIKE 'carewire\_%'`)
	require.NoError(t, err)
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	for _, role := range roles {
		_, err = admin.Exec(t.Context(), "DROP ROLE "+pgx.Identifier{role}.Sanitize())
		require.NoError(t, err)
	}
	return admin
}

// writeServiceAccount writes the key of a Firebase service account that nobody accepts: no device is
// registered, so no push message is sent.
func writeServiceAccount(t *testing.T, file string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "clinic-example", "private_key_id": "1",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": "carewire@clinic-example.iam.gserviceaccount.com", "client_id": "1", "token_uri": "http://127.0.0.1:1/token",
	})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, account, 0o600))
}

// settings returns the block that sets the variables, with this server's values.
func (d *firstDay) settings(block string) string {
	for name, value := range d.values {
		setting := regexp.MustCompile(`(?m)\b` + name + `=('[^']*'|[^\s']+)`)
		require.Regexp(d.t, setting, block, "%s is not in the block of variables", name)
		block = setting.ReplaceAllLiteralString(block, name+"='"+value+"'")
	}
	return block
}

// person does what the page asks a person to do.
func (d *firstDay) person(instruction string) {
	d.t.Helper()
	words := strings.Fields(instruction)
	who := words[len(words)-1]
	switch verb := strings.Join(words[:len(words)-1], " "); verb {
	case "sign in":
		d.signIn(d.values["CAREWIRE_BASE_URL"]+"/login", who)
	case "accept":
		d.signIn(d.link(who), who)
	case "email":
		d.waitFor("an email about the report", func() bool { return len(d.ses.to(who)) == 2 })
		e := d.ses.to(who)[1].Content.Simple
		require.Contains(d.t, e.Subject.Data+e.Body.Text.Data, "lab report")
		require.NotContains(d.t, strings.ToLower(e.Body.Text.Data+e.Body.Html.Data), "potassium", "no findings")
	default:
		require.Fail(d.t, "the test does not know how to "+verb)
	}
}

// link returns the invitation's link in the first message to the person.
func (d *firstDay) link(who string) string {
	d.t.Helper()
	d.waitFor("an invitation", func() bool { return len(d.ses.to(who)) > 0 })
	link := regexp.MustCompile(regexp.QuoteMeta(d.values["CAREWIRE_BASE_URL"]) + `/login\?invitation=\S+`).FindString(d.ses.to(who)[0].Content.Simple.Body.Text.Data)
	require.NotEmpty(d.t, link)
	return link
}

func (d *firstDay) waitFor(what string, reached func() bool) {
	d.t.Helper()
	require.Eventually(d.t, reached, patience, 20*time.Millisecond, what)
}

// signIn opens the page in a browser of its own, signs in at the identity provider, and asserts that
// the service knows the person.
func (d *firstDay) signIn(page, who string) {
	d.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(d.t, err)
	browser := &http.Client{Jar: jar}
	at, form := openPage(d.t, browser, page, nil)
	require.Contains(d.t, at.String(), d.values["CAREWIRE_OIDC_ISSUER"], "%s", form)
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(form)
	require.NotNil(d.t, id, form)
	action := at.ResolveReference(&url.URL{Path: "/login/username"}).String()
	at, answer := openPage(d.t, browser, action, url.Values{"id": {id[1]}, "username": {who}, "password": {"password"}})
	require.True(d.t, strings.HasPrefix(at.String(), d.values["CAREWIRE_BASE_URL"]+"/"), "%s: %s", at, answer)
	_, me := openPage(d.t, browser, d.values["CAREWIRE_BASE_URL"]+"/api/me", nil)
	require.Contains(d.t, me, `"email":"`+who+`"`)
}

// openPage opens the address in the browser, or submits the form to it, and returns the address and the
// content of the page to which that leads.
func openPage(t *testing.T, browser *http.Client, address string, form url.Values) (*url.URL, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if form != nil {
		request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	}
	require.NoError(t, err)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r, err := browser.Do(request)
	require.NoError(t, err)
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode, "%s: %s", r.Request.URL, body)
	return r.Request.URL, string(body)
}

// checkOutputs asserts what the page says of the commands' output.
func (d *firstDay) checkOutputs(outputs map[string]string) {
	d.t.Helper()
	output := func(command string) string {
		for block, out := range outputs {
			if strings.Contains(block, command) {
				return out
			}
		}
		require.Fail(d.t, "no block has "+command)
		return ""
	}
	require.Contains(d.t, output("carewire setup"), "Sign in as ada@clinic.example at "+d.values["CAREWIRE_BASE_URL"]+"/login")
	require.Regexp(d.t, `(?s) admin .*ada@clinic.example.* operator .*ada@clinic.example.* auditor .*anton@clinic.example`, output("carewire role list"))
	require.Contains(d.t, output("carewire health"), "ready\n")
	require.Contains(d.t, output("GET /api/me"), `"role":"operator"`)
	require.Contains(d.t, output("GET \"/api/ehr/lab-reports/$REPORT\""), `"value":4.1`)
	require.Equal(d.t, "404\n", output("%{http_code}"))
	story := output("carewire rules explain")
	for _, event := range []string{"ehr.lab_report.created", "record.read", "access.denied", "notification.planned"} {
		require.Contains(d.t, story, `"type":"`+event+`"`)
	}
	require.Contains(d.t, story, "record-created")
	require.Regexp(d.t, `(?m)^[0-9a-f-]{36} +email +sent `, story)
}

// shell is one bash that runs blocks of commands one after another, as in a terminal.
type shell struct {
	t     *testing.T
	dir   string
	in    io.Writer
	lines chan string
	done  chan struct{}
}

func newShell(t *testing.T, dir string, env ...string) *shell {
	t.Helper()
	s := &shell{t: t, dir: dir, lines: make(chan string, 1000), done: make(chan struct{})}
	cmd := exec.Command("bash", "--noprofile", "--norc")
	// The settings are those of the page.
	own := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "CAREWIRE_") || strings.HasPrefix(v, "DATABASE_URL") })
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, append(own, env...), &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	s.in = in
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.lines <- lines.Text()
		}
		close(s.lines)
		_ = cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // Also the background processes of a page that failed half-way.
		<-s.done
	})
	return s
}

// run runs the block and returns its output. A command that fails ends the block, and the test.
func (s *shell) run(block string) string {
	s.t.Helper()
	const end = "-- end of block, status "
	script := filepath.Join(s.dir, "block.sh")
	require.NoError(s.t, os.WriteFile(script, []byte(block), 0o600))
	_, err := fmt.Fprintf(s.in, "set -e\n. ./block.sh\nset +e\necho '%s'0\n", end)
	require.NoError(s.t, err)
	var out bytes.Buffer
	for line := range s.lines {
		if before, ok := strings.CutSuffix(line, end+"0"); ok {
			out.WriteString(before)
			return out.String()
		}
		out.WriteString(line + "\n")
	}
	logs, _ := filepath.Glob(filepath.Join(s.dir, "*.log"))
	for _, log := range logs {
		s.t.Logf("%s:\n%s", filepath.Base(log), readText(s.t, log))
	}
	require.Fail(s.t, "the block failed", "%s\n%s", block, &out)
	return ""
}
