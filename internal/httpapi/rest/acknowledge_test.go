package rest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// unacknowledged returns the ids of the person's notifications that still have to be acknowledged.
func (d *dispatcher) unacknowledged(who string) []string {
	d.t.Helper()
	ids := d.pages(who, "/api/notifications?unacknowledged=true&limit=1")
	require.Equal(d.t, ids, d.pages(who, "/api/inbox?unacknowledged=true&limit=1"))
	return ids
}

// escalations returns the steps of an event's escalations from its explanation.
func (d *dispatcher) escalations(event any) (all []string) {
	d.t.Helper()
	w := d.do(operator, http.MethodGet, "/api/notifications/explain?event="+event.(string), nil)
	require.Equal(d.t, http.StatusOK, w.Code, "%s", w.Body)
	for _, s := range decode(d.t, w)["escalations"].([]any) {
		step := s.(map[string]any)
		outcome, _ := step["outcome"].(string)
		by, _ := step["doneBy"].(string)
		all = append(all, step["rule"].(string)+" "+outcome+" "+by)
	}
	return all
}

func TestAcknowledge_EndsTheEscalationOfACriticalResult(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	const covering = "covering@demo.example"
	d.hire(covering, "doctor", true)
	d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1"))
	d.plan()
	require.Empty(t, d.unacknowledged(patient))
	require.Len(t, d.unacknowledged(covering), 1)
	ids := d.unacknowledged(doctor)
	require.Len(t, ids, 1, "of several notifications, the one about the critical result")
	item := decode(t, d.do(doctor, http.MethodGet, "/api/notifications?unacknowledged=true", nil))["items"].([]any)[0].(map[string]any)
	require.Equal(t, "ehr.lab_report.critical", item["eventType"])
	require.Equal(t, true, item["needsAcknowledgement"])
	require.NotContains(t, item, "acknowledgedAt")
	require.Equal(t, []string{"critical-result  ", "critical-result  "}, d.escalations(item["eventId"]))

	path := "/api/notifications/" + ids[0] + "/acknowledge"
	requireProblem(t, d.do(patient, http.MethodPost, path, nil), 404, "not_found")
	requireProblem(t, d.do(doctor, http.MethodPost, "/api/notifications/"+uuid.NewString()+"/acknowledge", nil), 404, "not_found")
	requireProblem(t, d.do(doctor, http.MethodPost, "/api/notifications/7/acknowledge", nil), 422, "invalid")
	w := d.do(doctor, http.MethodPost, path, nil)
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	first := decode(t, w)
	require.EqualValues(t, 2, first["escalationsEnded"])
	again := decode(t, d.do(doctor, http.MethodPost, path, nil))
	require.Equal(t, first["acknowledgedAt"], again["acknowledgedAt"])
	require.EqualValues(t, 0, again["escalationsEnded"])

	require.Empty(t, d.unacknowledged(doctor))
	require.Empty(t, d.unacknowledged(covering), "a colleague has acknowledged it")
	id := d.ids[doctor].String()
	require.Equal(t, []string{"critical-result acknowledged " + id, "critical-result acknowledged " + id}, d.escalations(item["eventId"]))
	item = decode(t, d.do(doctor, http.MethodGet, "/api/inbox", nil))["items"].([]any)[0].(map[string]any)
	require.Equal(t, ids[0], item["id"])
	require.NotNil(t, item["readAt"])
	require.NotNil(t, item["acknowledgedAt"])
	require.Equal(t, 1, d.happened("notification.acknowledged"))
	require.Equal(t, 1, d.happened("notification.read"))
	requireProblem(t, d.do(doctor, http.MethodGet, "/api/inbox?unacknowledged=true&unread=true", nil), 422, "invalid")
	require.Empty(t, d.pages(operator, "/api/notifications?unacknowledged=true"))
}

func TestNotificationPage_AcknowledgesWithOneClick(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1"))
	d.plan()
	id := d.unacknowledged(doctor)[0]
	require.Equal(t, []string{id}, d.pages(operator, "/api/notifications?unacknowledged=true&recipientId="+d.ids[doctor].String()))
	page := d.do(doctor, http.MethodGet, "/notifications/"+id, nil)
	require.Contains(t, page.Body.String(), `action="/notifications/`+id+`/acknowledge"`)
	require.Len(t, d.unacknowledged(doctor), 1, "opening it is not enough")
	requireProblem(t, d.do(patient, http.MethodPost, "/notifications/"+id+"/acknowledge", nil), 404, "not_found")
	w := d.do(doctor, http.MethodPost, "/notifications/"+id+"/acknowledge", nil)
	require.Equal(t, http.StatusSeeOther, w.Code, "%s", w.Body)
	require.Equal(t, "/notifications/"+id, w.Header().Get("Location"))
	page = d.do(doctor, http.MethodGet, "/notifications/"+id, nil)
	require.Contains(t, page.Body.String(), "You acknowledged it")
	require.NotContains(t, page.Body.String(), `/acknowledge"`)
	require.Empty(t, d.unacknowledged(doctor))
}

func TestNotificationsPage_SaysWhatIsPlannedAndWhatWasCancelled(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	visit := d.post(t, receptionist, "/api/appointments", d.appointmentInput())
	d.plan()
	list := func(who string) string {
		t.Helper()
		w := d.do(who, http.MethodGet, "/notifications", nil)
		require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
		requirePage(t, who, w)
		return w.Body.String()
	}
	page := list(patient)
	require.Contains(t, page, "Planned for later")
	require.Equal(t, 2, strings.Count(page, "Reminder about your appointment"))
	require.Contains(t, page, `href="`+strings.TrimPrefix(visit, "/api")+`"`, "the reminder has no page yet")
	require.NotContains(t, page, "No longer sent")
	require.NotContains(t, list(doctor), "Planned for later")

	d.post(t, receptionist, visit+"/cancel", nil, "If-Match", `"1"`)
	page = list(patient)
	require.NotContains(t, page, "Planned for later")
	require.Contains(t, page, "No longer sent")
	require.Equal(t, 2, strings.Count(page, ": an appointment was cancelled"))
}

func TestNotificationsPage_AsksToAcknowledgeUntilAColleagueHas(t *testing.T) {
	t.Parallel()
	d := dispatching(t)
	const covering = "covering@demo.example"
	d.hire(covering, "doctor", true)
	d.post(t, nurse, "/api/ehr/lab-reports", d.critical("7.1"))
	d.plan()
	ids := map[string]string{doctor: d.unacknowledged(doctor)[0], covering: d.unacknowledged(covering)[0]}
	for who, id := range ids {
		page := d.do(who, http.MethodGet, "/notifications", nil).Body.String()
		require.Contains(t, page, "For you to acknowledge")
		require.Contains(t, page, `<a href="/notifications/`+id+`">A lab report has a critical result</a>`)
		require.Contains(t, page, `<span class="high">waits for you to acknowledge it</span>`)
		require.Contains(t, d.do(who, http.MethodGet, "/notifications/"+id, nil).Body.String(), "Nobody has acknowledged this yet")
	}
	require.Equal(t, http.StatusSeeOther, d.do(doctor, http.MethodPost, "/notifications/"+ids[doctor]+"/acknowledge", nil).Code)
	require.Contains(t, d.do(doctor, http.MethodGet, "/notifications", nil).Body.String(), "you acknowledged it on")
	for who := range ids {
		require.NotContains(t, d.do(who, http.MethodGet, "/notifications", nil).Body.String(), "For you to acknowledge")
	}
	page := d.do(covering, http.MethodGet, "/notifications/"+ids[covering], nil).Body.String()
	require.Contains(t, page, "A colleague has acknowledged it")
	require.NotContains(t, page, "<button>Acknowledge</button>")
}
