package fhirimport

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// storeBatch stores drafts in one transaction. If it fails because of one of them, it stores each
// half in a transaction of its own.
func (r *run) storeBatch(ctx context.Context, drafts []*candidate) error {
	if len(drafts) == 0 {
		return nil
	}
	var refused map[*candidate]error
	var roles []grant
	err := r.inTx(ctx, func(tx pgx.Tx) (err error) {
		refused, roles, err = r.storeTx(ctx, tx, drafts)
		return err
	})
	switch code := care.CodeOf(translateError(err)); {
	case err == nil:
	case code != care.Invalid && code != care.Conflict && code != care.NotFound:
		return err
	case len(drafts) == 1:
		r.refuseDraft(drafts[0], translateError(err))
		return nil
	default:
		half := len(drafts) / 2
		if err := r.storeBatch(ctx, drafts[:half]); err != nil {
			return err
		}
		return r.storeBatch(ctx, drafts[half:])
	}
	r.rememberGrants(roles)
	for _, d := range drafts {
		switch err, bad := refused[d]; {
		case bad:
			r.refuseDraft(d, err)
		case d.again:
		case d.deletes != "":
			r.count(d.Resource.Type, Retracted, "")
		case d.known:
			r.count(d.Resource.Type, Updated, "")
		default:
			r.count(d.Resource.Type, Imported, "")
		}
	}
	return nil
}

// storeTx stores drafts of any kind, and their identifiers.
func (r *run) storeTx(ctx context.Context, tx pgx.Tx, drafts []*candidate) (refused map[*candidate]error, roles []grant, err error) {
	refused = map[*candidate]error{}
	note := func(list []*candidate, errs []error, err error) error {
		for i := range errs {
			if errs[i] != nil {
				refused[list[i]] = errs[i]
			}
		}
		return err
	}
	byKind := map[string][]*candidate{}
	for _, d := range drafts {
		byKind[d.Kind] = append(byKind[d.Kind], d)
	}
	if roles, err = r.grantRoles(ctx, tx, drafts); err != nil {
		return nil, nil, err
	}
	standIns, err := r.ensureStandIns(ctx, tx, drafts)
	if err != nil {
		return nil, nil, err
	}
	roles = append(roles, standIns...)
	kinds := make([]string, 0, len(byKind))
	for kind := range byKind {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds) // Everything that takes several locks takes them in one order.
	for _, kind := range kinds {
		list := byKind[kind]
		errs, err := r.storeKindTx(ctx, tx, kind, list)
		if err := note(list, errs, err); err != nil {
			return nil, nil, err
		}
	}
	return refused, roles, r.storeIdentifiers(ctx, tx, drafts, refused)
}

// storeKindTx passes the drafts of a kind to the service that stores them.
func (r *run) storeKindTx(ctx context.Context, tx pgx.Tx, kind string, list []*candidate) ([]error, error) {
	switch kind {
	case mapping.KindPart, mapping.KindReplaced, "membership":
		return nil, nil
	case kindDeletion:
		return r.deleteTx(ctx, tx, list)
	case "clinic":
		return r.directory.ImportClinicsTx(ctx, tx, r.cmd, convert(list, func(d *candidate) directory.NewClinic {
			return directory.NewClinic{ID: d.id, ClinicInput: *d.Clinic}
		}))
	case "user":
		return r.directory.ImportUsersTx(ctx, tx, r.cmd, convert(list, func(d *candidate) directory.ImportedUser {
			u := *d.User
			u.ID, u.Known = d.id, d.known
			return u
		}))
	case "appointment":
		return r.appointments.ImportTx(ctx, tx, r.cmd, convert(list, func(d *candidate) appointment.Imported {
			a := *d.Appointment
			a.ID, a.Known, a.StandInID = d.id, d.known, directory.StandInID(d.clinicID)
			return a
		}))
	case "invoice":
		return r.billing.ImportTx(ctx, tx, r.cmd, convert(list, func(d *candidate) billing.Imported {
			i := *d.Invoice
			i.ID, i.Known = d.id, d.known
			return i
		}))
	case "message":
		return r.chat.ImportTx(ctx, tx, r.cmd, convert(list, func(d *candidate) chat.Imported {
			m := *d.Message
			m.ID, m.Known = d.id, d.known
			return m
		}))
	}
	record, ok := r.recordKinds[kind]
	if !ok {
		return nil, fmt.Errorf("fhirimport: unknown kind %q", kind)
	}
	return record.importTx(ctx, tx, r.cmd, list)
}

// convert returns the results of calling of for each draft.
func convert[T any](list []*candidate, of func(*candidate) T) []T {
	all := make([]T, len(list))
	for i, d := range list {
		all[i] = of(d)
	}
	return all
}

// recordKind stores drafts of one record kind, and retracts records.
type recordKind struct {
	importTx func(ctx context.Context, tx pgx.Tx, cmd care.Command, drafts []*candidate) ([]error, error)
	retract  func(ctx context.Context, tx pgx.Tx, cmd care.Command, id uuid.UUID, reason string) (refused, err error)
}

func newRecordKind[B any](kind *ehr.Kind[B]) recordKind {
	importTx := func(ctx context.Context, tx pgx.Tx, cmd care.Command, drafts []*candidate) ([]error, error) {
		records := make([]ehr.Imported[B], len(drafts))
		for i, d := range drafts {
			body, ok := d.Body.(*B)
			if !ok {
				return nil, fmt.Errorf("fhirimport: unexpected body %T", d.Body)
			}
			records[i] = ehr.Imported[B]{ID: d.id, Known: d.known, Body: body}
		}
		return kind.ImportTx(ctx, tx, cmd, records)
	}
	return recordKind{importTx, kind.RetractImportedTx}
}

// translateError converts a database error into a care.Error.
func translateError(err error) error { return postgres.Translate(err) }

// grant is a role that a resource shows a person to have at a clinic.
type grant struct {
	user, clinic uuid.UUID
	role         care.Role
}

// maxGranted bounds how many granted roles a run remembers.
const maxGranted = 100_000

// grantRoles grants the roles that the drafts need and that this run has not granted yet.
func (r *run) grantRoles(ctx context.Context, tx pgx.Tx, drafts []*candidate) ([]grant, error) {
	var roles []grant
	var in []directory.ImportedRole
	added := map[grant]bool{}
	add := func(user, clinic uuid.UUID, role care.Role, former bool) {
		g := grant{user, clinic, role}
		if user == uuid.Nil || clinic == uuid.Nil || role == "" || r.granted[g] || added[g] {
			return
		}
		added[g] = true
		roles = append(roles, g)
		in = append(in, directory.ImportedRole{UserID: user, ClinicID: clinic, Role: role, Former: former})
	}
	for _, d := range drafts {
		switch d.Kind {
		case mapping.KindPart, mapping.KindReplaced, "clinic", "user", kindDeletion:
		case "membership":
			add(d.doctorID, d.clinicID, d.Role, d.Former)
		case "invoice":
			add(d.personID, d.clinicID, care.Patient, false)
		default:
			add(d.personID, d.clinicID, care.Patient, false)
			add(d.storedDoctor(), d.clinicID, care.Doctor, false)
		}
	}
	return roles, r.directory.ImportRolesTx(ctx, tx, r.cmd, in)
}

// rememberGrants records roles as granted, once they are committed.
func (r *run) rememberGrants(roles []grant) {
	if len(r.granted) > maxGranted {
		clear(r.granted)
	}
	for _, g := range roles {
		r.granted[g] = true
	}
}

// storeIdentifiers stores which rows the drafts became.
func (r *run) storeIdentifiers(ctx context.Context, tx pgx.Tx, drafts []*candidate, refused map[*candidate]error) error {
	p := db.ImportIdentifierUpsertManyParams{Source: r.Source}
	seen := db.ImportPatientSeenParams{Source: r.Source}
	used := db.ImportPartUseParams{Source: r.Source}
	for _, d := range drafts {
		if refused[d] != nil {
			continue
		}
		own := d.Resource.Key()
		p.Types, p.Ids, p.Kinds = append(p.Types, own.Type), append(p.Ids, own.ID), append(p.Kinds, d.storedKind())
		p.DomainIds, p.Hashes = append(p.DomainIds, d.id), append(p.Hashes, d.hash)
		p.ClinicIds, p.PersonIds, p.DoctorIds = append(p.ClinicIds, d.clinicID), append(p.PersonIds, d.personID), append(p.DoctorIds, d.storedDoctor())
		if d.Resource.Type == "Encounter" && d.patientOf != "" {
			seen.Ids, seen.ClinicIds, seen.DoctorIds = append(seen.Ids, d.patientOf), append(seen.ClinicIds, d.clinicID), append(seen.DoctorIds, d.storedDoctor())
		}
		appendUsed(&used, d)
	}
	q := db.New(tx)
	n, err := q.ImportIdentifierUpsertMany(ctx, p)
	if err != nil {
		return fmt.Errorf("store identifiers: %w", err)
	}
	if int(n) != len(p.Ids) {
		return care.Errorf(care.Unavailable, "another import of this source is in progress; try again after it has finished")
	}
	if err := r.markStaff(ctx, q, drafts); err != nil {
		return fmt.Errorf("mark staff: %w", err)
	}
	if len(seen.Ids) > 0 {
		if err := q.ImportPatientSeen(ctx, seen); err != nil {
			return fmt.Errorf("store where patients were seen: %w", err)
		}
	}
	return r.markUsed(ctx, q, used)
}

func appendUsed(p *db.ImportPartUseParams, d *candidate) {
	for _, k := range d.usedParts {
		p.Types, p.Ids = append(p.Types, k.Type), append(p.Ids, k.ID)
	}
}

// markUsed marks parts as used. A statement must not contain a part twice.
func (r *run) markUsed(ctx context.Context, q *db.Queries, p db.ImportPartUseParams) error {
	once := db.ImportPartUseParams{Source: p.Source}
	seen := map[fhir.Key]bool{}
	for i := range p.Ids {
		if k := (fhir.Key{Type: p.Types[i], ID: p.Ids[i]}); !seen[k] {
			seen[k] = true
			once.Types, once.Ids = append(once.Types, k.Type), append(once.Ids, k.ID)
		}
	}
	if len(once.Ids) == 0 {
		return nil
	}
	if err := q.ImportPartUse(ctx, once); err != nil {
		return fmt.Errorf("mark parts: %w", err)
	}
	return nil
}
