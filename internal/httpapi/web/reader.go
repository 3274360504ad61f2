package web

import (
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi"
)

// reader is the person who reads a page, with their time zone and their first care.MaxPageLimit
// clinics.
type reader struct {
	me       directory.Me
	zone     *time.Location
	zoneName string
	clinics  []directory.Clinic
}

// readerOf returns the reader of a page that needs a sign-in. Their time zone is their own, else
// that of their first clinic.
func (p *pages) readerOf(c *echo.Context) (reader, error) {
	r := reader{zone: time.UTC, zoneName: "UTC"}
	ctx := c.Request().Context()
	me, err := p.cfg.Directory.GetSelf(ctx, httpapi.ActorOf(ctx))
	if err != nil {
		return r, err
	}
	r.me = me
	clinics, err := p.cfg.Directory.ListClinics(ctx, httpapi.ActorOf(ctx), directory.ClinicFilter{Limit: care.MaxPageLimit})
	if err != nil {
		return r, err
	}
	r.clinics = clinics.Items
	names := []string{me.TimeZone}
	for _, clinic := range r.clinics {
		names = append(names, clinic.TimeZone)
	}
	r.zone, r.zoneName = firstZone(names...)
	return r, nil
}

// firstZone returns the first time zone that exists; UTC if none does.
func firstZone(names ...string) (*time.Location, string) {
	for _, name := range names {
		if name == "" {
			continue
		}
		if zone, err := time.LoadLocation(name); err == nil {
			return zone, name
		}
	}
	return time.UTC, "UTC"
}

// clinicName returns the name of one of the reader's clinics, or "".
func (r reader) clinicName(id uuid.UUID) string {
	for _, clinic := range r.clinics {
		if clinic.ID == id {
			return clinic.Name
		}
	}
	return ""
}

// isMe reports whether the person is the reader.
func (r reader) isMe(id uuid.UUID) bool { return r.me.ID == id }

// person returns the name of the person that a page is about. Staff read it from the directory,
// which checks and audits the read; a person whom they may not read has no name.
func (p *pages) person(c *echo.Context, to reader, id uuid.UUID) (string, error) {
	if to.isMe(id) {
		return fullName(to.me.GivenName, to.me.FamilyName), nil
	}
	ctx := c.Request().Context()
	user, err := p.cfg.Directory.GetUser(ctx, httpapi.CommandOf(ctx), id)
	if code := care.CodeOf(err); code == care.NotFound || code == care.Forbidden {
		return "", nil
	}
	return fullName(user.GivenName, user.FamilyName), err
}

func fullName(given, family string) string { return strings.TrimSpace(given + " " + family) }

// moment returns a time in the reader's zone.
func (r reader) moment(t time.Time) string { return moment(t, r.zone) }

// patientOf returns the patient of a record.
func patientOf(r ehr.Record[any]) uuid.UUID { return headOf(r).PatientID }

// headOf returns the head of a record of any kind.
func headOf(r ehr.Record[any]) ehr.Head {
	head, _ := reflect.TypeAssert[ehr.Head](reflect.ValueOf(r.Body).FieldByName("Head"))
	return head
}
