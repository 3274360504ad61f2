package directory_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// textable returns two instances of a directory with all channels, which share the key of the limits.
func (b *testBundle) textable() (one, two *directory.Service) {
	key := []byte("0123456789abcdef0123456789abcdef")
	channels := []string{"email", "sms", "whatsapp"}
	return directory.New(b.Writer, channels...).WithLimitKey(key), directory.New(b.Writer, channels...).WithLimitKey(key)
}

// waited lets the minute after each request pass.
func (b *testBundle) waited(t *testing.T) {
	t.Helper()
	b.Exec(t, `UPDATE contact_verifications SET requested_at = requested_at - interval '2 minutes'`)
}

func set(t *testing.T, dir *directory.Service, actor care.Actor, channel, number string) directory.Contact {
	t.Helper()
	c, err := dir.SetContact(t.Context(), by(actor), channel, directory.ContactInput{Address: number})
	require.NoError(t, err)
	return c
}

func requireLimited(t *testing.T, err error, limit string, longest time.Duration) {
	t.Helper()
	requireCode(t, err, care.RateLimited)
	require.ErrorContains(t, err, limit)
	refusal, _ := errors.AsType[*care.Error](err)
	require.Positive(t, refusal.RetryAfter)
	require.LessOrEqual(t, refusal.RetryAfter, longest)
}

func TestSetContact_NormalizesTheNumberAndRequiresItsVerification(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	got := set(t, dir, b.patient, "sms", "+49 171 39 200 07")
	require.Equal(t, directory.Contact{Channel: "sms", Address: "+491713920007"}, got)
	b.Exec(t, `UPDATE users SET phone_verified = true WHERE id = $1`, b.patient.UserID)
	require.True(t, set(t, dir, b.patient, "sms", "+491713920007").Verified, "the same number stays verified")
	me, err := dir.GetSelf(t.Context(), b.patient)
	require.NoError(t, err)
	require.EqualValues(t, 2, me.Version, "an unchanged number is no new version")
	require.False(t, set(t, dir, b.patient, "sms", "+491713920008").Verified)
	require.Equal(t, "+491713920009", set(t, dir, b.patient, "whatsapp", "+491713920009").Address)
	me, err = dir.GetSelf(t.Context(), b.patient)
	require.NoError(t, err)
	require.Equal(t, "+491713920008", *me.Phone)
	require.Equal(t, "+491713920009", *me.WhatsApp)
}

func TestSetContact_RefusesWhatIsNoMobileNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	for _, c := range []struct{ channel, number, field, remedy string }{
		{"sms", "+4930901820", "address", "mobile phone"},
		{"whatsapp", "+4930901820", "address", "mobile phone"},
		{"sms", "+448001111", "address", "mobile phone"},
		{"sms", "0171 3920007", "address", "country code"},
		{"sms", "+49171", "address", "existing phone number"},
		{"sms", "", "address", "phone number"},
		{"email", "+491713920007", "channel", "your clinic changes your email address"},
		{"push", "+491713920007", "channel", "sms or whatsapp"},
	} {
		_, err := dir.SetContact(t.Context(), by(b.patient), c.channel, directory.ContactInput{Address: c.number})
		requireCode(t, err, care.Invalid, c.field)
		require.ErrorContains(t, err, c.remedy, c.number)
	}
	_, err := dir.SetContact(t.Context(), care.Command{Actor: care.SystemActor("test")}, "sms", directory.ContactInput{Address: "+491713920007"})
	require.Error(t, err, "carewire itself has no phone")
}

func TestSetContact_EndsTheCodeForTheFormerNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	set(t, dir, b.patient, "sms", "+491713920007")
	_, err := dir.RequestVerification(t.Context(), by(b.patient), "sms", "")
	require.NoError(t, err)
	set(t, dir, b.patient, "sms", "+491713920008")
	var open int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM contact_verifications`).Scan(&open))
	require.Zero(t, open)
}

func TestRequestVerification_NeedsAMobileNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	b.Exec(t, `UPDATE users SET phone = '+4930901820', whatsapp = NULL WHERE id = $1`, b.patient.UserID)
	for channel, remedy := range map[string]string{"sms": "PUT /api/me/contacts/sms", "whatsapp": "PUT /api/me/contacts/whatsapp"} {
		_, err := dir.RequestVerification(t.Context(), by(b.patient), channel, "")
		requireCode(t, err, care.Conflict, "channel")
		require.ErrorContains(t, err, remedy)
	}
}

func TestRequestVerification_IsLimitedPerPersonAlsoWhenTheNumberChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	for i := range 10 {
		set(t, dir, b.patient, "sms", fmt.Sprintf("+4917139200%02d", 10+i))
		_, err := dir.RequestVerification(t.Context(), by(b.patient), "sms", "")
		require.NoError(t, err, i)
	}
	set(t, dir, b.patient, "sms", "+491713920030")
	_, err := dir.RequestVerification(t.Context(), by(b.patient), "sms", "")
	requireLimited(t, err, "ten codes an hour", time.Hour)
	_, err = dir.RequestVerification(t.Context(), by(b.patient), "email", "")
	requireLimited(t, err, "ten codes an hour", time.Hour)
	b.Exec(t, `UPDATE verification_limits SET window_at = now() - interval '1 hour'`)
	_, err = dir.RequestVerification(t.Context(), by(b.patient), "sms", "")
	require.NoError(t, err, "an hour later")
}

func TestRequestVerification_IsLimitedPerNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	people := []care.Actor{b.patient, b.doctor}
	for i := range 6 {
		who, channel := people[i%2], []string{"sms", "whatsapp"}[i/2%2]
		set(t, dir, who, channel, "+491713920007")
		b.waited(t)
		_, err := dir.RequestVerification(t.Context(), by(who), channel, fmt.Sprintf("203.0.113.%d/32", i))
		if i < 5 {
			require.NoError(t, err, i)
			continue
		}
		requireLimited(t, err, "one address or number", time.Hour)
	}
	var events, counted int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM outbox WHERE type = 'user.verification_requested'`).Scan(&events))
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM verification_limits WHERE kind = 'caller'`).Scan(&counted))
	require.Equal(t, []int{5, 5}, []int{events, counted}, "a refused request sends nothing and counts nowhere")
}

func TestRequestVerification_WaitsAMinuteAndSaysHowLong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	_, err := dir.RequestVerification(t.Context(), by(b.patient), "email", "")
	require.NoError(t, err)
	_, err = dir.RequestVerification(t.Context(), by(b.patient), "email", "")
	requireLimited(t, err, "one code a minute and five an hour", time.Minute)
	b.Exec(t, `UPDATE contact_verifications SET requested_at = now() - interval '2 minutes', asked = 5, window_at = now() - interval '30 minutes'`)
	_, err = dir.RequestVerification(t.Context(), by(b.patient), "email", "")
	requireLimited(t, err, "five an hour", 30*time.Minute)
}

func TestRequestVerification_CountsCallersExactlyOverInstances(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one, two := b.textable()
	const people = 34
	actors := make([]care.Actor, people)
	for i := range actors {
		actors[i] = b.person(t, b.here, care.Patient)
	}
	var wg sync.WaitGroup
	errs := make([]error, people)
	for i, who := range actors {
		wg.Go(func() {
			dir := []*directory.Service{one, two}[i%2]
			_, errs[i] = dir.RequestVerification(context.WithoutCancel(t.Context()), by(who), "email", "203.0.113.7/32")
		})
	}
	wg.Wait()
	limited := 0
	for _, err := range errs {
		if err != nil {
			requireLimited(t, err, "30 codes an hour", time.Hour)
			limited++
		}
	}
	require.Equal(t, people-30, limited)
	_, err := one.RequestVerification(t.Context(), by(b.patient), "email", "203.0.113.8/32")
	require.NoError(t, err, "another network")
}

func TestRequestVerification_StoresOnlyAKeyedHashOfTheCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	set(t, dir, b.patient, "sms", "+491713920007")
	_, err := dir.RequestVerification(t.Context(), by(b.patient), "sms", "203.0.113.7/32")
	require.NoError(t, err)
	var rows int
	var all string
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*), string_agg(l::text || encode(key, 'escape'), ' ') FROM verification_limits AS l`).Scan(&rows, &all))
	require.Equal(t, 3, rows)
	for _, secret := range []string{"203.0.113", "1713920007", b.patient.UserID.String()} {
		require.NotContains(t, all, secret)
	}
	var unkeyed int
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM verification_limits WHERE key = sha256('caller 203.0.113.7/32')`).Scan(&unkeyed))
	require.Zero(t, unkeyed)
}

func TestSweep_DeletesLimitsThatHaveEnded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	_, err := dir.RequestVerification(t.Context(), by(b.patient), "email", "203.0.113.7/32")
	require.NoError(t, err)
	left := func() (n int) {
		_, err := dir.Sweep(t.Context())
		require.NoError(t, err)
		require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT count(*) FROM verification_limits`).Scan(&n))
		return n
	}
	require.Equal(t, 3, left())
	b.Exec(t, `UPDATE verification_limits SET window_at = now() - interval '61 minutes'`)
	require.Zero(t, left())
}

// issued requests a code for the person's email address, and returns the code of the message and what
// is stored of it.
func (b *testBundle) issued(t *testing.T, dir *directory.Service, who care.Actor) (code string, stored []byte) {
	t.Helper()
	b.waited(t)
	_, err := dir.RequestVerification(t.Context(), by(who), "email", "")
	require.NoError(t, err)
	var id uuid.UUID
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT id FROM contact_verifications WHERE user_id = $1`, who.UserID).Scan(&id))
	_, code, err = directory.NewSecrets(b.db.Worker).Issue(t.Context(), "email", "contact_verification/"+id.String(), who.UserID)
	require.NoError(t, err)
	require.Len(t, code, 6)
	require.NoError(t, b.db.Owner.QueryRow(t.Context(), `SELECT digest FROM contact_verifications WHERE id = $1`, id).Scan(&stored))
	return code, stored
}

func TestSecrets_StoreOnlyADigestOfTheCode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir, _ := b.textable()
	code, stored := b.issued(t, dir, b.patient)
	require.Len(t, stored, sha256.Size)
	require.NotContains(t, string(stored), code)
	fast := sha256.Sum256([]byte(code))
	require.NotEqual(t, fast[:], stored, "a million codes are hashed in a second")
}
