package modeltest

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// device has one owner at a time.
type device struct {
	id, token string
	owner     *person
}

func (d *device) GoString() string { return "the device of " + d.token }

func (w *world) registerPerson(t *rapid.T) {
	who := w.somebody(t, care.Admin)
	w.made++
	name := fmt.Sprintf("person %d", w.made)
	known := rarely(t, 5, "a known address")
	email, here := w.email(name), false
	if known {
		of := rapid.SampledFrom(w.people).Draw(t, "owner of the address")
		email, here = of.email, (of.at == w.clinic && len(of.roles) > 0) || w.doubled[of.email]
	}
	a := w.as(t, who, "POST", "/api/users", 0, map[string]any{"email": email, "givenName": name, "familyName": "Model", "clinicId": w.clinic, "roles": []string{"patient"}})
	switch {
	case !w.may(who, care.UserCreate, care.SameClinic) && !w.may(who, care.PatientRegister, care.SameClinic):
		w.refused(t, a, 403, "clinic/"+w.clinic.String())
	case here:
		w.refused(t, a, 409, "")
	default:
		require.Equal(t, int64(1), a.version)
		id := a.text("id")
		subjects := w.expect(t, a, 201, told{"user.created", "user/" + id, 1}, told{"membership.granted", "membership/", 1})
		if known {
			w.doubled[email] = true
			return // A person unknown to the clinic is registered as a new one; a login with the address resolves to the existing one.
		}
		w.people = append(w.people, &person{
			name: name, email: email, token: w.token(t, email), id: uuid.MustParse(id), at: w.clinic, version: 1, roles: map[care.Role]string{care.Patient: subjects[1]}, patient: true,
		})
	}
}

func (w *world) renamePerson(t *rapid.T) {
	who, p := w.somebody(t, care.Admin, care.Receptionist), rapid.SampledFrom(w.people).Draw(t, "person")
	named := ifMatch(t, p.version)
	w.made++
	a := w.as(t, who, "PUT", "/api/users/"+p.id.String(), named, map[string]any{
		"email": p.email, "givenName": fmt.Sprintf("name %d", w.made), "familyName": "Model", "locale": "en", "timeZone": "UTC", "status": "active",
	})
	here := who.at == p.at && len(p.roles) > 0
	desk := who.holds(care.Receptionist) && !p.holds(care.Doctor, care.Nurse, care.Receptionist, care.Admin)
	switch {
	case who != p && (!here || !who.holds(care.Doctor, care.Nurse, care.Receptionist, care.Admin)):
		w.refused(t, a, 404, "user/"+p.id.String())
	case !here || (!who.holds(care.Admin) && !desk):
		w.refused(t, a, 403, "user/"+p.id.String())
	case named != p.version:
		w.refused(t, a, 412, "")
		require.Equal(t, p.version, a.version)
	default:
		p.version++
		w.expectVersion(t, a, 200, p.version, told{"user.updated", "user/" + p.id.String(), p.version})
	}
}

// command returns a command of the person for actions without a REST route: none grants or revokes
// roles.
func (w *world) command(p *person) care.Command {
	actor := care.Actor{ID: p.id.String(), UserID: p.id}
	for _, role := range care.ClinicRoles {
		if p.holds(role) {
			actor.Memberships = append(actor.Memberships, care.Membership{ClinicID: &p.at, Role: role})
		}
	}
	return care.Command{Actor: actor}
}

// member draws the person for a change of roles. The admin keeps theirs: a run without one achieves
// little.
func (w *world) member(t *rapid.T) *person {
	return rapid.SampledFrom(slices.DeleteFunc(slices.Clone(w.people), func(p *person) bool { return p.holds(care.Admin) })).Draw(t, "person")
}

// roles that are granted and revoked.
var roles = []care.Role{care.Patient, care.Doctor, care.Nurse, care.Receptionist}

// managed compares the denial to grant or revoke a role, and reports whether there was none.
func (w *world) managed(t *rapid.T, p *person, may bool, code care.Code) bool {
	t.Helper()
	denied := told{typ: "access.denied", subject: "user/" + p.id.String()}
	switch {
	case !may:
		require.Equal(t, care.Forbidden, code)
		w.expectEvents(t, denied)
	case len(p.roles) == 0:
		require.Equal(t, care.NotFound, code)
		w.expectEvents(t, denied)
	default:
		return true
	}
	return false
}

func (w *world) grantRole(t *rapid.T) {
	who, p := w.somebody(t, care.Admin), w.member(t)
	if rarely(t, 4, "to oneself") {
		p = who
	}
	w.give(t, who, p, rapid.SampledFrom(roles).Draw(t, "role"))
}

func (w *world) give(t *rapid.T, who, p *person, role care.Role) {
	t.Helper()
	err := w.directory.GrantMembership(context.Background(), w.command(who), directory.MembershipInput{UserID: p.id, ClinicID: &w.clinic, Role: role})
	t.Logf("%s grants %s the role %s: %v", who.name, p.name, role, err)
	may := w.may(who, care.MembershipManage, care.SameClinic) || (role == care.Patient && w.may(who, care.PatientRegister, care.SameClinic))
	switch {
	case !w.managed(t, p, may, care.CodeOf(err)):
	case who == p:
		require.Equal(t, care.Forbidden, care.CodeOf(err))
		w.expectEvents(t, told{typ: "access.denied", subject: "user/" + p.id.String()})
	case p.holds(role):
		require.Equal(t, care.Conflict, care.CodeOf(err))
		w.expectEvents(t)
	default:
		require.NoError(t, err)
		p.roles[role] = w.expectEvents(t, told{"membership.granted", "membership/", 1})[0]
		p.patient = p.patient || role == care.Patient
	}
}

func (w *world) revokeRole(t *rapid.T) {
	who, p := w.somebody(t, care.Admin), w.member(t)
	held := slices.DeleteFunc(slices.Clone(roles), func(r care.Role) bool { return !p.holds(r) })
	if len(held) == 0 || rarely(t, 4, "any role") {
		held = roles
	}
	w.take(t, who, p, rapid.SampledFrom(held).Draw(t, "role"))
}

func (w *world) take(t *rapid.T, who, p *person, role care.Role) {
	t.Helper()
	err := w.directory.RevokeMembership(context.Background(), w.command(who), directory.MembershipInput{UserID: p.id, ClinicID: &w.clinic, Role: role})
	t.Logf("%s takes the role %s from %s: %v", who.name, role, p.name, err)
	switch {
	case !w.managed(t, p, w.may(who, care.MembershipManage, care.SameClinic), care.CodeOf(err)):
	case !p.holds(role):
		require.Equal(t, care.NotFound, care.CodeOf(err))
		w.expectEvents(t)
	default:
		require.NoError(t, err)
		events := []told{{"membership.revoked", p.roles[role], 2}}
		delete(p.roles, role)
		if !p.holds(care.Doctor, care.Nurse) {
			for _, patient := range w.people {
				if pair := [2]uuid.UUID{patient.id, p.id}; w.team[pair] {
					events = append(events, told{typ: "care_team.left", subject: "patient/" + patient.id.String()})
					delete(w.team, pair)
				}
			}
		}
		w.expectEvents(t, append(events, w.leftBehind(p, role)...)...)
	}
}

// comeBack revokes the roles that make a person a member of a care team, and grants one again: that
// does not restore their patients.
func (w *world) comeBack(t *rapid.T) {
	members := slices.DeleteFunc(slices.Clone(w.people), func(p *person) bool {
		return p.holds(care.Admin) || !p.holds(care.Receptionist) || !slices.ContainsFunc(w.people, func(of *person) bool { return w.team[[2]uuid.UUID{of.id, p.id}] })
	})
	p := one(t, members, "member")
	admin := w.people[slices.IndexFunc(w.people, func(p *person) bool { return w.is(p, care.Admin) })]
	w.take(t, admin, p, care.Doctor)
	w.take(t, admin, p, care.Nurse)
	w.give(t, admin, p, care.Nurse)
	for _, r := range w.records {
		w.readRecordAs(t, r, p)
	}
}

func (w *world) joinTeam(t *rapid.T) {
	who, patient, p := w.somebody(t, care.Admin), w.named(t, care.Patient), w.somebody(t, care.Doctor, care.Nurse)
	joined, err := w.directory.AddCareTeamMember(context.Background(), w.command(who), directory.CareTeamMember{PatientID: patient.id, ClinicID: w.clinic, MemberID: p.id})
	t.Logf("%s puts %s on the care team of %s: %v", who.name, p.name, patient.name, err)
	switch {
	case !w.may(who, care.CareTeamManage, care.SameClinic):
		require.Equal(t, care.Forbidden, care.CodeOf(err))
		w.expectEvents(t, told{typ: "access.denied", subject: "patient/" + patient.id.String()})
	case !w.is(patient, care.Patient) || (!w.is(p, care.Doctor) && !w.is(p, care.Nurse)):
		require.Equal(t, care.Invalid, care.CodeOf(err))
		w.expectEvents(t)
	case who == p && !w.team[[2]uuid.UUID{patient.id, p.id}]:
		require.Equal(t, care.Forbidden, care.CodeOf(err))
		w.expectEvents(t, told{typ: "access.denied", subject: "user/" + p.id.String()})
	default:
		require.NoError(t, err)
		pair := [2]uuid.UUID{patient.id, p.id}
		require.Equal(t, !w.team[pair], joined)
		if joined {
			w.expectEvents(t, told{typ: "care_team.joined", subject: "patient/" + patient.id.String()})
		} else {
			w.expectEvents(t)
		}
		w.team[pair] = true
	}
}

func (w *world) registerDevice(t *rapid.T) {
	who := rapid.SampledFrom(w.people).Draw(t, "actor")
	token := fmt.Sprintf("run%d-token%d", w.runs, rapid.IntRange(1, 4).Draw(t, "token"))
	a := w.as(t, who, "POST", "/api/me/devices", 0, map[string]any{"platform": "ios", "token": token})
	i := slices.IndexFunc(w.devices, func(d *device) bool { return d.token == token })
	if i >= 0 && w.devices[i].owner == who {
		w.expect(t, a, 200)
		require.Equal(t, w.devices[i].id, a.text("id"))
		return
	}
	var events []told
	if i >= 0 {
		events = append(events, told{typ: "device.removed", subject: "device/" + w.devices[i].id})
		w.devices = slices.Delete(w.devices, i, i+1)
	}
	w.expect(t, a, 201, append(events, told{typ: "device.registered", subject: "device/" + a.text("id")})...)
	w.devices = append(w.devices, &device{id: a.text("id"), token: token, owner: who})
}

func (w *world) removeDevice(t *rapid.T) {
	d := one(t, w.devices, "device")
	who := d.owner
	if rarely(t, 4, "another's") {
		who = rapid.SampledFrom(w.people).Draw(t, "actor")
	}
	a := w.as(t, who, "DELETE", "/api/me/devices/"+d.id, 0, nil)
	if who != d.owner {
		w.refused(t, a, 404, "device/"+d.id)
		return
	}
	w.expect(t, a, 204, told{typ: "device.removed", subject: "device/" + d.id})
	w.devices = slices.DeleteFunc(w.devices, func(other *device) bool { return other == d })
}
