package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// CareTeamMember is a doctor or nurse who cares for a patient at a clinic.
type CareTeamMember struct {
	PatientID uuid.UUID `json:"patientId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5d"`
	ClinicID  uuid.UUID `json:"clinicId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	MemberID  uuid.UUID `json:"memberId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
}

// Carer is a member of a patient's care team, as shown to those who may see the team.
type Carer struct {
	ClinicID   uuid.UUID   `json:"clinicId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	MemberID   uuid.UUID   `json:"memberId" format:"uuid" example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	GivenName  string      `json:"givenName" example:"Ada"`
	FamilyName string      `json:"familyName" example:"Byron"`
	Roles      []care.Role `json:"roles" enum:"doctor,nurse" example:"[\"doctor\"]" doc:"The roles of the member at the clinic."`
	Since      time.Time   `json:"since" format:"date-time" example:"2026-03-14T09:30:00Z"`
}

// AddCareTeamMember adds a doctor or nurse to a patient's care team at a clinic, which lets them
// read the patient's records there. joined is false if they already were on it. Both people must
// hold their roles at the clinic. Adding oneself is care.Forbidden.
func (s *Service) AddCareTeamMember(ctx context.Context, cmd care.Command, in CareTeamMember) (joined bool, err error) {
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if err := mayManageTeam(cmd, in); err != nil {
			return err
		}
		q := db.New(tx)
		// Without the lock, a concurrent revocation of the role could go unnoticed.
		if _, err := q.UserLock(ctx, in.MemberID); err != nil && !notFound(err) {
			return fmt.Errorf("lock user: %w", err)
		}
		row, err := q.CareTeamInsert(ctx, db.CareTeamInsertParams{PatientID: in.PatientID, ClinicID: in.ClinicID, MemberID: in.MemberID})
		if err != nil {
			return fmt.Errorf("insert care team: %w", err)
		}
		if !row.Good {
			return care.InvalidField("memberId", "must be a doctor or nurse of the clinic, and patientId a patient of it")
		}
		if joined = row.Joined; !joined {
			return nil
		}
		if err := notSelf(cmd, care.CareTeamManage, in.MemberID, &in.ClinicID); err != nil {
			return err
		}
		return outbox.Append(ctx, tx, careTeamEvent(cmd, "care_team.joined", in))
	})
	return joined, err
}

// RemoveCareTeamMember removes a member from a patient's care team at a clinic. The error is
// care.NotFound if they are not on it.
func (s *Service) RemoveCareTeamMember(ctx context.Context, cmd care.Command, in CareTeamMember) error {
	return s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		if err := mayManageTeam(cmd, in); err != nil {
			return err
		}
		n, err := db.New(tx).CareTeamDelete(ctx, db.CareTeamDeleteParams{PatientID: in.PatientID, ClinicID: in.ClinicID, MemberID: in.MemberID})
		if err != nil {
			return fmt.Errorf("delete from care team: %w", err)
		}
		if n == 0 {
			return care.Errorf(care.NotFound, "the person is not on this patient's care team")
		}
		return outbox.Append(ctx, tx, careTeamEvent(cmd, "care_team.left", in))
	})
}

func mayManageTeam(cmd care.Command, in CareTeamMember) error {
	if cmd.Actor.MayOnPlatform(care.CareTeamManage) || cmd.Actor.MayAt(in.ClinicID, care.CareTeamManage, care.SameClinic) {
		return nil
	}
	answer := care.Errorf(care.Forbidden, "only an administrator of the clinic may manage its care teams")
	return outbox.Deny(cmd, answer, care.CareTeamManage, patientRef(in.PatientID), nil, &in.ClinicID)
}

// ListCareTeam returns the patient's care team: to the patient at all clinics, to others at the
// clinics where they may see care teams and the person is a patient. Reads by others are audited,
// once for each clinic. The error is care.NotFound for a person that the actor may not know of.
func (s *Service) ListCareTeam(ctx context.Context, cmd care.Command, patientID uuid.UUID) ([]Carer, error) {
	var team []Carer
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		own := patientID == cmd.Actor.UserID && cmd.Actor.MayOwn(care.CareTeamRead)
		var clinics []uuid.UUID // nil for all.
		if !own {
			held, err := heldBy(ctx, q, patientID)
			if err != nil {
				return err
			}
			if clinics = patientAt(visible(cmd.Actor, care.CareTeamRead, held)); len(clinics) == 0 {
				answer := care.Errorf(care.NotFound, "patient not found, or not at your clinic")
				return outbox.Deny(cmd, answer, care.CareTeamRead, patientRef(patientID), nil, nil)
			}
		}
		rows, err := q.CareTeamList(ctx, db.CareTeamListParams{PatientID: patientID, ClinicIds: clinics})
		if err != nil {
			return fmt.Errorf("read care team: %w", err)
		}
		team = make([]Carer, len(rows))
		shown := map[uuid.UUID][]uuid.UUID{}
		for i, row := range rows {
			team[i] = carerFrom(row)
			shown[row.ClinicID] = append(shown[row.ClinicID], row.MemberID)
		}
		var reads []event.Event
		for _, clinic := range clinics {
			reads = append(reads, event.PeopleRead(cmd, event.ListOf("care_team", event.Filter{Name: "patientId", Used: true}), patientID, &clinic, shown[clinic]))
		}
		return outbox.Append(ctx, tx, reads...)
	})
	return team, err
}

// patientAt returns the clinics where the memberships include the role patient, without duplicates.
func patientAt(held []care.Membership) []uuid.UUID {
	var clinics []uuid.UUID
	for _, m := range held {
		if m.Role == care.Patient && !slices.Contains(clinics, *m.ClinicID) {
			clinics = append(clinics, *m.ClinicID)
		}
	}
	return clinics
}

func carerFrom(row db.CareTeamListRow) Carer {
	c := Carer{ClinicID: row.ClinicID, MemberID: row.MemberID, GivenName: row.GivenName, FamilyName: row.FamilyName, Since: row.Since.UTC()}
	for _, role := range row.Roles {
		c.Roles = append(c.Roles, care.Role(role))
	}
	return c
}

func patientRef(id uuid.UUID) care.Ref { return care.Ref{Kind: "patient", ID: id} }

func careTeamEvent(cmd care.Command, typ string, in CareTeamMember) event.Event {
	return event.New(cmd, typ, patientRef(in.PatientID), event.CareTeam{
		UserID: in.PatientID, ClinicID: in.ClinicID, MemberID: in.MemberID,
	}).About(cmd, in.PatientID, &in.ClinicID)
}
