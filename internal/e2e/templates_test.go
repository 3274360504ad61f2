package e2e_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// subjectLine matches the beginning of the subjects of emails in a template set.
var subjectLine = regexp.MustCompile(`(?m)^(\s+subject: ['"]?)`)

// marked returns the numbers of the emails to a person with and without the mark before their subject.
func (c *clinic) marked(to, mark string) (with, without int) {
	c.t.Helper()
	for _, m := range c.sandboxMessages("email", to) {
		if strings.HasPrefix(m["subject"].(string), mark) {
			with++
		} else {
			without++
		}
	}
	return with, without
}

func TestTemplates_EventsBeforeAndAfterAPublicationGetTheWordsOfTheirVersion(t *testing.T) {
	t.Parallel()
	c := openThree(t)
	current := c.do(operator, http.MethodGet, "/api/templates/current", nil)
	require.Equal(t, http.StatusOK, current.status, "%s", current.body)
	set := current.decode(t)
	require.EqualValues(t, 1, set["version"])
	require.Equal(t, "system:setup", set["publishedBy"])
	source := set["source"].(string)

	// A throttled channel holds the messages about the first event until the second set is in force.
	fault := c.do("", http.MethodPost, "/sandbox/faults", map[string]any{"channel": "email", "status": 429})
	require.Equal(t, http.StatusCreated, fault.status, "%s", fault.body)
	before := "lab_report/" + c.writeReport()
	c.eventually("the first messages are planned", func() bool { return len(ofType(c.story(before), "notification.planned")) == 3 })

	broken := c.do(operator, http.MethodPost, "/api/templates", map[string]any{"source": subjectLine.ReplaceAllString(source, "${1}{{.PatientName}} ")})
	require.Equal(t, http.StatusUnprocessableEntity, broken.status)
	published := c.do(operator, http.MethodPost, "/api/templates", map[string]any{"source": subjectLine.ReplaceAllString(source, "${1}NEW "), "note": "marked"})
	require.Equal(t, http.StatusOK, published.status, "%s", published.body)
	require.EqualValues(t, 2, published.decode(t)["version"], "the broken set left nothing")
	c.instances[0].stop()
	c.api.urls = c.api.urls[1:]
	after := "lab_report/" + c.writeReport()
	c.eventually("the second messages are planned", func() bool { return len(ofType(c.story(after), "notification.planned")) == 3 })
	require.Less(t, c.do("", http.MethodDelete, "/sandbox/faults", nil).status, 300)

	c.eventually("both arrive, each with its words", func() bool {
		with, without := c.marked(patient, "NEW ")
		return with == 1 && without == 1
	})
	versions := map[string]float64{}
	for _, d := range c.items("/api/deliveries?channel=email") {
		versions[d["subject"].(string)] = d["templateVersion"].(float64)
	}
	require.Equal(t, map[string]float64{before: 1, after: 2}, versions)

	rollback := c.do(operator, http.MethodPost, "/api/templates/1/rollback", map[string]any{})
	require.EqualValues(t, 3, rollback.decode(t)["version"], "%s", rollback.body)
	c.writeReport()
	c.eventually("later messages have the old words", func() bool {
		with, without := c.marked(patient, "NEW ")
		return with == 1 && without == 2
	})
	require.Equal(t, 1, c.query(`SELECT count(*) FROM events WHERE type = 'templates.published' AND data->>'version' = '3'`))
	require.Equal(t, 3, c.query(`SELECT count(*) FROM template_publications`))
}
