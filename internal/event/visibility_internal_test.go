package event

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func FuzzRelease_IsWhatEncodingJSONReads(f *testing.F) {
	for _, data := range []string{
		`{"held": false, "status": "final", "userId": "019ceab1", "version": 12, "critical": true, "released": true}`,
		`{"released":false,"held":true}`, `{"released":true}`, `{"held":true}`, `{ "a" : null , "b" : 1 }`, `{"a":{"released":false}}`, `{"a":["released"]}`,
		`{"released":false,"released":true}`, `{"Released":false}`, `{"relea\u0073ed":false}`, "{\"relea\u017fed\":false}", `{"released":"true"}`, `{"released":null}`,
		`{"held":1}`, `{"HELD":true}`, `{}`, `{"a":1}x`, `{"a":01}`, `{"a":-1}`, `{"a":1.5}`, `{"a":1,}`, `{"a":1`, `{"a"}`, `{"a":"x,}"}`, `[]`, `null`, ``,
		"{\"a\":\"\t\"}", `{"a":"é"}`, `{"a":truefalse}`, "\ufeff{}", `{"held":true,"held":null}`,
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		released, held, flat := flatRelease([]byte(data))
		if !flat {
			return
		}
		want := struct {
			Released *bool `json:"released"`
			Held     bool  `json:"held"`
		}{}
		require.NoError(t, json.Unmarshal([]byte(data), &want))
		require.Equal(t, want.Released == nil || *want.Released, released)
		require.Equal(t, want.Held, held)
	})
}

func TestRelease_IsReadInOnePassFromTheDataOfARecord(t *testing.T) {
	t.Parallel()
	for _, want := range []Record{{Released: true}, {Released: true, Held: true}, {Version: 12, Status: "entered-in-error"}} {
		want.RecordID, want.UserID = uuid.New(), uuid.New()
		data, err := json.Marshal(want)
		require.NoError(t, err)
		released, held, flat := flatRelease(data)
		require.True(t, flat)
		require.Equal(t, []bool{want.Released, want.Held}, []bool{released, held})
	}
	released, held, flat := flatRelease([]byte(`{"status": "final"}`))
	require.Equal(t, []bool{true, false, true}, []bool{released, held, flat}, "an event from before releases and holds")
}

func BenchmarkEvent_PersonMaySee(b *testing.B) {
	data, err := json.Marshal(Record{RecordID: uuid.New(), UserID: uuid.New(), ClinicID: uuid.New(), DoctorID: uuid.New(), Status: "final", Version: 1, Released: true})
	require.NoError(b, err)
	e := Event{Type: "ehr.lab_report.created", Data: data}
	b.ReportAllocs()
	for b.Loop() {
		if !e.PersonMaySee() {
			b.Fatal("released")
		}
	}
}
