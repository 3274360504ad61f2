package event

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata/")

var fixed = uuid.MustParse("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")

// sample returns an event of the declared type with every field of its payload set.
func sample(d Declaration) Event {
	v := reflect.New(reflect.TypeOf(d.Payload)).Elem()
	fill(v)
	data, _ := json.Marshal(v.Interface())
	version := int64(3)
	trace, correlation := "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "req-1"
	thing, _, _ := strings.Cut(d.Type, ".")
	return Event{
		Position: 42, ID: fixed, Type: d.Type, Source: Source, Subject: thing + "/" + fixed.String(), SubjectVersion: &version,
		Time: time.Date(2026, 11, 23, 9, 30, 0, 123456000, time.FixedZone("", 3600)), Data: data, ClinicID: &fixed, PersonID: &fixed,
		ActorID: fixed.String(), ActorRole: "doctor", CauseID: &fixed, CorrelationID: &correlation, Traceparent: &trace, Imported: true,
	}
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			fill(field)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		v.Set(reflect.ValueOf(fixed))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(7)
	}
}

func TestCatalog_PinsTheJSONOfEachType(t *testing.T) {
	t.Parallel()
	var names []string
	for _, d := range Catalog {
		t.Run(d.Type, func(t *testing.T) {
			t.Parallel()
			got, err := json.MarshalIndent(sample(d), "", "  ")
			require.NoError(t, err)
			path := filepath.Join("testdata", d.Type+".json")
			if *update {
				require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "run go test ./internal/event -update after adding a type")
			require.JSONEq(t, string(want), string(got), "fields are only ever added: consumers depend on these names")
		})
		names = append(names, d.Type+".json")
	}
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		require.Contains(t, names, filepath.Base(f), "a golden without a type: types are never removed")
	}
}

func TestCatalog_DeclaresEachTypeOnceAndCompletely(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}$`)
	require.Len(t, byType, len(Catalog), "a type stands twice")
	for _, d := range Catalog {
		require.Regexp(t, form, d.Type)
		require.NotEmpty(t, d.Doc, d.Type)
		require.NotEmpty(t, d.Category, d.Type)
	}
}

func TestCatalog_HidesTypesFromRulesThatCouldLoop(t *testing.T) {
	t.Parallel()
	for _, d := range Catalog {
		own := Pattern("notification.**").Match(d.Type) || Pattern("rules.**").Match(d.Type) || Pattern("templates.**").Match(d.Type) || d.Type == "record.read" || d.Type == "user.searched" || d.Type == "account.listed" || d.Type == "access.denied" || d.Type == "receipt.refused" || d.Type == "ledger.redriven" || d.Type == "session.closed" || d.Type == "user.signed_in" || d.Type == "user.sign_in_refused" || d.Type == "audit.read" || Pattern("service_account.*").Match(d.Type) || Pattern("clinic.*").Match(d.Type) || Pattern("installation.*").Match(d.Type) || Pattern("visit_type.*").Match(d.Type) || d.Type == "invitation.created" || d.Type == "inbox.updated" || d.Type == "user.preference_changed"
		require.Equal(t, !own, d.RuleVisible, d.Type)
		if d.RuleVisible {
			require.Contains(t, d.Required(), "userId", "%s: a rule set in force names the person of whatever there is", d.Type)
		}
	}
}

func TestCatalog_EveryTypeOfARuleHasAnActionThatReadsItsSubject(t *testing.T) {
	t.Parallel()
	for _, d := range Catalog {
		if d.RuleVisible && !d.External() {
			require.NotEmpty(t, d.ReadAction(), "%s: recipients would not be checked", d.Type)
		}
	}
}

func TestCatalog_PayloadsHoldIdsTypesCodesAndTimesOnly(t *testing.T) {
	t.Parallel()
	allowed := regexp.MustCompile(`(Ids?|At)$|^(status|fromStatus|override|kind|version|changed|role|platform|reason|rule|ruleVersion|channels|channel|state|attempt|provider|code|possibleDuplicate|released|critical|held|action|urgency|follower|position|filters|count|method|subject|unread|unseen|category|enabled|source|from|to|settings|essential|quietHours|step|unless|outcome|escalationsEnded|number)$`)
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for f := range typ.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "dueOn" { // A day on which money is due.
				continue
			}
			require.Regexp(t, allowed, name, "%s: could this hold protected health information? If not, add it here", typ)
			walk(f.Type)
		}
	}
	for _, d := range Catalog {
		walk(reflect.TypeOf(d.Payload))
	}
}

func TestCatalog_ExternalTypesCanHoldNothingButIdsCodesAndTimes(t *testing.T) {
	t.Parallel()
	require.NotEmpty(t, ExternalTypes())
	for i := range Catalog {
		d := &Catalog[i]
		if !d.External() {
			require.NotContains(t, ExternalTypes(), d.Type)
			continue
		}
		require.True(t, d.RuleVisible, "%s: rules are what other systems' events are for", d.Type)
		require.Contains(t, d.Required(), "clinicId", "%s: it must be the service account's", d.Type)
		for f := range reflect.TypeOf(d.Payload).Fields() {
			typ := f.Type
			if typ.Kind() == reflect.Pointer {
				typ = typ.Elem()
			}
			switch {
			case typ == reflect.TypeFor[uuid.UUID]():
				require.Equal(t, "uuid", f.Tag.Get("format"), "%s.%s", d.Type, f.Name)
			case typ.Kind() == reflect.String:
				require.True(t, f.Tag.Get("enum") != "" || f.Tag.Get("format") == "date-time", "%s.%s: a free text could hold anything", d.Type, f.Name)
			default:
				require.Contains(t, []reflect.Kind{reflect.Bool, reflect.Int32, reflect.Int64}, typ.Kind(), "%s.%s", d.Type, f.Name)
			}
		}
	}
}

func TestDecode_ReturnsTheDataAsTheTypesPayload(t *testing.T) {
	t.Parallel()
	d, ok := Lookup("ehr.lab_report.created")
	require.True(t, ok)
	got, err := sample(*d).Decode()
	require.NoError(t, err)
	require.Equal(t, fixed, got.(Record).RecordID)
	_, err = Event{Type: "ehr.unheard_of.created"}.Decode()
	require.ErrorContains(t, err, "unknown event type")
}

func TestRequired_ReturnsTheFieldsOfEveryEvent(t *testing.T) {
	t.Parallel()
	d, _ := Lookup("device.removed")
	require.Equal(t, []string{"deviceId", "userId", "platform"}, d.Required())
}

func TestNew_RefusesATypeWithAnotherTypesPayload(t *testing.T) {
	t.Parallel()
	require.Panics(t, func() { New(care.Command{}, "user.created", care.Ref{Kind: "user", ID: fixed}, Record{}) })
}

func TestAbout_SetsTheRoleInWhichTheActorActed(t *testing.T) {
	t.Parallel()
	other := uuid.New()
	actor := care.Actor{ID: fixed.String(), UserID: fixed, Memberships: []care.Membership{{ClinicID: &fixed, Role: care.Nurse}}}
	cmd := care.Command{Actor: actor}
	e := New(cmd, "user.created", care.Ref{Kind: "user", ID: fixed}, User{UserID: fixed})
	require.Equal(t, "nurse", e.About(cmd, fixed, &fixed).ActorRole)
	require.Equal(t, "none", e.About(cmd, fixed, &other).ActorRole)
	require.Equal(t, "none", New(cmd, "user.created", care.Ref{Kind: "user", ID: fixed}, User{}).ActorRole)
	service := care.Command{Actor: care.ServiceActor(fixed, []care.Membership{{ClinicID: &fixed, Role: care.Service}})}
	for _, clinic := range []*uuid.UUID{&fixed, &other, nil} {
		require.Equal(t, "service", New(service, "user.created", care.Ref{Kind: "user", ID: fixed}, User{}).At(service, clinic).ActorRole)
	}
	require.Equal(t, "system", New(care.Command{Actor: care.SystemActor("seed")}, "user.created", care.Ref{Kind: "user", ID: fixed}, User{}).ActorRole)
}
