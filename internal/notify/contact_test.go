package notify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify"
	"carewire/internal/notify/notifytest"
)

// reaching holds, for each channel, the SQL that sets the person's address: verified, unverified, and
// none.
var reaching = map[string]struct{ verified, unverified, none string }{
	notify.Email: {verified: `UPDATE users SET email_verified = true`, unverified: `UPDATE users SET email_verified = false`},
	notify.SMS: {
		`UPDATE users SET phone = '+15550100001', phone_verified = true`,
		`UPDATE users SET phone = '+15550100001', phone_verified = false`,
		`UPDATE users SET phone = NULL, phone_verified = false`,
	},
	notify.WhatsApp: {
		`UPDATE users SET whatsapp = '+15550100002', whatsapp_verified = true`,
		`UPDATE users SET whatsapp = '+15550100002', whatsapp_verified = false`,
		`UPDATE users SET whatsapp = NULL, whatsapp_verified = false`,
	},
	notify.Push: {verified: `SELECT`, none: `DELETE FROM devices`},
}

// others sets the addresses of every other channel to the opposite of the case, so that reading the
// wrong column fails the test.
func (b *bundle) others(channel string, reachable bool) {
	b.t.Helper()
	for other, sql := range reaching {
		if other == channel || other == notify.Push {
			continue
		}
		if reachable {
			b.exec(sql.verified)
		} else if sql.none != "" {
			b.exec(sql.none)
		} else {
			b.exec(sql.unverified)
		}
	}
}

func TestContact_FallbackAndRedriveAskForTheAddressOfTheChannel(t *testing.T) {
	t.Parallel()
	for channel, sql := range reaching {
		for _, c := range []struct {
			name, sql      string
			rule, expected bool
		}{
			{"verified", sql.verified, false, true},
			{"unverified", sql.unverified, false, false},
			{"unverified, which the rule allows", sql.unverified, true, true},
			{"none", sql.none, true, false},
		} {
			if c.sql == "" {
				continue
			}
			t.Run(channel+" "+c.name, func(t *testing.T) {
				t.Parallel()
				refusing := &notifytest.Recorder{}
				refusing.Answer(func(notify.Message) (notify.Receipt, error) { return notify.Receipt{}, notify.Permanent("refused") })
				first := notify.Email
				if channel == notify.Email {
					first = notify.Push
				}
				b := setup(t, map[string]notify.Notifier{first: refusing, channel: &notifytest.Recorder{}})
				b.others(channel, !c.expected)
				b.exec(c.sql)
				if first == notify.Email {
					b.exec(`UPDATE users SET email_verified = true`)
				}
				id := b.plan(plan{channel: first, fallback: []string{channel}})
				suppressed := b.ended(channel, "suppressed", "no_address")
				b.exec(`UPDATE deliveries SET unverified = $1`, c.rule)
				b.enqueue(id)
				b.start()
				b.await(id, "failed")
				planned := b.count(`SELECT count(*) FROM deliveries WHERE channel = $1 AND reason LIKE 'fallback for %'`, channel)
				err := b.redrive(suppressed)
				if !c.expected {
					require.Zero(t, planned)
					require.Equal(t, care.Conflict, care.CodeOf(err))
					return
				}
				require.Equal(t, 1, planned)
				require.NoError(t, err)
			})
		}
	}
}
