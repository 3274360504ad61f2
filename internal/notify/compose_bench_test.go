package notify

import (
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/notify/link"
	"carewire/internal/postgres/db"
)

// BenchmarkCompose measures the composition of a message from a claimed delivery, with its link.
func BenchmarkCompose(b *testing.B) {
	logger := slog.New(slog.DiscardHandler)
	links, err := link.New(make([]byte, 32), "https://clinic.example")
	require.NoError(b, err)
	for _, channel := range care.BuiltinChannels.Names() {
		b.Run(channel, func(b *testing.B) {
			p, err := NewProvider(ProviderConfig{Name: "none", Notifier: unused{}, Logger: logger})
			require.NoError(b, err)
			w, err := New(Config{Pool: &pgxpool.Pool{}, Logger: logger, Channels: map[string][]*Provider{channel: {p}}, Links: links})
			require.NoError(b, err)
			kind, _ := w.cfg.Known.Lookup(channel)
			now := time.Now()
			a := &attempt{kind: kind, DeliveryClaimRow: db.DeliveryClaimRow{
				ID: uuid.New(), NotificationID: uuid.New(), RecipientID: uuid.New(), Channel: channel, Priority: "normal", Template: "clinical",
				EventType: "ehr.lab_report.created", Category: "clinical", Address: "paula@mail.example", Contact: "verified", Locale: "de-AT", Active: true,
				EventAt: &now, EventData: []byte(`{}`), ClinicZone: "Europe/Vienna", TimeZone: "Europe/Vienna",
				DeviceIds: []uuid.UUID{uuid.New()}, DeviceTokens: []string{"token"}, DevicePlatforms: []string{"android"},
			}}
			b.ReportAllocs()
			for b.Loop() {
				if _, unsent := w.compose(b.Context(), a); unsent != nil {
					b.Fatal(unsent.code)
				}
			}
		})
	}
}

// unused is a Notifier that nothing calls.
type unused struct{ Notifier }
