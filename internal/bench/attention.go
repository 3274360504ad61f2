package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// fourLimitedMessages is fourMessages with a throttle that no patient exceeds. All events have the same
// doctor, who would.
const fourLimitedMessages = `rules:
  - name: bench
    on: ehr.*.created
    recipients: [{user: data.userId}]
    channels: [push, email]
    throttle: {max: 1000, per: 1m}
  - name: bench-doctor
    on: ehr.*.created
    recipients: [{user: data.doctorId}]
    channels: [push, email]
`

// planAttention measures planning for people with preferences and quiet hours by a rule with a
// throttle, compared to planning without any of them.
func planAttention(ctx context.Context, dir string) ([]Measure, error) {
	m, err := compareFills(ctx, dir, fillLedger, fillAttention)
	m.Name = "dispatch with preferences, quiet hours and a throttle"
	return []Measure{m}, err
}

// fillAttention is fillLedger with people who have preferences and quiet hours that are not now, and
// with a throttle.
func fillAttention(ctx context.Context, s *service, owner *pgxpool.Pool) error {
	if err := fillLedgerBy(ctx, s, owner, fourLimitedMessages); err != nil {
		return err
	}
	return execAll(ctx, owner, []statement{
		{`INSERT INTO preferences (user_id, clinic_id, category, channel, setting)
			SELECT u.id, c.clinic_id, category, channel, 'on'
			FROM users AS u
			CROSS JOIN LATERAL (SELECT NULL::uuid AS clinic_id UNION ALL SELECT m.clinic_id FROM memberships AS m WHERE m.user_id = u.id LIMIT 1) AS c
			CROSS JOIN unnest(ARRAY['clinical', 'billing']) AS category
			CROSS JOIN unnest(ARRAY['push', 'email']) AS channel
			ON CONFLICT DO NOTHING`, nil},
		{`INSERT INTO person_times (user_id, quiet_hours)
			SELECT id, jsonb_build_array(jsonb_build_object('from', to_char(now() AT TIME ZONE 'UTC' + interval '6 hours', 'HH24:MI'), 'to', to_char(now() AT TIME ZONE 'UTC' + interval '8 hours', 'HH24:MI')))
			FROM users
			ON CONFLICT DO NOTHING`, nil},
		{`UPDATE users SET time_zone = 'UTC'`, nil},
		{`ANALYZE preferences, person_times`, nil},
	})
}
