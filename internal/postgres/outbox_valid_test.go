package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

func TestOutboxValid_NamesWhatARowBreaks(t *testing.T) {
	t.Parallel()
	db := postgrestest.New(t)
	const insert = `INSERT INTO outbox (event_id, type, source, subject, subject_version, time, data, actor_id, actor_role, correlation_id, traceparent,
			appended_at, client_address, client_agent)
		SELECT gen_random_uuid(), r.type, r.source, r.subject, r.subject_version, r.time, r.data, r.actor_id, r.actor_role, r.correlation_id, r.traceparent,
			r.appended_at, r.client_address, r.client_agent
		FROM jsonb_populate_record(null::outbox, jsonb_build_object(
			'type', 'user.created', 'source', 'test', 'subject', 'user/1', 'time', now(), 'data', '{}'::jsonb,
			'actor_id', 'system', 'actor_role', 'service', 'appended_at', now()) || (%s)) AS r`
	_, err := db.App.Exec(t.Context(), fmt.Sprintf(insert, "'{}'"))
	require.NoError(t, err)
	for constraint, change := range map[string]string{
		"outbox_type_form":                `'{"type": "User"}'`,
		"outbox_source_length":            `'{"source": ""}'`,
		"outbox_subject_form":             `'{"subject": "1"}'`,
		"outbox_subject_version_positive": `'{"subject_version": 0}'`,
		"outbox_time_readable":            `'{"time": "infinity"}'`,
		"outbox_data_object":              `'{"data": []}'`,
		"outbox_data_length":              `'{"data": {"n": 1e66000}}'`,
		"outbox_actor_id_length":          `'{"actor_id": ""}'`,
		"outbox_actor_role_length":        `'{"actor_role": ""}'`,
		"outbox_correlation_id_length":    `jsonb_build_object('correlation_id', repeat('x', 201))`,
		"outbox_traceparent_length":       `jsonb_build_object('traceparent', repeat('x', 101))`,
		"outbox_appended_at_finite":       `'{"appended_at": "infinity"}'`,
		"outbox_client_agent_length":      `'{"client_agent": ""}'`,
		"outbox_client_agent_there":       `'{"client_address": "10.0.0.1"}'`,
	} {
		_, err := db.App.Exec(t.Context(), fmt.Sprintf(insert, change))
		violation, ok := errors.AsType[*pgconn.PgError](err)
		require.True(t, ok, constraint)
		require.Equal(t, []string{"23514", "outbox", constraint}, []string{violation.Code, violation.TableName, violation.ConstraintName})
	}
}
