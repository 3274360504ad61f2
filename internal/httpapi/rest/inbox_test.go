package rest_test

import (
	"bytes"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
	"carewire/internal/notify/link"
)

func TestInbox_ListsAndMarksOnesOwnNotifications(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.notify(patient, 1, "queued"), b.notify(patient, 2, "delivered")
	theirs := b.notify(doctor, 3, "queued")
	require.Equal(t, []string{second.String(), first.String()}, b.pages(patient, "/api/inbox?limit=1"))
	page := decode(t, b.do(patient, http.MethodGet, "/api/inbox", nil))
	require.EqualValues(t, 2, page["unread"])
	require.EqualValues(t, 2, page["unseen"])

	w := b.do(patient, http.MethodPost, "/api/inbox/seen", map[string]any{"upTo": first.String()})
	require.JSONEq(t, `{"unread": 2, "unseen": 1}`, w.Body.String())
	w = b.do(patient, http.MethodPost, "/api/inbox/read", map[string]any{"ids": []any{first, theirs}})
	require.JSONEq(t, `{"unread": 1, "unseen": 1}`, w.Body.String())
	require.Equal(t, []string{second.String()}, b.pages(patient, "/api/inbox?unread=true"))
	w = b.do(patient, http.MethodPost, "/api/inbox/archive", map[string]any{"upTo": "2"})
	require.JSONEq(t, `{"unread": 0, "unseen": 0}`, w.Body.String())
	require.Len(t, b.pages(patient, "/api/inbox?archived=true"), 2)
	require.Empty(t, b.pages(patient, "/api/inbox?limit=9"))
	require.Equal(t, []string{theirs.String()}, b.pages(doctor, "/api/inbox?unread=true"))
	require.Equal(t, 3, b.events("inbox.updated"))
	require.Equal(t, 1, b.events("notification.read"))

	requireProblem(t, b.do(patient, http.MethodPost, "/api/inbox/read", map[string]any{"upTo": theirs.String()}), 404, "not_found")
	for _, body := range []map[string]any{{}, {"upTo": "x"}, {"upTo": "-1"}, {"ids": []any{first}, "upTo": "1"}, {"ids": []any{"x"}}} {
		requireProblem(t, b.do(patient, http.MethodPost, "/api/inbox/read", body), 422, "invalid")
	}
	requireProblem(t, b.do(patient, http.MethodGet, "/api/inbox?archived=true&unseen=true", nil), 422, "invalid")
}

// linked returns a server whose links are signed by the signer, at a time that the test can change.
func linked(t *testing.T, appLink string) (b *bundle, signer *link.Signer, now *time.Time) {
	t.Helper()
	now = new(time.Time)
	*now = time.Now()
	made, err := link.New(bytes.Repeat([]byte{1}, 32), "http://carewire.test")
	require.NoError(t, err)
	signer = made.At(func() time.Time { return *now })
	return setup(t, func(c *config) { c.Pages.Links, c.Pages.AppLink = signer, appLink }), signer, now
}

// browser is the user agent of a person's browser.
var browser = []string{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}

func (b *bundle) opened() (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT count(opened_at) FROM deliveries`).Scan(&n))
	return n
}

func TestLink_LeadsToTheNotificationAndCountsTheFirstOpening(t *testing.T) {
	t.Parallel()
	b, signer, _ := linked(t, "")
	id := b.notify(patient, 1, "sent")
	var delivery uuid.UUID
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT id FROM deliveries`).Scan(&delivery))
	to := strings.TrimPrefix(signer.Open(delivery, 0), "http://carewire.test")
	for _, not := range []struct {
		method string
		agent  []string
	}{{http.MethodHead, browser}, {http.MethodGet, []string{"User-Agent", "Slackbot-LinkExpanding 1.0"}}, {http.MethodGet, []string{"User-Agent", ""}}} {
		require.Equal(t, http.StatusFound, b.do("", not.method, to, nil, not.agent...).Code)
		require.Zero(t, b.opened(), "%v", not)
	}
	for range 2 {
		w := b.do("", http.MethodGet, to, nil, browser...)
		require.Equal(t, http.StatusFound, w.Code)
		require.Equal(t, "/notifications/"+id.String(), w.Header().Get("Location"))
		require.Equal(t, 1, b.opened())
	}
	require.Zero(t, b.events("notification.read"), "a mail server may have opened it")
	require.Equal(t, http.StatusOK, b.do(patient, http.MethodGet, "/notifications/"+id.String(), nil).Code)
	require.Equal(t, 1, b.events("notification.read"), "the recipient, signed in")
}

func TestLink_OpenedWithoutSigningInMarksNothing(t *testing.T) {
	t.Parallel()
	b, signer, _ := linked(t, "")
	states := []string{"sent", "delivered", "uncertain"}
	for i, state := range states {
		id := b.notify(patient, i+1, state)
		var delivery uuid.UUID
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT id FROM deliveries WHERE notification_id = $1`, id).Scan(&delivery))
		w := b.do("", http.MethodGet, strings.TrimPrefix(signer.Open(delivery, 0), "http://carewire.test"), nil, browser...)
		require.Equal(t, http.StatusFound, w.Code)
		var after string
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT state FROM deliveries WHERE id = $1`, delivery).Scan(&after))
		require.Equal(t, state, after)
	}
	require.Equal(t, len(states), b.opened())
	page := decode(t, b.do(patient, http.MethodGet, "/api/inbox", nil))
	require.EqualValues(t, len(states), page["unread"])
	require.EqualValues(t, len(states), page["unseen"])
}

func TestLink_LeadsToTheClinicsApp(t *testing.T) {
	t.Parallel()
	b, signer, _ := linked(t, "https://app.example/open?p={path}")
	id := b.notify(patient, 1, "sent")
	var delivery uuid.UUID
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT id FROM deliveries`).Scan(&delivery))
	w := b.do("", http.MethodGet, strings.TrimPrefix(signer.Open(delivery, 2), "http://carewire.test"), nil, browser...)
	require.Equal(t, "https://app.example/open?p=notifications/"+id.String()+"?action=2", w.Header().Get("Location"))
}

func TestLink_OfAButtonLeadsToThePathInItsTemplate(t *testing.T) {
	t.Parallel()
	b, signer, _ := linked(t, "https://app.example/open?p={path}")
	id := b.notify(patient, 1, "sent")
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO template_sets (version, source, checksum, published_by) VALUES (1, $1, '\x00', 'test')`, `frame: {greeting: Hello, or: or, footer: [bye]}
templates:
  note:
    actions:
      - {id: open, label: Open}
      - {id: list, label: All appointments, path: /appointments}
    push: {title: News, body: Sign in}
`)
	require.NoError(t, err)
	var delivery uuid.UUID
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `UPDATE deliveries SET template = 'note', template_version = 1 RETURNING id`).Scan(&delivery))
	for button, want := range map[int]string{
		0: "notifications/" + id.String(), 1: "notifications/" + id.String() + "?action=1", 2: "appointments", 3: "notifications/" + id.String() + "?action=3",
		notify.ActionInbox: "",
	} {
		w := b.do("", http.MethodGet, strings.TrimPrefix(signer.Open(delivery, button), "http://carewire.test"), nil, browser...)
		require.Equal(t, "https://app.example/open?p="+want, w.Header().Get("Location"), button)
	}
}

func TestLink_ChangedUnknownOrExpiredIsAPage(t *testing.T) {
	t.Parallel()
	b, signer, now := linked(t, "")
	token := path.Base(signer.Open(uuid.New(), 0))
	changed := "A" + token[1:]
	if changed == token {
		changed = "B" + token[1:]
	}
	for _, bad := range []string{changed, token, "x", token + "x"} {
		w := b.do("", http.MethodGet, "/l/"+bad, nil, browser...)
		require.Equal(t, http.StatusNotFound, w.Code, bad)
		require.Contains(t, w.Body.String(), "does not work")
		require.NotContains(t, w.Body.String(), bad+`"`)
	}
	*now = now.AddDate(0, 0, 40)
	w := b.do("", http.MethodGet, "/l/"+token, nil, browser...)
	require.Equal(t, http.StatusGone, w.Code)
	require.Contains(t, w.Body.String(), "expired")
	require.Zero(t, b.events("access.denied"))
}

func (b *bundle) emailsOff(category string) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.db.Owner.QueryRow(b.t.Context(), `SELECT count(*) FROM preferences WHERE user_id = $1 AND category = $2 AND channel = 'email' AND setting = 'off'`,
		b.ids[patient], category).Scan(&n))
	return n
}

func TestUnsubscribe_ByPOSTWithoutCookiesOnceAndByGETNever(t *testing.T) {
	t.Parallel()
	b, signer, now := linked(t, "")
	to := strings.TrimPrefix(signer.Unsubscribe(b.ids[patient], "billing"), "http://carewire.test")
	w := b.do("", http.MethodGet, to, nil, browser...)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "invoices and payments")
	require.Contains(t, w.Body.String(), `<button>Unsubscribe</button>`)
	require.Contains(t, w.Body.String(), `href="/preferences"`)
	require.Zero(t, b.emailsOff("billing"), "mail servers open links")

	for _, contentType := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "text/plain"} {
		w = b.do("", http.MethodPost, to, "List-Unsubscribe=One-Click", "Content-Type", contentType, "Origin", "https://mail.example", "Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", contentType, w.Body)
		require.Equal(t, 1, b.emailsOff("billing"))
	}
	require.Equal(t, 1, b.events("user.preference_changed"), "repeating it changes nothing")
	require.Zero(t, b.emailsOff("chat"))

	token := path.Base(to)
	for i := range token {
		c := "A"
		if token[i] == 'A' {
			c = "B"
		}
		require.Equal(t, http.StatusNotFound, b.do("", http.MethodPost, "/unsubscribe/"+token[:i]+c+token[i+1:], nil).Code)
	}
	nobody := path.Base(signer.Unsubscribe(uuid.New(), "billing"))
	require.Equal(t, http.StatusNotFound, b.do("", http.MethodPost, "/unsubscribe/"+nobody, nil).Code)
	*now = now.AddDate(1, 0, 2)
	require.Equal(t, http.StatusGone, b.do("", http.MethodPost, to, nil).Code)
}

func TestUnsubscribe_EndsTheEmailsOfEveryClinicWhereTheyAreNotEssential(t *testing.T) {
	t.Parallel()
	b, signer, _ := linked(t, "")
	const category = "billing"
	b.setPreferences(items(with(item(category, "email", "on"), "clinicId", b.clinicID), with(item(category, "push", "on"), "clinicId", b.clinicID)))
	to := strings.TrimPrefix(signer.Unsubscribe(b.ids[patient], category), "http://carewire.test")
	require.Equal(t, http.StatusOK, b.do("", http.MethodPost, to, nil).Code)
	require.Equal(t, 2, b.emailsOff(category))
	require.Contains(t, b.preferences()["items"], any(with(preference(category, "push", "on", "person_clinic", false), "clinicId", b.clinicID.String())))

	essential := map[string]any{"essential": []any{category}}
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, "/api/clinics/"+b.clinicID.String()+"/notification-defaults", essential).Code)
	w := b.do("", http.MethodPost, to, nil)
	require.Equal(t, http.StatusConflict, w.Code)
	require.Contains(t, w.Body.String(), "cannot be switched off")
}

func TestPreferencesPage_SavesWhatIsChosen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Contains(t, b.do(patient, http.MethodGet, "/preferences", nil).Body.String(), `<select name="billing/email" aria-label="Email: invoices and payments"><option value="on" selected>`)
	const form = "application/x-www-form-urlencoded"
	w := b.do(patient, http.MethodPost, "/preferences", "clinical%2Femail=on&billing%2Femail=off&chat%2Fpush=digest", "Content-Type", form)
	require.Equal(t, http.StatusSeeOther, w.Code, "%s", w.Body)
	require.Zero(t, b.emailsOff("clinical"))
	require.Equal(t, 1, b.emailsOff("billing"))
	require.Contains(t, b.preferences()["items"], any(preference("chat", "push", "digest", "person", false)))
	require.Contains(t, b.preferences()["items"], any(preference("clinical", "email", "on", "built_in", false)), "what did not change is not stored")

	b.setPreferences(items(with(item("chat", "email", "off"), "clinicId", b.clinicID)))
	essential := map[string]any{"essential": []any{"clinical"}}
	require.Equal(t, http.StatusOK, b.do(admin, http.MethodPut, "/api/clinics/"+b.clinicID.String()+"/notification-defaults", essential).Code)
	page := b.do(patient, http.MethodGet, "/preferences", nil).Body.String()
	require.Contains(t, page, `your health record (cannot be switched off)`)
	require.Contains(t, page, `<select name="clinical/email" aria-label="Email: your health record"><option value="on" selected>On</option><option value="digest">Daily digest</option></select>`)
	require.Contains(t, page, `<td data-label="Inbox">Always</td>`)
	require.Contains(t, page, `name="`+b.clinicID.String()+`/chat/email"`)
	w = b.do(patient, http.MethodPost, "/preferences", "clinical%2Femail=off", "Content-Type", form)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
}
