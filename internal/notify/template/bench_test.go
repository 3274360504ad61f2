package template_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify/template"
)

// BenchmarkDefault measures loading the built-in set with all its checks.
func BenchmarkDefault(b *testing.B) {
	for b.Loop() {
		_, err := template.Parse(template.Source(), template.Options{})
		require.NoError(b, err)
	}
}

// BenchmarkRender measures one message for each channel.
func BenchmarkRender(b *testing.B) {
	templates, err := template.Default()
	require.NoError(b, err)
	data := template.DataFor("ehr.lab_report.created", "normal", "https://clinic.example/l/q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRW", "Demo Clinic")
	for _, channel := range care.BuiltinChannels.Names() {
		b.Run(channel, func(b *testing.B) {
			for b.Loop() {
				_, err := templates.Render("clinical", channel, "de-AT", data)
				require.NoError(b, err)
			}
		})
	}
}
