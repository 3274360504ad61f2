package fhirimport

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres/db"
)

// stagedParts are parts and aliases that are stored together.
type stagedParts struct {
	parts   map[fhir.Key]json.RawMessage
	aliases map[fhir.Key]string
}

func (s *stagedParts) addAlias(typ, alias, id string) {
	if s.aliases == nil {
		s.aliases = map[fhir.Key]string{}
	}
	s.aliases[fhir.Key{Type: typ, ID: alias}] = id
}

// add keeps the part of a resource that other resources may need.
func (s *stagedParts) add(res *fhir.Resource) {
	if alias := bundleAlias(res); alias != "" {
		s.addAlias(res.Type, alias, res.ID)
	}
	var body any
	switch res.Type {
	case "Observation":
		results, err := mapping.ReadObservationPart(res.Raw)
		if err != nil {
			return // Its own stage reports the error.
		}
		body = results
	case "Medication":
		code, err := mapping.MedicationCode("Medication", res.Raw)
		if err != nil {
			return
		}
		body = code
	default:
		return
	}
	data, err := json.Marshal(body)
	if err != nil {
		return
	}
	if s.parts == nil {
		s.parts = map[fhir.Key]json.RawMessage{}
	}
	s.parts[fhir.Key{Type: res.Type, ID: res.ID}] = data
}

// bundleAlias returns the UUID by which a bundle identifies a resource, if it is not the resource's
// id.
func bundleAlias(res *fhir.Resource) string {
	const prefix = "urn:uuid:"
	if len(res.FullURL) > len(prefix) && res.FullURL[:len(prefix)] == prefix && res.FullURL[len(prefix):] != res.ID {
		return res.FullURL[len(prefix):]
	}
	return ""
}

func (s *stagedParts) full() bool { return len(s.parts)+len(s.aliases) >= batchSize }

// storeParts stores the staged parts and aliases.
func (r *run) storeParts(ctx context.Context) error {
	s := r.parts
	r.parts = stagedParts{}
	if len(s.parts)+len(s.aliases) == 0 {
		return nil
	}
	put := db.ImportPartPutParams{Source: r.Source}
	for k, body := range s.parts {
		put.Types, put.Ids, put.Bodies = append(put.Types, k.Type), append(put.Ids, k.ID), append(put.Bodies, body)
	}
	names := db.ImportAliasUpsertManyParams{Source: r.Source}
	for k, id := range s.aliases {
		names.Types, names.Aliases, names.Ids = append(names.Types, k.Type), append(names.Aliases, k.ID), append(names.Ids, id)
	}
	return r.inTx(ctx, func(tx pgx.Tx) error {
		q := db.New(tx)
		if len(put.Ids) > 0 {
			if err := q.ImportPartPut(ctx, put); err != nil {
				return fmt.Errorf("store parts: %w", err)
			}
		}
		if len(names.Ids) > 0 {
			if err := q.ImportAliasUpsertMany(ctx, names); err != nil {
				return fmt.Errorf("store aliases: %w", err)
			}
		}
		return nil
	})
}

// dropParts deletes the parts that were stored by this run, or by an earlier one that was
// interrupted.
func (r *run) dropParts(ctx context.Context) error {
	return r.inTx(ctx, func(tx pgx.Tx) error { return db.New(tx).ImportPartDelete(ctx, r.Source) })
}
