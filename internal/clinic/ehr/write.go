package ehr

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// Create writes the first version and appends ehr.<kind>.created, and .critical if the body
// contains a critical finding. Errors: care.Invalid by field, care.Forbidden if the actor may not
// write for this patient at this clinic.
func (k *Kind[B]) Create(ctx context.Context, cmd care.Command, b B) (Record[B], error) {
	h, err := k.prepare(&b)
	if err != nil {
		return Record[B]{}, err
	}
	right, err := k.mayCreate(cmd, h)
	if err != nil {
		return Record[B]{}, k.writer.Audited(ctx, err)
	}
	if right.notReleased {
		return Record[B]{}, k.denyRelease(ctx, cmd, h, right)
	}
	data, err := json.Marshal(b)
	if err != nil {
		return Record[B]{}, fmt.Errorf("encode %s: %w", k.name, err)
	}
	r := Record[B]{ID: uuid.Must(uuid.NewV7()), Version: 1, CreatedBy: cmd.Actor.ID, UpdatedBy: cmd.Actor.ID, Body: b}
	err = k.limits.withLimits(ctx, k.writer, cmd, h.ClinicID, func(limits *clinicLimits) error {
		return k.insert(ctx, cmd, &r, data, right.anyPatient, limits)
	})
	if err != nil {
		return Record[B]{}, k.writer.Audited(ctx, insertError(cmd, h, right, err))
	}
	r.UpdatedAt = r.CreatedAt
	return r, nil
}

// insert writes the first version, judged by the limits, in one round trip. Only the database knows
// whether the clinic holds a critical version, so its events are built from the response.
func (k *Kind[B]) insert(ctx context.Context, cmd care.Command, r *Record[B], data []byte, anyPatient bool, limits *clinicLimits) error {
	h := k.body(&r.Body).head()
	v := version{id: r.ID, number: 1, what: "created", head: h, released: k.spec.Releases(h.Status), critical: len(k.criticalFindings(&r.Body, limits)) > 0}
	ownDoctor := *h.DoctorID == cmd.Actor.UserID && cmd.Actor.Holds(h.ClinicID, care.Doctor)
	params := db.RecordInsertParams{
		ID: r.ID, Kind: k.name, Status: h.Status, PatientID: h.PatientID, ClinicID: h.ClinicID, DoctorID: *h.DoctorID,
		CodeSystem: h.Code.System, Code: h.Code.Code, EffectiveAt: h.EffectiveAt.Start(), Partial: h.EffectiveAt.IsPartial(), Body: data, CreatedBy: cmd.Actor.ID,
		Releases: v.released, Holds: v.critical && !cmd.Imported, OwnDoctor: ownDoctor, AnyPatient: anyPatient,
		ActorID: cmd.Actor.UserID, LimitsVersion: limits.expectedVersion(),
	}
	var heldUntil *time.Time
	insert := func(q *db.Queries) (read func() error) {
		inserted := q.RecordInsert(ctx, []db.RecordInsertParams{params})
		return func() (err error) {
			inserted.QueryRow(func(_ int, row db.RecordInsertRow, failed error) {
				if err = failed; err != nil {
					err = fmt.Errorf("insert record: %w", err)
				}
				r.CreatedAt, heldUntil = row.CreatedAt, row.HeldUntil
			})
			return err
		}
	}
	if v.critical {
		return k.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
			if err := insert(db.New(tx))(); err != nil {
				return err
			}
			v.held = heldUntil != nil
			return outbox.Append(ctx, tx, k.written(cmd, v)...)
		})
	}
	return k.writer.InBatch(ctx, cmd, func(batch *outbox.Batch) {
		batch.Queue(insert)
		batch.Append(ctx, k.written(cmd, v)...)
	})
}

// insertError returns an error that describes the failed checks; it returns any other error
// unchanged. It does not reveal whether an id exists elsewhere.
func insertError(cmd care.Command, h *Head, right creation, err error) error {
	failed := postgres.FailedChecks(err)
	if failed == nil {
		return err
	}
	var errs care.FieldErrors
	if slices.Contains(failed, "patient") {
		errs.Add("patientId", "must be a patient of this clinic, or have been one")
	}
	if slices.Contains(failed, "doctor") {
		errs.Add("doctorId", "must be an active doctor of this clinic")
	}
	if len(errs) == 0 {
		return right.notOnTeam(cmd, h)
	}
	return errs.Err()
}

// version is the data about one version that its events contain.
type version struct {
	id     uuid.UUID
	number int64
	// what is the last part of the type of the version's event.
	what string
	head *Head
	// released reports whether the record was released with this version or before.
	released bool
	// critical reports whether the version contains a critical finding that no previous version
	// contained.
	critical bool
	// held reports whether the record is withheld from the patient.
	held bool
}

// written returns the version's event, followed by the critical event that it causes, if any. The
// critical event is not a version.
func (k *Kind[B]) written(cmd care.Command, v version) []event.Event {
	events := []event.Event{k.event(cmd, v.what, v).AtVersion(v.number)}
	events[0].CutsOff = v.what == "retracted"
	if v.critical {
		e := k.event(cmd, "critical", v)
		e.CauseID = &events[0].ID
		events = append(events, e)
	}
	return events
}

func (k *Kind[B]) event(cmd care.Command, what string, v version) event.Event {
	return event.New(cmd, k.eventType(what), k.ref(v.id), event.Record{
		RecordID: v.id, UserID: v.head.PatientID, ClinicID: v.head.ClinicID, DoctorID: *v.head.DoctorID, Status: v.head.Status,
		Version: v.number, Released: v.released, Critical: v.critical, Held: v.held,
	}).About(cmd, v.head.PatientID, &v.head.ClinicID)
}
