package fhirimport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// translated makes a refusal of what the database said.
func translated(err error) error { return postgres.Translate(err) }

// grant is a role that something which is taken in shows a person to have had.
type grant struct {
	user, clinic uuid.UUID
	role         care.Role
}

// maxGranted bounds how many roles a run remembers to have given.
const maxGranted = 100_000

// grantRoles gives the roles that the drafts need, those that this run has not given yet.
func (r *run) grantRoles(ctx context.Context, tx pgx.Tx, drafts []*draft) ([]grant, error) {
	var roles []grant
	var in []directory.MembershipInput
	added := map[grant]bool{}
	add := func(user, clinic uuid.UUID, role care.Role) {
		g := grant{user, clinic, role}
		if user == uuid.Nil || clinic == uuid.Nil || r.granted[g] || added[g] {
			return
		}
		added[g] = true
		roles = append(roles, g)
		in = append(in, directory.MembershipInput{UserID: user, ClinicID: &clinic, Role: role})
	}
	for _, d := range drafts {
		switch d.kind {
		case kindPart, "clinic", "user":
		case "membership":
			add(d.doctorID, d.clinicID, d.role)
		case "invoice":
			add(d.personID, d.clinicID, care.Patient)
		default:
			add(d.personID, d.clinicID, care.Patient)
			add(d.doctorID, d.clinicID, care.Doctor)
		}
	}
	return roles, r.directory.ImportRolesTx(ctx, tx, r.cmd, in)
}

// remember notes roles as given, once they are committed.
func (r *run) remember(roles []grant) {
	if len(r.granted) > maxGranted {
		clear(r.granted)
	}
	for _, g := range roles {
		r.granted[g] = true
	}
}

// identify remembers what the drafts became.
func (r *run) identify(ctx context.Context, tx pgx.Tx, drafts []*draft, refused map[*draft]error) error {
	p := db.ImportIdentifierUpsertManyParams{Source: r.Source}
	seen := db.ImportPatientSeenParams{Source: r.Source}
	used := db.ImportPartUseParams{Source: r.Source}
	for _, d := range drafts {
		if refused[d] != nil {
			continue
		}
		p.Types, p.Ids, p.Kinds = append(p.Types, d.res.typ), append(p.Ids, d.res.id), append(p.Kinds, d.kind)
		p.DomainIds, p.Hashes = append(p.DomainIds, d.id), append(p.Hashes, d.hash)
		p.ClinicIds, p.PersonIds, p.DoctorIds = append(p.ClinicIds, d.clinicID), append(p.PersonIds, d.personID), append(p.DoctorIds, d.doctorID)
		if d.res.typ == "Encounter" && d.patientOf != "" {
			seen.Ids, seen.ClinicIds, seen.DoctorIds = append(seen.Ids, d.patientOf), append(seen.ClinicIds, d.clinicID), append(seen.DoctorIds, d.doctorID)
		}
		use(&used, d)
	}
	q := db.New(tx)
	n, err := q.ImportIdentifierUpsertMany(ctx, p)
	if err != nil {
		return fmt.Errorf("remember what was taken in: %w", err)
	}
	if int(n) != len(p.Ids) {
		return care.Errorf(care.Unavailable, "another import of this source is under way: run this one again when that has ended")
	}
	if len(seen.Ids) > 0 {
		if err := q.ImportPatientSeen(ctx, seen); err != nil {
			return fmt.Errorf("remember where patients were seen: %w", err)
		}
	}
	return r.markUsed(ctx, q, used)
}

func use(p *db.ImportPartUseParams, d *draft) {
	for _, k := range d.usedParts {
		p.Types, p.Ids = append(p.Types, k.typ), append(p.Ids, k.id)
	}
}

// markUsed says that parts went into something, each once in a statement.
func (r *run) markUsed(ctx context.Context, q *db.Queries, p db.ImportPartUseParams) error {
	once := db.ImportPartUseParams{Source: p.Source}
	had := map[key]bool{}
	for i := range p.Ids {
		if k := (key{p.Types[i], p.Ids[i]}); !had[k] {
			had[k] = true
			once.Types, once.Ids = append(once.Types, k.typ), append(once.Ids, k.id)
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

// resolve fits in what the drafts are made of and refer to, and gives those that are to be written: new or changed.
func (r *run) resolve(ctx context.Context, batch []*draft) (ready []*draft, err error) {
	err = r.inTx(ctx, func(tx pgx.Tx) error {
		q := db.New(tx)
		whole, err := r.fitParts(ctx, q, batch)
		if err != nil {
			return err
		}
		rows, err := r.lookUp(ctx, q, refersTo(whole))
		if err != nil {
			return err
		}
		var unchanged db.ImportPartUseParams
		unchanged.Source = r.Source
		for _, d := range whole {
			if err := r.place(d, rows); err != nil {
				r.refuse(d.res, err)
				continue
			}
			d.clean()
			for _, w := range d.without {
				r.item(d.res, Partly, w.path, w.reason)
			}
			changed, err := d.compare(rows)
			if err != nil {
				return err
			}
			if changed {
				ready = append(ready, d)
				continue
			}
			r.count(d.res.typ, Unchanged, "")
			use(&unchanged, d)
		}
		return r.markUsed(ctx, q, unchanged)
	})
	return ready, err
}

// refersTo has every name that the drafts go by or refer to.
func refersTo(drafts []*draft) []key {
	had := map[key]bool{}
	var all []key
	add := func(keys ...key) {
		for _, k := range keys {
			if !had[k] {
				had[k] = true
				all = append(all, k)
			}
		}
	}
	for _, d := range drafts {
		add(key{d.res.typ, d.res.id})
		add(d.patient...)
		add(d.encounter...)
		add(d.doctors...)
		add(d.clinics...)
		add(d.author...)
	}
	return all
}

// lookUp finds what the names stand for, also where they are not ids.
func (r *run) lookUp(ctx context.Context, q *db.Queries, names []key) (map[key]db.ImportIdentifier, error) {
	return byAnyName(ctx, r, q, names, func(types, ids []string, found map[key]db.ImportIdentifier) error {
		rows, err := q.ImportIdentifierList(ctx, db.ImportIdentifierListParams{Source: r.Source, Types: types, Ids: ids})
		if err != nil {
			return fmt.Errorf("look up references: %w", err)
		}
		for _, row := range rows {
			found[key{row.ResourceType, row.ResourceID}] = row
		}
		return nil
	})
}

// apart gives the types and the ids of the keys, as queries take them.
func apart(keys []key) (types, ids []string) {
	for _, k := range keys {
		types, ids = append(types, k.typ), append(ids, k.id)
	}
	return types, ids
}

// byAnyName finds rows by their ids, and those that it has not found so by other names. list adds the rows of ids to found.
func byAnyName[R any](ctx context.Context, r *run, q *db.Queries, names []key, list func(types, ids []string, found map[key]R) error) (map[key]R, error) {
	found := map[key]R{}
	if len(names) == 0 {
		return found, nil
	}
	types, ids := apart(names)
	if err := list(types, ids, found); err != nil {
		return nil, err
	}
	other, err := r.otherNames(ctx, q, names, func(k key) bool { _, ok := found[k]; return ok })
	if err != nil || len(other) == 0 {
		return found, err
	}
	types, ids = apart(slices.Collect(maps.Values(other)))
	if err := list(types, ids, found); err != nil {
		return nil, err
	}
	for alias, k := range other {
		if row, ok := found[k]; ok {
			found[alias] = row
		}
	}
	return found, nil
}

// otherNames finds the ids of those names that are not known as ids.
func (r *run) otherNames(ctx context.Context, q *db.Queries, names []key, known func(key) bool) (map[key]key, error) {
	p := db.ImportAliasListParams{Source: r.Source}
	for _, k := range names {
		if !known(k) {
			p.Types, p.Aliases = append(p.Types, k.typ), append(p.Aliases, k.id)
		}
	}
	if len(p.Aliases) == 0 {
		return nil, nil
	}
	rows, err := q.ImportAliasList(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("look up other names: %w", err)
	}
	other := map[key]key{}
	for _, row := range rows {
		other[key{row.ResourceType, row.Alias}] = key{row.ResourceType, row.ResourceID}
	}
	return other, nil
}

// fitParts gives the drafts whose parts are in; others it refuses.
func (r *run) fitParts(ctx context.Context, q *db.Queries, batch []*draft) ([]*draft, error) {
	var names []key
	for _, d := range batch {
		for _, p := range d.parts {
			names = append(names, p.keys...)
		}
	}
	parts, err := r.findParts(ctx, q, names)
	if err != nil {
		return nil, err
	}
	var whole []*draft
	for _, d := range batch {
		if err := r.fit(d, parts); err != nil {
			r.refuse(d.res, err)
			continue
		}
		whole = append(whole, d)
	}
	return whole, nil
}

func (r *run) findParts(ctx context.Context, q *db.Queries, names []key) (map[key]db.ImportPartListRow, error) {
	return byAnyName(ctx, r, q, names, func(types, ids []string, found map[key]db.ImportPartListRow) error {
		rows, err := q.ImportPartList(ctx, db.ImportPartListParams{Source: r.Source, Types: types, Ids: ids})
		if err != nil {
			return fmt.Errorf("look up parts: %w", err)
		}
		for _, row := range rows {
			found[key{row.ResourceType, row.ResourceID}] = row
		}
		return nil
	})
}

// fit puts a draft's parts in.
func (r *run) fit(d *draft, parts map[key]db.ImportPartListRow) error {
	for _, p := range d.parts {
		row, ok := anyOf(parts, p.keys)
		switch {
		case p.take == nil && ok && row.Used:
			// What a report holds is part of it.
			return nil
		case p.take == nil:
		case ok && !bytes.Equal(row.Body, []byte("null")):
			if err := p.take(row.Body); err != nil {
				return err
			}
			d.usedParts = append(d.usedParts, key{row.ResourceType, row.ResourceID})
		case d.kind == "lab_report":
			d.without = append(d.without, fault{p.path, "refers to nothing that was taken in"})
		}
	}
	if d.finish != nil {
		return d.finish(d)
	}
	return nil
}

// anyOf finds the first of the names that stands for something.
func anyOf[V any](found map[key]V, keys []key) (V, bool) {
	for _, k := range keys {
		if v, ok := found[k]; ok {
			return v, true
		}
	}
	var none V
	return none, false
}

// place says whom a draft is about, where it was and who answers for it.
func (r *run) place(d *draft, rows map[key]db.ImportIdentifier) error {
	if d.kind == kindPart || d.kind == "clinic" {
		return nil
	}
	patient, hasPatient := anyOf(rows, d.patient)
	visit, _ := anyOf(rows, d.encounter)
	d.patientOf, d.personID = patient.ResourceID, patient.DomainID
	d.clinicID = r.clinicOf(d, rows, visit, patient)
	for _, k := range d.doctors {
		if row, ok := rows[k]; ok && d.doctorID == uuid.Nil {
			d.doctorID = doctorOf(row)
		}
	}
	if d.kind == "user" {
		d.personID = uuid.Nil
		return nil
	}
	for _, id := range []*uuid.UUID{visit.DoctorID, patient.DoctorID, d.seen(patient.SeenDoctorID)} {
		if d.doctorID == uuid.Nil && id != nil {
			d.doctorID = *id
		}
	}
	typ := d.res.typ
	switch {
	case d.kind == "membership" && d.doctorID == uuid.Nil:
		return faulty(typ+".practitioner", "refers to nobody that was taken in")
	case d.kind != "membership" && !hasPatient:
		return faulty(typ+"."+d.patientPath, "refers to nobody that was taken in")
	case d.clinicID == uuid.Nil:
		return faulty(join(typ, d.paths["clinicId"]), "names no clinic that was taken in: name one with --clinic")
	case d.message != nil:
		if err := d.written(r.Source, rows); err != nil {
			return err
		}
	case d.kind != "invoice" && d.doctorID == uuid.Nil:
		return faulty(join(typ, d.paths["doctorId"]), "names no practitioner that was taken in, who would answer for it")
	}
	d.settle()
	return nil
}

// clinicOf is where a draft was: where it says, where its encounter was, where the run says, or where its patient is seen.
func (r *run) clinicOf(d *draft, rows map[key]db.ImportIdentifier, visit, patient db.ImportIdentifier) uuid.UUID {
	for _, k := range d.clinics {
		switch row, ok := rows[k]; {
		case ok && row.Kind == "clinic":
			return row.DomainID
		case ok && row.ClinicID != nil:
			return *row.ClinicID
		}
	}
	switch {
	case visit.ClinicID != nil:
		return *visit.ClinicID
	case d.kind == "user":
		return uuid.Nil
	case r.ClinicID != uuid.Nil:
		return r.ClinicID
	case patient.ClinicID != nil:
		return *patient.ClinicID
	case d.seen(patient.SeenClinicID) != nil:
		return *patient.SeenClinicID
	}
	return uuid.Nil
}

// seen is where a patient was first seen, or by whom, for all but the encounters that say so: these must not depend on which
// of them came first.
func (d *draft) seen(id *uuid.UUID) *uuid.UUID {
	if d.res.typ == "Encounter" {
		return nil
	}
	return id
}

// doctorOf is the person that a Practitioner or a PractitionerRole is.
func doctorOf(row db.ImportIdentifier) uuid.UUID {
	if row.Kind == "user" {
		return row.DomainID
	}
	if row.DoctorID != nil {
		return *row.DoctorID
	}
	return uuid.Nil
}

// settle writes what place found into what the draft becomes.
func (d *draft) settle() {
	switch {
	case d.head != nil:
		doctor := d.doctorID
		d.head.PatientID, d.head.ClinicID, d.head.DoctorID = d.personID, d.clinicID, &doctor
	case d.appointment != nil:
		d.appointment.PatientID, d.appointment.ClinicID, d.appointment.DoctorID = d.personID, d.clinicID, d.doctorID
	case d.invoice != nil:
		d.invoice.PatientID, d.invoice.ClinicID = d.personID, d.clinicID
	case d.message != nil:
		d.message.PatientID, d.message.ClinicID = d.personID, d.clinicID
	}
}

// compare gives the draft its id and says whether it is new, or not what it was when it was last taken in.
func (d *draft) compare(rows map[key]db.ImportIdentifier) (bool, error) {
	var what any
	switch {
	case d.clinic != nil:
		what = d.clinic
	case d.user != nil:
		what = d.user
	case d.appointment != nil:
		what = d.appointment
	case d.invoice != nil:
		what = d.invoice
	case d.message != nil:
		what = d.message
	default:
		what = d.body
	}
	data, err := json.Marshal([]any{d.kind, d.role, d.clinicID, d.doctorID, what})
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", d.kind, err)
	}
	sum := sha256.Sum256(data)
	d.hash = sum[:]
	row, known := rows[key{d.res.typ, d.res.id}]
	if !known || (row.Kind != d.kind && row.Kind == kindPart) {
		d.id = uuid.Must(uuid.NewV7())
		if known {
			d.id = row.DomainID // No record has it.
		}
		return true, nil
	}
	d.id, d.known = row.DomainID, true
	return !bytes.Equal(row.Hash, d.hash), nil
}
