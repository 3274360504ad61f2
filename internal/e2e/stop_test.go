package e2e_test

import (
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
)

func TestStop_ClosesSocketsAndTheNextStartCompletesTheWork(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	s := c.dial(patient, "")
	id := c.writeReport()
	c.service.Stop()
	require.Equal(t, websocket.CloseGoingAway, s.awaitClose())
	_, err := http.Get(c.url + "/livez") //nolint:bodyclose // There is no answer.
	require.Error(t, err, "the service has stopped")

	c.start()
	subject := "lab_report/" + id
	c.eventually("everybody is notified", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 6 })
	require.Len(t, ofType(c.story(subject), "notification.planned"), 3, "once each, however often the service stopped")
	resumed := c.dial(patient, s.cursor)
	for len(resumed.about("ehr.lab_report.created", subject))+len(s.about("ehr.lab_report.created", subject)) == 0 {
		resumed.read()
	}
}
