package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"carewire/internal/sandbox"
)

const receiptCount = 20_000

// receipts measures how many delivery receipts a second are verified, stored and applied with their
// events: requests of WhatsApp with one status each.
func receipts(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	owner, err := s.pool(ctx, "")
	if err != nil {
		return nil, err
	}
	defer owner.Close()
	who, err := s.cast(ctx)
	if err != nil {
		return nil, err
	}
	if err := seedPatients(ctx, owner, who); err != nil {
		return nil, err
	}
	ids, err := sentWhatsApp(ctx, owner, receiptCount)
	if err != nil {
		return nil, err
	}
	p := newPoster(s)
	defer p.close()
	m := newMeter(ctx, owner, s)
	began := time.Now()
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, id := range ids {
		group.Go(func() error { return p.post(inGroup, p.whatsAppReceipt(id)) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	perSecond := float64(len(ids)) / time.Since(began).Seconds()
	progress("receipts: %.0f/s%s", perSecond, m.per(float64(len(ids))))
	var applied int
	if err := owner.QueryRow(ctx, `SELECT count(*) FROM deliveries WHERE state = 'delivered'`).Scan(&applied); err != nil {
		return nil, err
	}
	if applied != len(ids) {
		return nil, fmt.Errorf("%d of %d receipts were applied", applied, len(ids))
	}
	return []Measure{alone("receipts of WhatsApp applied", perSecond, "1/s")}, nil
}

// sentWhatsApp inserts WhatsApp messages that were sent, and returns the ids of their deliveries.
func sentWhatsApp(ctx context.Context, owner *pgxpool.Pool, n int) (ids []string, err error) {
	if err := queueMessages(ctx, owner, "whatsapp", n); err != nil {
		return nil, err
	}
	err = execAll(ctx, owner, []statement{
		{`DELETE FROM river.river_job WHERE kind = 'delivery'`, nil},
		{`UPDATE deliveries SET state = 'sent', attempt = 1, provider = 'whatsapp', provider_id = 'wamid.' || id, sent_at = now()`, nil},
		{`VACUUM ANALYZE deliveries, notifications`, nil},
	})
	if err != nil {
		return nil, err
	}
	err = owner.QueryRow(ctx, `SELECT array_agg(id::text) FROM deliveries`).Scan(&ids)
	return ids, err
}

// whatsAppReceipt returns the request of Meta's servers that reports a message as delivered.
func (p *poster) whatsAppReceipt(delivery string) []byte {
	body := fmt.Appendf(nil, `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"messaging_product":"whatsapp",`+
		`"statuses":[{"id":"wamid.%s","status":"delivered","timestamp":"%s","recipient_id":"491713920001","biz_opaque_callback_data":"%[1]s"}]}}]}]}`,
		delivery, strconv.FormatInt(time.Now().Unix(), 10))
	mac := hmac.New(sha256.New, []byte(sandbox.WhatsAppAppSecret))
	mac.Write(body)
	return p.request("/webhooks/whatsapp", "X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)), body)
}
