package event_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/event"
)

// envelope is the JSON form as encoding/json would write it.
type envelope struct {
	SpecVersion     string          `json:"specversion"`
	ID              uuid.UUID       `json:"id"`
	Type            string          `json:"type"`
	Source          string          `json:"source"`
	Subject         string          `json:"subject"`
	Time            time.Time       `json:"time,omitzero"`
	DataContentType string          `json:"datacontenttype"`
	Position        int64           `json:"position,omitempty"`
	ClinicID        *uuid.UUID      `json:"clinicid,omitempty"`
	PersonID        *uuid.UUID      `json:"personid,omitempty"`
	ActorID         string          `json:"actorid"`
	ActorRole       string          `json:"actorrole"`
	SubjectVersion  *int64          `json:"subjectversion,omitempty"`
	CauseID         *uuid.UUID      `json:"causeid,omitempty"`
	CorrelationID   *string         `json:"correlationid,omitempty"`
	Traceparent     *string         `json:"traceparent,omitempty"`
	Imported        bool            `json:"imported,omitempty"`
	Unreadable      string          `json:"unreadable,omitempty"`
	Data            json.RawMessage `json:"data"`
}

func FuzzEvent_AppendJSONWritesWhatEncodingJSONDoes(f *testing.F) {
	f.Add("lab_report/1", "a \"<b>\" & \\ \u2028 ü", `{"a": [1, "x <y> & \" \\ \u2029", {"b" : null}], "c":"\\"}`, int64(7), int64(1_700_000_000_123_456_789), true)
	f.Add("", "", "null", int64(0), int64(0), false)
	f.Add("\x00\xff", "\u2029\n", " [ \n\t ] ", int64(-1), int64(-62_135_596_800), false)
	f.Fuzz(func(t *testing.T, subject, text, data string, number, nanos int64, optional bool) {
		if !json.Valid([]byte(data)) {
			return
		}
		at := time.Unix(nanos/1e9, nanos%1e9).In(time.FixedZone("", 3600))
		e := event.Event{ID: uuid.New(), Type: text, Source: event.Source, Subject: subject, Time: at, Position: number, ActorID: text, ActorRole: subject, Data: json.RawMessage(data)}
		if optional {
			id := uuid.New()
			e.ClinicID, e.PersonID, e.CauseID, e.SubjectVersion = &id, &id, &id, &number
			e.CorrelationID, e.Traceparent, e.Imported, e.Unreadable = &text, &subject, true, text
		}
		want, err := json.Marshal(envelope{
			SpecVersion: "1.0", ID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject, Time: e.Time.UTC(),
			DataContentType: "application/json", Position: e.Position, ClinicID: e.ClinicID, PersonID: e.PersonID,
			ActorID: e.ActorID, ActorRole: e.ActorRole, SubjectVersion: e.SubjectVersion, CauseID: e.CauseID,
			CorrelationID: e.CorrelationID, Traceparent: e.Traceparent, Imported: e.Imported, Unreadable: e.Unreadable, Data: e.Data,
		})
		require.NoError(t, err)
		if !bytes.ContainsRune(want, '\ufffd') { // json.Compact keeps invalid UTF-8, which no database has.
			require.Equal(t, string(want), string(e.AppendJSON(nil)))
		}
		got, err := json.Marshal(e)
		require.NoError(t, err)
		require.True(t, json.Valid(got))
	})
}

func TestEvent_OutOfTheRangeOfTimesIsUnreadable(t *testing.T) {
	t.Parallel()
	e := event.Event{ID: uuid.New(), Time: time.Date(12_345, 1, 1, 0, 0, 0, 0, time.UTC)}
	var got map[string]any
	require.NoError(t, json.Unmarshal(e.AppendJSON(nil), &got))
	require.Equal(t, "column time into time.Time", got["unreadable"])
	require.NotContains(t, got, "time")
	require.Nil(t, got["data"])
}

func BenchmarkEvent_AppendJSON(b *testing.B) {
	id, version, text := uuid.New(), int64(3), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	e := event.Event{
		ID: id, Type: "ehr.lab_report.created", Source: event.Source, Subject: "lab_report/" + id.String(), Time: time.Now(), Position: 1234567,
		ClinicID: &id, PersonID: &id, ActorID: id.String(), ActorRole: "doctor", SubjectVersion: &version, CorrelationID: &text, Traceparent: &text,
		Data: json.RawMessage(`{"userId": "` + id.String() + `", "status": "final", "version": 1, "clinicId": "` + id.String() + `", "doctorId": "` + id.String() + `", "recordId": "` + id.String() + `"}`),
	}
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendJSON(buf[:0])
	}
}
