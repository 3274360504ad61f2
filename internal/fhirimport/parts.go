package fhirimport

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
	"carewire/internal/postgres/db"
)

// alias is a name of a resource other than its key.
type alias struct {
	name fhir.Key
	id   string
}

// stagedParts are parts and aliases that are stored together.
type stagedParts struct {
	parts   map[fhir.Key]json.RawMessage
	aliases map[alias]bool
	// owners are the resources with all of their identifiers among the aliases.
	owners map[fhir.Key]bool
}

func (s *stagedParts) addAlias(owner fhir.Key, name string) {
	if s.aliases == nil {
		s.aliases = map[alias]bool{}
	}
	s.aliases[alias{fhir.Key{Type: owner.Type, ID: name}, owner.ID}] = true
}

// addIdentifiers adds all identifiers of a resource.
func (s *stagedParts) addIdentifiers(owner fhir.Key, names []string) {
	for _, name := range names {
		s.addAlias(owner, name)
	}
	if s.owners == nil {
		s.owners = map[fhir.Key]bool{}
	}
	s.owners[owner] = true
}

// add keeps the part of a resource that other resources may need.
func (s *stagedParts) add(res *fhir.Resource) {
	key := res.Key()
	if alias := bundleAlias(res); alias != "" {
		s.addAlias(key, alias)
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
	s.parts[key] = data
}

// bundleAlias returns the URN or the address by which a bundle identifies a resource, if it is not
// the resource's key.
func bundleAlias(res *fhir.Resource) string {
	name := ""
	switch {
	case fhir.IsURN(res.FullURL):
		name = fhir.TrimURN(res.FullURL)
	case fhir.IsAddress(res.FullURL) && !strings.HasSuffix(res.FullURL, "/"+res.Type+"/"+res.ID):
		name = fhir.AddressID(fhir.NormalAddress(res.FullURL))
	}
	if name == res.ID {
		return ""
	}
	return name
}

func (s *stagedParts) full() bool { return len(s.parts)+len(s.aliases)+len(s.owners) >= batchSize }

// storeParts stores the staged parts and aliases.
func (r *run) storeParts(ctx context.Context) error {
	s := r.parts
	r.parts = stagedParts{}
	if len(s.parts)+len(s.aliases)+len(s.owners) == 0 {
		return nil
	}
	put := db.ImportPartPutParams{Source: r.Source}
	for k, body := range s.parts {
		put.Types, put.Ids, put.Bodies = append(put.Types, k.Type), append(put.Ids, k.ID), append(put.Bodies, body)
	}
	names := db.ImportAliasInsertManyParams{Source: r.Source}
	for a := range s.aliases {
		names.Types, names.Aliases, names.Ids = append(names.Types, a.name.Type), append(names.Aliases, a.name.ID), append(names.Ids, a.id)
	}
	stale := db.ImportAliasDeleteManyParams{Source: r.Source, Types: names.Types, Ids: names.Ids, Aliases: names.Aliases}
	for owner := range s.owners {
		stale.OwnerTypes, stale.OwnerIds = append(stale.OwnerTypes, owner.Type), append(stale.OwnerIds, owner.ID)
	}
	return r.inTx(ctx, func(tx pgx.Tx) error {
		q := db.New(tx)
		if len(put.Ids) > 0 {
			if err := q.ImportPartPut(ctx, put); err != nil {
				return fmt.Errorf("store parts: %w", err)
			}
		}
		if len(stale.OwnerIds) > 0 {
			if err := q.ImportAliasDeleteMany(ctx, stale); err != nil {
				return fmt.Errorf("delete aliases: %w", err)
			}
		}
		if len(names.Ids) > 0 {
			if err := q.ImportAliasInsertMany(ctx, names); err != nil {
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
