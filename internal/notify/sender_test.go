package notify_test

import (
	"net/mail"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/notify"
)

func TestEmailSender_HasTheNameOfTheBrandAndTheAddressOfTheSetting(t *testing.T) {
	t.Parallel()
	require.Equal(t, "care@clinic.example", notify.EmailSender("care@clinic.example", ""))
	require.Equal(t, "Care <care@clinic.example>", notify.EmailSender("Care <care@clinic.example>", ""))
	for _, name := range []string{"Your care team", "Praxis für alle", "فريق الرعاية", `A "quoted", <odd> name`, "a\r\nBcc: x@y.example"} {
		sender := notify.EmailSender("Care <care@clinic.example>", name)
		require.NotContains(t, sender, "\n")
		parsed, err := mail.ParseAddress(sender)
		require.NoError(t, err, sender)
		require.Equal(t, "care@clinic.example", parsed.Address)
	}
}
