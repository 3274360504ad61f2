package fhirimport

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"carewire/internal/postgres/db"
)

// refersTo has every name that the drafts go by or refer to.
func refersTo(drafts []*candidate) []key {
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
