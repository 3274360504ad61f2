package fhirimport

import (
	"context"
	"crypto/sha256"

	"github.com/jackc/pgx/v5"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres/db"
)

// kindDeletion is the kind of a draft that deletes a resource.
const kindDeletion = "deletion"

// deletionReason is the reason of a retraction.
const deletionReason = "deleted in the system that it was imported from"

// deletedHash is the hash of a resource that an import has deleted.
var deletedHash = sha256.Sum256([]byte(kindDeletion))

// locateDeletion finds the imported record of a deleted resource. It returns false if there is
// nothing to do, and lists the reason.
func (r *run) locateDeletion(d *candidate, rows map[fhir.Key]db.ImportIdentifier) bool {
	row, known := rows[d.Resource.Key()]
	if !known {
		r.list(d.Resource, Skipped, "", "was deleted, and was not imported before")
		return false
	}
	if string(row.Hash) == string(deletedHash[:]) {
		r.count(d.Resource.Type, Unchanged, "")
		return false
	}
	d.id, d.known, d.hash, d.deletes = row.DomainID, true, deletedHash[:], row.Kind
	if _, isRecord := r.recordKinds[row.Kind]; isRecord || row.Kind == "appointment" || row.Kind == "invoice" {
		return true
	}
	reason := "was deleted; an import does not delete a " + row.Kind
	switch row.Kind {
	case mapping.KindPart:
		reason = "was deleted; the report that includes it has to be imported again"
	case "user":
		reason = "was deleted; an import does not delete people: disable their account if they have left"
	case "membership":
		reason = "was deleted; an import does not revoke roles: revoke it if the person has left"
	case "message":
		reason = "was deleted; messages cannot be deleted"
	}
	r.list(d.Resource, Skipped, "", reason)
	return false
}

// deleteTx retracts records, cancels appointments and voids invoices.
func (r *run) deleteTx(ctx context.Context, tx pgx.Tx, list []*candidate) ([]error, error) {
	errs := make([]error, len(list))
	for i, d := range list {
		refused, err := r.deleteOne(ctx, tx, d)
		if err != nil {
			return nil, err
		}
		errs[i] = refused
	}
	return errs, nil
}

// deleteOne returns the reason why the database keeps the record, if it does.
func (r *run) deleteOne(ctx context.Context, tx pgx.Tx, d *candidate) (refused, err error) {
	switch d.deletes {
	case "appointment":
		return r.appointments.CancelImportedTx(ctx, tx, r.cmd, d.id)
	case "invoice":
		return r.billing.VoidImportedTx(ctx, tx, r.cmd, d.id)
	}
	return r.recordKinds[d.deletes].retract(ctx, tx, r.cmd, d.id, deletionReason)
}
