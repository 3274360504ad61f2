package ehr

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// Body is implemented by a pointer to the struct of each kind.
type Body interface {
	head() *Head
	// Kind returns the specification of the kind; it is the same for all bodies of the kind.
	Kind() Spec
	Validate() error
}

// BodyOf is a pointer to the struct of a kind.
type BodyOf[B any] interface {
	*B
	Body
}

// meaningful is implemented by bodies with parts that can contradict each other or the calendar.
type meaningful interface {
	checkMeaning(errs *care.FieldErrors)
}

// criticalReporter is implemented by bodies that can contain critical findings.
type criticalReporter interface {
	criticalFindings(clinic *clinicLimits) []string
}

// Record is one version of a record.
type Record[B any] struct {
	ID        uuid.UUID `json:"id" format:"uuid"`
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"createdAt" format:"date-time"`
	UpdatedAt time.Time `json:"updatedAt" format:"date-time"`
	// CreatedBy and UpdatedBy are ids of actors: a person's, or "system:<part>".
	CreatedBy string `json:"createdBy"`
	UpdatedBy string `json:"updatedBy"`
	// Reason is the reason for an amendment or a retraction.
	Reason string `json:"reason,omitempty"`
	Body   B      `json:"body"`
}

// Page is one page of a list, in descending order of EffectiveAt.
type Page[B any] = care.Page[Record[B]]

// Kind is the service for the records of one kind. It is safe for concurrent use.
type Kind[B any] struct {
	spec   Spec
	name   string
	writer *outbox.Writer
	body   func(*B) Body
	// limits caches the critical limits of clinics; it is nil for a kind without critical findings.
	limits *limitCache
}

// NewKind returns the service for records with body B. It panics if the catalog lacks one of the
// kind's events, which is a programming error that every test detects.
func NewKind[B any, P BodyOf[B]](writer *outbox.Writer) *Kind[B] {
	body := func(b *B) Body { return P(b) }
	spec := body(new(B)).Kind()
	k := &Kind[B]{spec: spec, name: spec.Name, writer: writer, body: body}
	types := []string{"created", "released", "updated", "amended", "retracted"}
	if _, ok := k.body(new(B)).(criticalReporter); ok {
		types = append(types, "critical", "reviewed")
		k.limits = &limitCache{}
	}
	for _, typ := range types {
		if _, ok := event.Lookup(k.eventType(typ)); !ok {
			panic("the event catalog lacks " + k.eventType(typ))
		}
	}
	return k
}

// Spec returns the specification of the kind.
func (k *Kind[B]) Spec() Spec { return k.spec }

func (k *Kind[B]) eventType(what string) string { return "ehr." + k.name + "." + what }

func (k *Kind[B]) ref(id uuid.UUID) care.Ref { return care.Ref{Kind: k.name, ID: id} }

// prepare normalizes the body for storage, and checks its form and its meaning.
func (k *Kind[B]) prepare(b *B) (*Head, error) {
	h, err := k.prepareImported(b)
	if err != nil {
		return h, err
	}
	var errs care.FieldErrors
	if k.spec.reliedOn(h.Status) {
		checkHappened(&errs, "effectiveAt", &h.EffectiveAt)
		if body, ok := k.body(b).(meaningful); ok {
			body.checkMeaning(&errs)
		}
	}
	return h, errs.Err()
}

// prepareImported is prepare for records of another system: it checks only the form.
func (k *Kind[B]) prepareImported(b *B) (*Head, error) {
	body := k.body(b)
	h := body.head()
	h.EffectiveAt = h.EffectiveAt.normal()
	return h, body.Validate()
}

func (k *Kind[B]) decode(data []byte) (B, error) {
	var b B
	if err := json.Unmarshal(data, &b); err != nil {
		// The decoder's message can quote the body, which is PHI.
		return b, fmt.Errorf("decode %s: the stored body does not fit its kind", k.name)
	}
	return b, nil
}

func (k *Kind[B]) record(row db.Record) (Record[B], error) {
	b, err := k.decode(row.Body)
	return Record[B]{
		ID: row.ID, Version: row.Version, CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt,
		CreatedBy: row.CreatedBy, UpdatedBy: row.UpdatedBy, Reason: row.Reason, Body: b,
	}, err
}

// criticalFindings returns a key for each critical finding in the body, by the clinic's limits.
func (k *Kind[B]) criticalFindings(b *B, clinic *clinicLimits) []string {
	if a, ok := k.body(b).(criticalReporter); ok {
		return a.criticalFindings(clinic)
	}
	return nil
}
