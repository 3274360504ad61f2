package outbox

import (
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// Columns holds events as one slice per column of the outbox, for statements that take arrays. An
// array parameter of these types cannot contain NULL: the zero value represents it.
type Columns struct {
	IDs             []uuid.UUID
	Types           []string
	Sources         []string
	Subjects        []string
	SubjectVersions []int64
	Times           []time.Time
	Data            [][]byte
	ClinicIDs       []uuid.UUID
	PersonIDs       []uuid.UUID
	ActorIDs        []string
	ActorRoles      []string
	CauseIDs        []uuid.UUID
	CorrelationIDs  []string
	Traceparents    []string
	Imported        []bool
	ClientAddresses []string
	ClientAgents    []string
}

// Append adds an event to each column.
func (c *Columns) Append(e *event.Event) {
	c.IDs = append(c.IDs, e.ID)
	c.Types = append(c.Types, e.Type)
	c.Sources = append(c.Sources, e.Source)
	c.Subjects = append(c.Subjects, e.Subject)
	c.SubjectVersions = append(c.SubjectVersions, care.OrZero(e.SubjectVersion))
	c.Times = append(c.Times, e.Time)
	c.Data = append(c.Data, e.Data)
	c.ClinicIDs = append(c.ClinicIDs, care.OrZero(e.ClinicID))
	c.PersonIDs = append(c.PersonIDs, care.OrZero(e.PersonID))
	c.ActorIDs = append(c.ActorIDs, e.ActorID)
	c.ActorRoles = append(c.ActorRoles, e.ActorRole)
	c.CauseIDs = append(c.CauseIDs, care.OrZero(e.CauseID))
	c.CorrelationIDs = append(c.CorrelationIDs, care.OrZero(e.CorrelationID))
	c.Traceparents = append(c.Traceparents, care.OrZero(e.Traceparent))
	c.Imported = append(c.Imported, e.Imported)
	c.ClientAddresses = append(c.ClientAddresses, e.Client.Address)
	c.ClientAgents = append(c.ClientAgents, string(e.Client.Agent))
}

func insertParams(e *event.Event) db.OutboxInsertParams {
	return db.OutboxInsertParams{
		EventID: e.ID, Type: e.Type, Source: e.Source, Subject: e.Subject, SubjectVersion: e.SubjectVersion, Time: e.Time,
		Data: e.Data, ClinicID: e.ClinicID, PersonID: e.PersonID, ActorID: e.ActorID, ActorRole: e.ActorRole, CauseID: e.CauseID,
		CorrelationID: nonZero(e.CorrelationID), Traceparent: nonZero(e.Traceparent), Imported: e.Imported,
		ClientAddress: e.Client.Address, ClientAgent: string(e.Client.Agent),
	}
}

func insertManyParams(events []event.Event) db.OutboxInsertManyParams {
	var c Columns
	for i := range events {
		c.Append(&events[i])
	}
	return db.OutboxInsertManyParams{
		EventIds: c.IDs, Types: c.Types, Sources: c.Sources, Subjects: c.Subjects, SubjectVersions: c.SubjectVersions,
		Times: c.Times, Data: c.Data, ClinicIds: c.ClinicIDs, PersonIds: c.PersonIDs, ActorIds: c.ActorIDs,
		ActorRoles: c.ActorRoles, CauseIds: c.CauseIDs, CorrelationIds: c.CorrelationIDs, Traceparents: c.Traceparents,
		Imported: c.Imported, ClientAddresses: c.ClientAddresses, ClientAgents: c.ClientAgents,
	}
}

// nonZero returns p, or nil if it points to a zero value. OutboxInsert and OutboxInsertMany thus
// store the same row for an event.
func nonZero[T comparable](p *T) *T {
	if p == nil || *p == *new(T) {
		return nil
	}
	return p
}
