package app

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/auth"
	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// demoNamespace derives the demo's IDs from names. They are the same on every machine, so that
// printed commands can be pasted.
var demoNamespace = uuid.MustParse("7d1b6a52-2c5e-5f0b-9a64-0d6f3c1e8b90")

func demoID(name string) uuid.UUID { return uuid.NewSHA1(demoNamespace, []byte(name)) }

// demoPerson is one of the demo's fictional people.
type demoPerson struct {
	email, givenName, familyName string
	clinic                       string
	role                         care.Role
	device                       bool
	// mobile is the person's number for SMS and WhatsApp, or empty. The numbers are of a block that
	// the Bundesnetzagentur reserves for fiction.
	mobile string
}

func (p demoPerson) id() uuid.UUID { return demoID(p.email) }

// variable returns the name of the shell variable for the person's token in the banner.
func (p demoPerson) variable() string {
	name := strings.ToUpper(string(p.role))
	if p.clinic == otherClinic {
		name = "OTHER_" + name
	}
	return name
}

const (
	demoClinic  = "demo.example"
	otherClinic = "other.example"
)

// demoClinicNames are the names of the demo's clinics.
var demoClinicNames = map[string]string{demoClinic: "Demo Clinic", otherClinic: "Other Clinic"}

// demoPeople has the roles of a clinic and of the platform at demo.example, and the roles of a
// second clinic at other.example (design, section 8).
var demoPeople = []demoPerson{
	{"patient@demo.example", "Paula", "Winter", demoClinic, care.Patient, true, "+491713920001"},
	{"doctor@demo.example", "Daniel", "Okafor", demoClinic, care.Doctor, true, "+491713920002"},
	{"nurse@demo.example", "Nora", "Lind", demoClinic, care.Nurse, true, "+491713920003"},
	{"receptionist@demo.example", "Rafael", "Costa", demoClinic, care.Receptionist, false, ""},
	{"admin@demo.example", "Amara", "Singh", demoClinic, care.Admin, false, ""},
	{"auditor@demo.example", "Anton", "Weiss", "", care.Auditor, false, ""},
	{"operator@demo.example", "Olga", "Marin", "", care.Operator, false, ""},
	{"patient@other.example", "Pavel", "Horak", otherClinic, care.Patient, false, ""},
	{"doctor@other.example", "Dana", "Levi", otherClinic, care.Doctor, false, ""},
	{"nurse@other.example", "Niko", "Aalto", otherClinic, care.Nurse, false, ""},
	{"receptionist@other.example", "Rita", "Moreau", otherClinic, care.Receptionist, false, ""},
	{"admin@other.example", "Aldo", "Ferri", otherClinic, care.Admin, false, ""},
}

// demoService is the client ID of the demo's other system: a gateway of medical devices at the demo
// clinic.
const demoService = "device-gateway"

// seedDemo fills an empty database with the demo's clinics and people, once. Its events are marked
// as imported, so that no rule fires on them. The next start completes an interrupted seed.
func seedDemo(ctx context.Context, dir *directory.Service) error {
	cmd := care.Command{Actor: care.SystemActor("seed"), CorrelationID: "seed", Imported: true}
	for _, c := range []directory.NewClinic{
		{ID: demoID(demoClinic), ClinicInput: directory.ClinicInput{Name: demoClinicNames[demoClinic], TimeZone: "Europe/Berlin"}},
		{ID: demoID(otherClinic), ClinicInput: directory.ClinicInput{Name: demoClinicNames[otherClinic], TimeZone: "America/New_York"}},
	} {
		if err := seeded(dir.CreateClinic(ctx, cmd, c)); err != nil {
			return fmt.Errorf("seed clinic %s: %w", c.ID, err)
		}
	}
	for _, p := range demoPeople {
		if err := seedPerson(ctx, dir, cmd, p); err != nil {
			return fmt.Errorf("seed person %s: %w", p.id(), err)
		}
	}
	for _, member := range []string{"doctor@demo.example", "nurse@demo.example"} {
		_, err := dir.AddCareTeamMember(ctx, cmd, directory.CareTeamMember{PatientID: demoID("patient@demo.example"), ClinicID: demoID(demoClinic), MemberID: demoID(member)})
		if err != nil {
			return fmt.Errorf("seed care team: %w", err)
		}
	}
	err := seeded(dir.CreateServiceAccount(ctx, cmd, directory.NewServiceAccount{
		ID: demoID(demoService), ClinicID: demoID(demoClinic), Name: "Device gateway", Issuer: auth.DemoIssuerURL, ClientID: demoService,
	}))
	if err != nil {
		return fmt.Errorf("seed service account: %w", err)
	}
	return nil
}

func seedPerson(ctx context.Context, dir *directory.Service, cmd care.Command, p demoPerson) error {
	locale, zone := "en-GB", "Europe/Berlin"
	if strings.HasSuffix(p.email, otherClinic) {
		locale, zone = "en-US", "America/New_York"
	}
	person := directory.NewUser{
		ID: p.id(), Email: p.email, EmailVerified: true, GivenName: p.givenName, FamilyName: p.familyName, Locale: locale, TimeZone: zone,
	}
	if p.mobile != "" {
		person.Phone, person.PhoneVerified, person.WhatsApp, person.WhatsAppVerified = &p.mobile, true, &p.mobile, true
	}
	err := seeded(dir.CreateUser(ctx, cmd, person))
	if err != nil {
		return err
	}
	membership := directory.MembershipInput{UserID: p.id(), Role: p.role}
	if p.clinic != "" {
		clinic := demoID(p.clinic)
		membership.ClinicID = &clinic
	}
	if err := ifNew(dir.GrantMembership(ctx, cmd, membership)); err != nil {
		return err
	}
	if !p.device {
		return nil
	}
	own := cmd
	own.Actor.UserID = p.id()
	return seeded(dir.RegisterDevice(ctx, own, "android", "demo-device-"+string(p.role)))
}

// seeded ignores the result of a seeding step and treats a conflict as success: it exists already.
func seeded[T any](_ T, err error) error { return ifNew(err) }

// ifNew treats a conflict as success.
func ifNew(err error) error {
	if care.CodeOf(err) == care.Conflict {
		return nil
	}
	return err
}
