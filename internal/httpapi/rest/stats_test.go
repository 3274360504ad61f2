package rest_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestStats_AreWholeOrRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const period = "from=2026-03-01T00:30:00Z&to=2026-03-31T00:30:00Z"
	elsewhere := uuid.New()
	for _, clinic := range []uuid.UUID{b.clinicID, elsewhere} {
		_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO event_counts (clinic_id, type, hour, count)
			SELECT $1, 'user.' || t, h, 2 FROM generate_series(1, 10) AS t, generate_series('2026-03-01Z'::timestamptz, '2026-03-30Z', '1 hour') AS h`, clinic)
		require.NoError(t, err)
	}
	_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO event_counts (clinic_id, type, hour, count) VALUES (NULL, 'user.created', '2026-03-02Z', 5)`)
	require.NoError(t, err)

	require.Equal(t, []string{"from"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/stats/events?"+period, nil), 422, "invalid"), "13,941 counts are too many")
	all := decode(t, b.do(operator, http.MethodGet, "/api/stats/events?"+period+"&clinicId="+elsewhere.String(), nil))["items"].([]any)
	require.Len(t, all, 10*(29*24+1))
	first := all[0].(map[string]any)
	require.Equal(t, "2026-03-01T00:00:00Z", first["hour"], "the hour in which from lies counts")
	require.Equal(t, elsewhere.String(), first["clinicId"])
	require.Len(t, decode(t, b.do(admin, http.MethodGet, "/api/stats/events?"+period, nil))["items"], 10*(29*24+1), "an administrator sees their clinic")
	of := decode(t, b.do(operator, http.MethodGet, "/api/stats/events?"+period+"&type=user.created", nil))["items"].([]any)
	require.Equal(t, []any{map[string]any{"clinicId": nil, "type": "user.created", "hour": "2026-03-02T00:00:00Z", "count": 5.0}}, of)

	require.Equal(t, []string{"from"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/stats/events?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", nil), 422, "invalid"))
	require.Equal(t, []string{"type"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/stats/events?type=*.", nil), 422, "invalid"))
	for _, who := range []string{patient, doctor, nurse, receptionist, auditor} {
		requireProblem(t, b.do(who, http.MethodGet, "/api/stats/events", nil), 403, "forbidden")
	}
	requireProblem(t, b.do(admin, http.MethodGet, "/api/stats/events?clinicId="+elsewhere.String(), nil), 403, "forbidden")
	require.Equal(t, 6, b.events("access.denied"))
}

func TestDeliveryStats_AreForOperatorsAndAdministrators(t *testing.T) {
	t.Parallel()
	b := setup(t)
	elsewhere := uuid.New()
	for _, clinic := range []uuid.UUID{b.clinicID, elsewhere} {
		_, err := b.db.Owner.Exec(t.Context(), `INSERT INTO delivery_counts (day, clinic_id, channel, provider, rule, outcome, count)
			SELECT d, $1, 'email', p, 'r', 'sent', 3 FROM unnest('{ses,smtp}'::text[]) AS p, unnest('{2026-03-14,2026-03-15}'::date[]) AS d`, clinic)
		require.NoError(t, err)
	}
	const path = "/api/stats/deliveries?from=2026-03-14T23:00:00Z&to=2026-03-15T01:00:00Z"
	items := func(who, query string) []any {
		return decode(t, b.do(who, http.MethodGet, path+query, nil))["items"].([]any)
	}
	require.Equal(t, []any{
		map[string]any{"day": "2026-03-14", "channel": "email", "provider": "ses", "outcome": "sent", "count": 6.0},
		map[string]any{"day": "2026-03-14", "channel": "email", "provider": "smtp", "outcome": "sent", "count": 6.0},
		map[string]any{"day": "2026-03-15", "channel": "email", "provider": "ses", "outcome": "sent", "count": 6.0},
		map[string]any{"day": "2026-03-15", "channel": "email", "provider": "smtp", "outcome": "sent", "count": 6.0},
	}, items(operator, ""))
	require.Equal(t, []any{
		map[string]any{"day": "2026-03-14", "clinicId": b.clinicID.String(), "rule": "r", "outcome": "sent", "count": 6.0},
		map[string]any{"day": "2026-03-15", "clinicId": b.clinicID.String(), "rule": "r", "outcome": "sent", "count": 6.0},
	}, items(admin, "&by=clinic,rule"))
	require.Empty(t, items(admin, "&channel=push"))

	require.Equal(t, []string{"by[0]"}, requireProblem(t, b.do(operator, http.MethodGet, path+"&by=person", nil), 422, "invalid"))
	require.Equal(t, []string{"from"}, requireProblem(t, b.do(operator, http.MethodGet, "/api/stats/deliveries?from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", nil), 422, "invalid"))
	for _, who := range []string{patient, doctor, nurse, receptionist, auditor} {
		requireProblem(t, b.do(who, http.MethodGet, path, nil), 403, "forbidden")
	}
	requireProblem(t, b.do(admin, http.MethodGet, path+"&clinicId="+elsewhere.String(), nil), 403, "forbidden")
}
