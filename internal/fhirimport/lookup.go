package fhirimport

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/postgres/db"
)

// referencedKeys returns the keys of the drafts and of everything that they refer to, without
// duplicates.
func referencedKeys(drafts []*candidate) []fhir.Key {
	// Most drafts refer to several resources, and most of those are the same for many drafts.
	seen, all := make(map[fhir.Key]bool, 2*len(drafts)), make([]fhir.Key, 0, 2*len(drafts))
	add := func(keys ...fhir.Key) {
		for _, k := range keys {
			if !seen[k] {
				seen[k] = true
				all = append(all, k)
			}
		}
	}
	for _, d := range drafts {
		add(d.Resource.Key())
		for _, list := range d.KeyLists() {
			add(*list...)
		}
	}
	return all
}

// findIdentifiers returns the rows of the keys, which may be ids or aliases.
func (r *run) findIdentifiers(ctx context.Context, q *db.Queries, names []fhir.Key) (map[fhir.Key]db.ImportIdentifier, error) {
	return findByKeyOrAlias(ctx, r, q, names, func(types, ids []string, found map[fhir.Key]db.ImportIdentifier) error {
		rows, err := q.ImportIdentifierList(ctx, db.ImportIdentifierListParams{Source: r.Source, Types: types, Ids: ids})
		if err != nil {
			return fmt.Errorf("look up references: %w", err)
		}
		for _, row := range rows {
			found[fhir.Key{Type: row.ResourceType, ID: row.ResourceID}] = row
		}
		return nil
	})
}

// splitKeys returns the types and the ids of the keys, as query parameters.
func splitKeys(keys []fhir.Key) (types, ids []string) {
	types, ids = make([]string, 0, len(keys)), make([]string, 0, len(keys))
	for _, k := range keys {
		types, ids = append(types, k.Type), append(ids, k.ID)
	}
	return types, ids
}

// findByKeyOrAlias returns the rows of the keys. Keys that are not found as ids are looked up as
// aliases. list adds the rows of ids to found.
func findByKeyOrAlias[R any](ctx context.Context, r *run, q *db.Queries, names []fhir.Key, list func(types, ids []string, found map[fhir.Key]R) error) (map[fhir.Key]R, error) {
	if len(names) == 0 {
		return nil, nil
	}
	found := make(map[fhir.Key]R, len(names))
	types, ids := splitKeys(names)
	if err := list(types, ids, found); err != nil {
		return nil, err
	}
	other, err := r.findAliases(ctx, q, names, func(k fhir.Key) bool { _, ok := found[k]; return ok })
	if err != nil || len(other) == 0 {
		return found, err
	}
	types, ids = splitKeys(slices.Collect(maps.Values(other)))
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

// findAliases returns the keys that the aliases among the names stand for. It adds those of several
// resources to r.ambiguous, and does not return them.
func (r *run) findAliases(ctx context.Context, q *db.Queries, names []fhir.Key, known func(fhir.Key) bool) (map[fhir.Key]fhir.Key, error) {
	p := db.ImportAliasListParams{Source: r.Source}
	for _, k := range names {
		if !known(k) {
			p.Types, p.Aliases = append(p.Types, k.Type), append(p.Aliases, k.ID)
		}
	}
	if len(p.Aliases) == 0 {
		return nil, nil
	}
	rows, err := q.ImportAliasList(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("look up aliases: %w", err)
	}
	other := map[fhir.Key]fhir.Key{}
	for _, row := range rows {
		alias, k := fhir.Key{Type: row.ResourceType, ID: row.Alias}, fhir.Key{Type: row.ResourceType, ID: row.ResourceID}
		if before, twice := other[alias]; twice && before != k {
			r.ambiguous[alias] = true
		}
		other[alias] = k
	}
	for alias := range r.ambiguous {
		delete(other, alias)
	}
	return other, nil
}

func (r *run) findParts(ctx context.Context, q *db.Queries, names []fhir.Key) (map[fhir.Key]db.ImportPartListRow, error) {
	return findByKeyOrAlias(ctx, r, q, names, func(types, ids []string, found map[fhir.Key]db.ImportPartListRow) error {
		rows, err := q.ImportPartList(ctx, db.ImportPartListParams{Source: r.Source, Types: types, Ids: ids})
		if err != nil {
			return fmt.Errorf("look up parts: %w", err)
		}
		for _, row := range rows {
			found[fhir.Key{Type: row.ResourceType, ID: row.ResourceID}] = row
		}
		return nil
	})
}

// firstFound returns the value of the first key that has one.
func firstFound[V any](found map[fhir.Key]V, keys []fhir.Key) (V, bool) {
	for _, k := range keys {
		if v, ok := found[k]; ok {
			return v, true
		}
	}
	var none V
	return none, false
}
