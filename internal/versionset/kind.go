package versionset

import (
	"context"

	"carewire/internal/event"
	"carewire/internal/postgres/db"
)

// Kind is a kind of set. Its sets have their own tables, and their own event.
type Kind struct {
	// Name is the kind in errors, such as "rule set".
	Name string
	// Event is the type of the event that announces a version, and Subject its subject.
	Event, Subject string

	payload func(version int32) event.Payload
	version func(data event.Payload) (int32, bool)
	tables  tables
}

// tables are the queries on a kind's tables.
type tables interface {
	newest(ctx context.Context, q *db.Queries) (db.RuleSetCurrentRow, error)
	insert(ctx context.Context, q *db.Queries, p db.RuleSetInsertParams) error
	sources(ctx context.Context, q *db.Queries, versions []int32) ([]db.RuleSetSourcesRow, error)
	list(ctx context.Context, q *db.Queries, p db.RuleSetListParams) ([]db.RuleSetListRow, error)
	get(ctx context.Context, q *db.Queries, version int32) (db.RuleSetGetRow, error)
	before(ctx context.Context, q *db.Queries, position int64) (int32, error)
	record(ctx context.Context, q *db.Queries, p db.RulePublicationInsertParams) error
}

// The kinds.
var (
	// Rules are the rule sets.
	Rules = &Kind{
		Name: "rule set", Event: "rules.published", Subject: "rules/live", tables: ruleTables{},
		payload: func(version int32) event.Payload { return event.RulesPublished{Version: version} },
		version: func(data event.Payload) (int32, bool) {
			p, ok := data.(event.RulesPublished)
			return p.Version, ok
		},
	}
	// Templates are the template sets.
	Templates = &Kind{
		Name: "template set", Event: "templates.published", Subject: "templates/live", tables: templateTables{},
		payload: func(version int32) event.Payload { return event.TemplatesPublished{Version: version} },
		version: func(data event.Payload) (int32, bool) {
			p, ok := data.(event.TemplatesPublished)
			return p.Version, ok
		},
	}
)

// ruleTables are rule_sets and rule_publications.
type ruleTables struct{}

func (ruleTables) newest(ctx context.Context, q *db.Queries) (db.RuleSetCurrentRow, error) {
	return q.RuleSetCurrent(ctx)
}

func (ruleTables) insert(ctx context.Context, q *db.Queries, p db.RuleSetInsertParams) error {
	return q.RuleSetInsert(ctx, p)
}

func (ruleTables) sources(ctx context.Context, q *db.Queries, versions []int32) ([]db.RuleSetSourcesRow, error) {
	return q.RuleSetSources(ctx, versions)
}

func (ruleTables) list(ctx context.Context, q *db.Queries, p db.RuleSetListParams) ([]db.RuleSetListRow, error) {
	return q.RuleSetList(ctx, p)
}

func (ruleTables) get(ctx context.Context, q *db.Queries, version int32) (db.RuleSetGetRow, error) {
	return q.RuleSetGet(ctx, version)
}

func (ruleTables) before(ctx context.Context, q *db.Queries, position int64) (int32, error) {
	return q.RulePublicationBefore(ctx, position)
}

func (ruleTables) record(ctx context.Context, q *db.Queries, p db.RulePublicationInsertParams) error {
	return q.RulePublicationInsert(ctx, p)
}

// templateTables are template_sets and template_publications, which have the same columns.
type templateTables struct{}

func (templateTables) newest(ctx context.Context, q *db.Queries) (db.RuleSetCurrentRow, error) {
	row, err := q.TemplateSetCurrent(ctx)
	return db.RuleSetCurrentRow(row), err
}

func (templateTables) insert(ctx context.Context, q *db.Queries, p db.RuleSetInsertParams) error {
	return q.TemplateSetInsert(ctx, db.TemplateSetInsertParams(p))
}

func (templateTables) sources(ctx context.Context, q *db.Queries, versions []int32) ([]db.RuleSetSourcesRow, error) {
	rows, err := q.TemplateSetSources(ctx, versions)
	all := make([]db.RuleSetSourcesRow, len(rows))
	for i, row := range rows {
		all[i] = db.RuleSetSourcesRow(row)
	}
	return all, err
}

func (templateTables) list(ctx context.Context, q *db.Queries, p db.RuleSetListParams) ([]db.RuleSetListRow, error) {
	rows, err := q.TemplateSetList(ctx, db.TemplateSetListParams(p))
	all := make([]db.RuleSetListRow, len(rows))
	for i, row := range rows {
		all[i] = db.RuleSetListRow(row)
	}
	return all, err
}

func (templateTables) get(ctx context.Context, q *db.Queries, version int32) (db.RuleSetGetRow, error) {
	row, err := q.TemplateSetGet(ctx, version)
	return db.RuleSetGetRow(row), err
}

func (templateTables) before(ctx context.Context, q *db.Queries, position int64) (int32, error) {
	return q.TemplatePublicationBefore(ctx, position)
}

func (templateTables) record(ctx context.Context, q *db.Queries, p db.RulePublicationInsertParams) error {
	return q.TemplatePublicationInsert(ctx, db.TemplatePublicationInsertParams(p))
}
