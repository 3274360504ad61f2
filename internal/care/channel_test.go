package care_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestChannels_AreValidated(t *testing.T) {
	t.Parallel()
	teams := care.Channel{Name: "teams", Address: care.AddressEmail, Format: care.FormatText}
	require.NoError(t, care.BuiltinChannels.With(teams).Validate())
	for name, c := range map[string]care.Channel{
		`invalid channel name "Teams"`: {Name: "Teams", Address: care.AddressEmail, Format: care.FormatText},
		`invalid channel name ""`:      {Address: care.AddressEmail, Format: care.FormatText},
		`unknown address kind "fax"`:   {Name: "fax", Address: "fax", Format: care.FormatText},
		`unknown format ""`:            {Name: "fax", Address: care.AddressPhone},
	} {
		require.ErrorContains(t, care.BuiltinChannels.With(c).Validate(), name)
	}
	require.EqualError(t, care.Channels{teams, teams}.Validate(), `duplicate channel "teams"`)
}

func TestChannels_AreAddedOrReplacedByName(t *testing.T) {
	t.Parallel()
	silent := care.Channel{Name: care.ChannelSMS, Address: care.AddressPhone, Format: care.FormatText, RepeatSafe: true}
	all := care.BuiltinChannels.With(silent, care.Channel{Name: "teams"})
	require.Equal(t, []string{"email", "push", "sms", "whatsapp", "inapp", "teams"}, all.Names())
	found, ok := all.Lookup("sms")
	require.True(t, ok)
	require.True(t, found.RepeatSafe)
	builtin, _ := care.BuiltinChannels.Lookup("sms")
	require.False(t, builtin.RepeatSafe, "the list itself is unchanged")
	_, ok = all.Lookup("fax")
	require.False(t, ok)
	require.Equal(t, []string{"push", "teams"}, all.Named("teams", "push", "fax").Names())
}
