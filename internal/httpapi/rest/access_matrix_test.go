package rest_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// walker is one who tries every route. What they are at a clinic is all that the access table asks for, besides how they
// stand to the thing.
type walker struct {
	name  string
	email string
	// headers sign a program in; a person signs in by email.
	headers []string
	role    care.Role
	// clinic is where the role is held; zero on the platform and for nobody.
	clinic uuid.UUID
}

// thing is what a route is about, and by which actions one may know of it.
type thing struct {
	id            string
	clinic        uuid.UUID
	about, doctor string
	// kind is the record's, authors are the doctors who wrote it; empty for what is no record.
	kind    string
	authors []string
	// talks is who of the care team takes part in it.
	talks string
	reads []care.Action
	// draft says that it does not exist yet for whom it is about.
	draft bool
	// list is the operation that shows it to those who may know of it, or empty.
	list string
}

// visit is one request, which every walker makes in their turn.
type visit struct {
	path    string
	body    any
	headers []string
	// on is what it is about; its zero value is something of the platform's.
	on thing
	// own says that it is about whoever asks: their account, or whatever is theirs.
	own bool
	// by is who alone may do it, of those to whom the table grants it: who wrote a message withdraws it.
	by string
	// refused says that nobody can do it to this thing, whatever they may.
	refused bool
	// empty says of a list that whoever may see nothing is shown nothing, and not refused.
	empty bool
	// also are actions that allow it beside the route's, needs those that it takes besides.
	also, needs []care.Action
	// each prepares the request of each walker, and gives its path: what one has removed another cannot.
	each func() string
	// missing is the same request about a thing that does not exist: who may not know of the thing must be answered alike.
	// Without it the refusal says 403, and tells nothing.
	missing string
}

// walk is two clinics, everybody who asks, and what there is to be seen.
type walk struct {
	*bundle
	other   uuid.UUID
	walkers []walker
	teams   map[[2]string]bool
	gateway string
	things  []thing
}

const (
	awayPatient      = "patient@other.example"
	awayDoctor       = "doctor@other.example"
	awayNurse        = "nurse@other.example"
	awayReceptionist = "receptionist@other.example"
	secondPatient    = "patient-2@demo.example"
	teamDoctor       = "doctor-2@demo.example"
	strangeDoctor    = "doctor-3@demo.example"
	strangeNurse     = "nurse-2@demo.example"
)

func setupWalk(t *testing.T) *walk {
	t.Helper()
	b := setup(t, func(c *config) { c.Pages.Sandbox, c.Pages.Dashboard = hello, hello })
	w := &walk{bundle: b, other: uuid.New(), teams: map[[2]string]bool{}}
	ctx, seeder := t.Context(), care.Command{Actor: care.SystemActor("seed"), Imported: true}
	_, err := b.cfg.Directory.CreateClinic(ctx, seeder, directory.NewClinic{ID: w.other, ClinicInput: directory.ClinicInput{Name: "Other Clinic", TimeZone: "Europe/Berlin"}})
	require.NoError(t, err)
	person := func(email string, role care.Role, clinic uuid.UUID) {
		if b.ids[email] == uuid.Nil {
			b.ids[email] = uuid.New()
			_, err := b.cfg.Directory.CreateUser(ctx, seeder, directory.NewUser{ID: b.ids[email], Email: email, EmailVerified: true, GivenName: "G", FamilyName: "F"})
			require.NoError(t, err)
			require.NoError(t, b.cfg.Directory.GrantMembership(ctx, seeder, directory.MembershipInput{UserID: b.ids[email], Role: role, ClinicID: &clinic}))
		}
		w.walkers = append(w.walkers, walker{name: email, email: email, role: role, clinic: clinic})
	}
	for _, role := range care.ClinicRoles {
		person(string(role)+"@demo.example", role, b.clinicID)
		person(string(role)+"@other.example", role, w.other)
	}
	person(secondPatient, care.Patient, b.clinicID)
	person(teamDoctor, care.Doctor, b.clinicID)
	person(strangeDoctor, care.Doctor, b.clinicID)
	person(strangeNurse, care.Nurse, b.clinicID)
	for _, role := range care.PlatformRoles {
		person(string(role)+"@demo.example", role, uuid.Nil)
	}
	// setup's doctor answers for the patient's records and is on no care team: the two relations are told apart.
	_, err = b.db.Owner.Exec(ctx, `DELETE FROM care_team WHERE member_id = $1`, b.ids[doctor])
	require.NoError(t, err)
	for _, pair := range [][2]string{{nurse, patient}, {teamDoctor, patient}, {awayNurse, awayPatient}} {
		w.teams[pair] = true
		clinic := b.clinicID
		if pair[0] == awayNurse {
			clinic = w.other
		}
		_, err := b.db.Owner.Exec(ctx, `INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, b.ids[pair[1]], clinic, b.ids[pair[0]])
		require.NoError(t, err)
	}
	w.gateway = w.program("gateway-1", b.clinicID)
	w.program("gateway-2", w.other)
	w.walkers = append(w.walkers, walker{name: "nobody"})
	return w
}

// program lets another system in, which walks too.
func (w *walk) program(clientID string, clinic uuid.UUID) string {
	w.t.Helper()
	as := admin
	if clinic == w.other {
		as = "admin@other.example"
	}
	created := w.must(as, http.MethodPost, "/api/service-accounts", map[string]any{"clinicId": clinic, "name": "Gateway", "clientId": clientID})
	token, err := w.issuer.MintService(clientID, time.Hour)
	require.NoError(w.t, err)
	w.walkers = append(w.walkers, walker{name: clientID, headers: []string{"Authorization", "Bearer " + token}, role: care.Service, clinic: clinic})
	account := decode(w.t, created)
	require.Equal(w.t, http.StatusOK, w.activate(token, account["activationCode"]).Code)
	id := account["id"].(string)
	w.things = append(w.things, thing{id: id, clinic: clinic, reads: []care.Action{care.ServiceAccountManage}, list: "list-service-accounts"})
	return id
}

// must makes a request that prepares something.
func (w *walk) must(as, method, path string, body any, headers ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	answer := w.do(as, method, path, body, headers...)
	require.Less(w.t, answer.Code, 300, "%s %s as %s: %s", method, path, as, answer.Body)
	return answer
}

// relations are how the walker stands to a thing.
func (w *walk) relations(who walker, on thing) []care.Relation {
	if who.clinic == uuid.Nil {
		return []care.Relation{care.Platform}
	}
	var all []care.Relation
	if on.about != "" && on.about == who.email && !on.draft {
		all = append(all, care.Own)
	}
	if who.clinic == on.clinic {
		all = append(all, care.SameClinic)
		if w.teams[[2]string{who.email, on.about}] {
			all = append(all, care.CareTeam)
			if on.talks == who.email {
				all = append(all, care.Participant)
			}
		}
		if on.doctor != "" && on.doctor == who.email {
			all = append(all, care.Responsible)
		}
		if slices.Contains(on.authors, who.email) {
			all = append(all, care.Author)
		}
	}
	return all
}

// granted is what the table says.
func granted(role care.Role, kind string, relations []care.Relation, actions ...care.Action) bool {
	return slices.ContainsFunc(care.Access, func(g care.Grant) bool {
		return g.Role == role && slices.Contains(actions, g.Action) && slices.Contains(relations, g.Relation) && g.Kinds.Has(kind)
	})
}

func (w *walk) may(who walker, v visit, action care.Action) bool {
	relations := w.relations(who, v.on)
	if v.own {
		relations = append(relations, care.Own, care.Participant, care.SameClinic)
	}
	lacks := func(needed care.Action) bool { return !granted(who.role, v.on.kind, relations, needed) }
	return (v.by == "" || v.by == who.email) && granted(who.role, v.on.kind, relations, append(v.also, action)...) && !slices.ContainsFunc(v.needs, lacks)
}

func (w *walk) as(who walker, method, path string, v visit) *httptest.ResponseRecorder {
	return w.do(who.email, method, path, v.body, append(slices.Clone(v.headers), who.headers...)...)
}

// elsewhere are routes that this walk passes over, and where they are tested.
var elsewhere = map[string]string{
	"accept-invitation":        "whoever holds the token may, also who is nobody here yet: invitations_test.go",
	"activate-service-account": "the system that holds the code may, which is nobody here yet: events_test.go",
	"GET /api/socket":          "a handshake: socket_test.go and realtime ask who may join which room",
	"GET /records":             "names the kinds, and no record: pages_test.go",
	"GET /records/:kind":       "shows the items of the API's list: pages_test.go",
	"GET /appointments":        "shows the items of list-appointments: pages_test.go",
	"GET /invoices":            "shows the items of list-invoices: pages_test.go",
	"GET /conversations":       "shows the items of list-conversations: pages_test.go",
}

// TestAccess_IsOnEveryRouteWhatTheTableSays makes a request on every route as everybody and compares what comes of it with
// care.Access. A new route needs a line in visits.
func TestAccess_IsOnEveryRouteWhatTheTableSays(t *testing.T) {
	t.Parallel()
	w := setupWalk(t)
	w.fill()
	t.Run("lists show what one may see and nothing else", w.testLists)
	visits := w.visits()
	for _, route := range routes(w.server) {
		if elsewhere[route.ID] != "" {
			continue
		}
		t.Run(route.ID, func(t *testing.T) {
			w.t = t // What prepares a visit fails its route, not the whole walk.
			prepare, ok := visits[route.ID]
			if !ok {
				t.Fatalf("nobody walks %s %s: add a line for %q to visits in access_matrix_visits_test.go", route.Method, route.Path, route.ID)
			}
			w.testRoute(t, route, prepare())
		})
		delete(visits, route.ID)
	}
	w.t = t
	require.Empty(t, visits, "visits to routes that there are not")
}

func (w *walk) testRoute(t *testing.T, route route, v visit) {
	t.Helper()
	before, refused, done := w.events("access.denied"), 0, false
	for _, who := range w.walkers {
		if v.each != nil {
			v.path = v.each()
		}
		answer := w.as(who, route.Method, v.path, v)
		said := fmt.Sprintf("%s %s as %s (%s): %d %s", route.Method, v.path, who.name, route.Action, answer.Code, answer.Body)
		switch {
		case who.role == "":
			require.Equal(t, http.StatusUnauthorized, answer.Code, said)
		case w.may(who, v, route.Action):
			// What another walker did before is no refusal of the right.
			require.True(t, answer.Code < 300 || answer.Code == http.StatusSeeOther || answer.Code == http.StatusConflict || answer.Code == http.StatusPreconditionFailed, "allowed by the table; %s", said)
			done = done || answer.Code < 400
		case v.empty && answer.Code == http.StatusOK:
			require.Empty(t, decode(t, answer)["items"], said)
		default:
			require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, answer.Code, "not allowed by the table; %s", said)
			refused++
			refused += w.testSecret(t, who, route, v, answer, said)
		}
	}
	require.True(t, done || v.refused, "nobody could do it: the visit is not a good request")
	require.Equal(t, before+refused, w.events("access.denied"), "each refusal is audited")
}

// testSecret asserts that who may not know of a thing is answered as if it did not exist. It gives how many refusals that took.
func (w *walk) testSecret(t *testing.T, who walker, route route, v visit, answer *httptest.ResponseRecorder, said string) int {
	t.Helper()
	if v.missing == "" || granted(who.role, v.on.kind, w.relations(who, v.on), v.on.reads...) {
		require.Equal(t, http.StatusForbidden, answer.Code, "there is nothing to hide; %s", said)
		return 0
	}
	missing := w.as(who, route.Method, v.missing, v)
	require.Equal(t, answered(t, missing), answered(t, answer), "tells that the thing exists; %s", said)
	return 1
}

// answered is an answer without what differs from request to request.
func answered(t *testing.T, answer *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	all := decode(t, answer)
	delete(all, "requestId")
	return all
}

// testLists reads every list as everybody, as widely as it can be asked for.
func (w *walk) testLists(t *testing.T) {
	seen := 0
	for _, route := range routes(w.server) {
		if !strings.HasPrefix(route.ID, "list-") && route.ID != "event-counts" {
			continue
		}
		path := cmp.Or(w.wholeLists()[route.ID], route.Path)
		for _, who := range w.walkers {
			answer := w.as(who, http.MethodGet, path, visit{})
			require.Less(t, answer.Code, 500, "%s: %s", path, answer.Body)
			if answer.Code == http.StatusOK {
				require.True(t, json.Valid(answer.Body.Bytes()))
			}
			for _, on := range w.things {
				knows := granted(who.role, on.kind, w.relations(who, on), on.reads...)
				shown := strings.Contains(answer.Body.String(), on.id)
				require.False(t, shown && !knows, "%s shows %s what is not theirs: %s in %s", path, who.name, on.id, answer.Body)
				if knows && on.list == route.ID {
					require.True(t, shown, "%s keeps %s from %s: %d %s", path, on.id, who.name, answer.Code, answer.Body)
					seen++
				}
			}
		}
	}
	require.Greater(t, seen, 50, "the lists show things")
}
