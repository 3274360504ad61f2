package event_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
)

func TestAboutVersion_IsTheEventsOwnOrTheOneThatItsDataNames(t *testing.T) {
	t.Parallel()
	record, conversation := care.Ref{Kind: "lab_report", ID: uuid.New()}, care.Ref{Kind: "conversation", ID: uuid.New()}
	bad := event.New(care.Command{}, "ehr.lab_report.critical", record, event.Record{Version: 3})
	bad.Data = json.RawMessage(`{"version": "three"}`)
	for _, c := range []struct {
		name string
		e    event.Event
		want int64
	}{
		{"its own", event.New(care.Command{}, "ehr.lab_report.amended", record, event.Record{Version: 7}).AtVersion(2), 2},
		{"a critical finding", event.New(care.Command{}, "ehr.lab_report.critical", record, event.Record{Version: 3}), 3},
		{"a review", event.New(care.Command{}, "ehr.lab_report.reviewed", record, event.Record{Version: 4}), 4},
		{"an unread message", event.New(care.Command{}, "chat.message_unread", conversation, event.ChatUnread{Number: 12}), 12},
		{"an unread message of an earlier release", event.New(care.Command{}, "chat.message_unread", conversation, event.ChatUnread{}), 0},
		{"no version of its subject", event.New(care.Command{}, "rules.published", care.Ref{Kind: "rules"}, event.RulesPublished{Version: 5}), 0},
		{"data that is not of its type", bad, 0},
		{"an unknown type", event.Event{Type: "none.of_ours", Data: json.RawMessage(`{"version": 1}`)}, 0},
	} {
		require.Equal(t, c.want, c.e.AboutVersion(), c.name)
	}
}
