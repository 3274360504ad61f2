package dispatch_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestPlanner_GivesEachReasonForNotTelling(t *testing.T) {
	t.Parallel()
	b := setup(t)
	doctor := b.user("doc", care.Doctor)
	const emailOnly = "    channels: [email]\n"
	for _, c := range []struct {
		name    string
		rules   string
		prepare func(patient uuid.UUID)
		told    []string
		not     []string
	}{
		{
			"a device is missing", toPatient("ehr.*.created", "    channels: [push]\n"),
			func(id uuid.UUID) { b.exec(`DELETE FROM devices WHERE user_id = $1`, id) },
			[]string{"pat1 push suppressed normal: no_address"},
			nil,
		},
		{
			"the address is not verified", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, id) },
			[]string{"pat2 email suppressed normal: address_unverified"},
			nil,
		},
		{
			"the rule allows an unverified address", toPatient("ehr.*.created", emailOnly+"    unverified: true\n"),
			func(id uuid.UUID) { b.exec(`UPDATE users SET email_verified = false WHERE id = $1`, id) },
			[]string{"pat3 email queued normal: rule one"},
			nil,
		},
		{
			"the phone number is not verified", toPatient("ehr.*.created", "    channels: [sms]\n"),
			func(id uuid.UUID) { b.exec(`UPDATE users SET phone = '+15550100001' WHERE id = $1`, id) },
			[]string{"pat4 sms suppressed normal: address_unverified"},
			nil,
		},
		{
			"the preference is off", toPatient("ehr.*.created", "    channels: [email, push]\n"),
			func(id uuid.UUID) {
				b.exec(`INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'clinical', 'email', 'off'), ($1, 'billing', 'push', 'off')`, id)
			},
			[]string{"pat5 email suppressed normal: preference_off", "pat5 push queued normal: rule one"},
			nil,
		},
		{
			"critical is not silenced", toPatient("ehr.*.created", emailOnly+"    priority: critical\n"),
			func(id uuid.UUID) {
				b.exec(`INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'clinical', 'email', 'off')`, id)
			},
			[]string{"pat6 email queued critical: rule one"},
			nil,
		},
		{
			"the rule's own category counts", toPatient("ehr.*.created", emailOnly+"    category: billing\n"),
			func(id uuid.UUID) {
				b.exec(`INSERT INTO preferences (user_id, category, channel, setting) VALUES ($1, 'billing', 'email', 'off')`, id)
			},
			[]string{"pat7 email suppressed normal: preference_off"},
			nil,
		},
		{
			"the channel is not configured", toPatient("ehr.*.created", "    channels: [whatsapp]\n"), nil,
			[]string{"pat8 whatsapp suppressed normal: channel_not_configured"},
			nil,
		},
		{
			"the account is disabled", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET status = 'disabled' WHERE id = $1`, id) },
			nil,
			[]string{"one pat9 -: user_disabled"},
		},
		{
			"the person has died", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET deceased_on = '2026-01-31' WHERE id = $1`, id) },
			nil,
			[]string{"one pat10 -: deceased"},
		},
		{
			"the person has no email address", toPatient("ehr.*.created", emailOnly),
			func(id uuid.UUID) { b.exec(`UPDATE users SET email = NULL, email_verified = false WHERE id = $1`, id) },
			[]string{"pat11 email suppressed normal: no_address"},
			nil,
		},
		{
			"nobody holds the role", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [nurse, receptionist]}], channels: [email]}]", nil,
			nil,
			[]string{"one - -: nobody_in_role"},
		},
		{
			"unless", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: recipient.id == event.actorid}], channels: [email]}]", nil,
			nil,
			[]string{"one doc -: unless"},
		},
		{
			"unless for one recipient, named by another", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: recipient.role == 'doctor'}, {user: data.doctorId}], channels: [email]}]", nil,
			[]string{"doc email queued normal: rule one"},
			nil,
		},
		{
			"unless that fails", "rules: [{name: one, on: ehr.*.created, recipients: [{role: [doctor], unless: int(recipient.id) > 0}], channels: [email]}]", nil,
			[]string{"doc email queued normal: rule one"},
			[]string{"one/unless doc -: condition_ignored"},
		},
		{
			"when that is false", toPatient("ehr.*.created", emailOnly+"    when: data.status == 'draft'\n"), nil,
			nil, nil,
		},
	} {
		b.rules(c.rules)
		patient := b.user(fmt.Sprintf("pat%d", one[int64](b, `SELECT count(*) FROM users WHERE given_name LIKE 'pat%'`)+1))
		if c.prepare != nil {
			c.prepare(patient)
		}
		e := b.record("ehr.lab_report.created", patient, doctor)
		b.handle(e)
		require.Equal(t, c.told, b.told(e), c.name)
		require.Equal(t, c.not, b.not(e), c.name)
	}
}

func TestPlanner_SaysWhenAnEventNamesNobodyItKnows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.rules(`
rules:
  - {name: person, on: user.updated, recipients: [{user: data.userId}], channels: [email]}
  - {name: program, on: user.updated, recipients: [{actor: true}], channels: [email]}
  - {name: place, on: user.updated, recipients: [{role: [doctor]}], channels: [email]}
`)
	stranger := newID()
	e := b.account("user.updated", stranger)
	b.handle(e)
	require.Equal(t, []string{"program - -: nobody_named", "place - -: no_clinic", "person ? -: unknown_user"}, b.not(e))
	require.Equal(t, stranger, one[uuid.UUID](b, `SELECT recipient_id FROM decisions WHERE rule = 'person'`))
	require.Empty(t, b.announced(e))
}
