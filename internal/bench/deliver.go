package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"carewire/internal/postgres"
	"carewire/internal/sandbox"
)

const (
	deliveries     = 10_000
	deliverRounds  = 2
	deliverTimeout = time.Minute
	// floorWorkers and floorCooldown are the settings of the floor, which the service had too. It has
	// twice of both now; the floor keeps them, so that its ratio stays comparable.
	floorWorkers  = 32
	floorCooldown = 5 * time.Millisecond
)

// deliverChannels are the channels that are measured.
var deliverChannels = []string{"email", "sms", "whatsapp", "push"}

// deliver measures how many messages a second the work role takes from each channel's queue, sends
// through the real clients to a provider that responds immediately, and settles with their events.
// The floor is the rate of River's jobs that do nothing.
func deliver(ctx context.Context, dir string) ([]Measure, error) {
	s, err := serveDemo(ctx, dir, "api")
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var calls atomic.Int64
	provider, closeProvider, err := stubProvider(ctx, &calls)
	if err != nil {
		return nil, err
	}
	defer closeProvider()
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
	// Not in demo mode, where the sandbox stores every message. There are no logins, so the identity
	// provider need not exist.
	file, err := writeProviders(dir, provider)
	if err != nil {
		return nil, err
	}
	worker, err := s.beside(ctx, []string{"--roles", "work"}, "CAREWIRE_OIDC_ISSUER=http://127.0.0.1:1", "CAREWIRE_PROVIDERS="+file, "BENCH_SECRET=bench")
	if err != nil {
		return nil, err
	}
	defer worker.stop()
	rates, costs := make([]float64, len(deliverChannels)), make([]Cost, len(deliverChannels))
	var floorRate float64
	for range deliverRounds {
		f, err := nothingRate(ctx, s, owner)
		if err != nil {
			return nil, fmt.Errorf("floor: %w", err)
		}
		floorRate += f / deliverRounds
		for i, channel := range deliverChannels {
			rate, cost, err := deliveryRate(ctx, owner, worker, channel, &calls)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", channel, err)
			}
			rates[i] += rate / deliverRounds
			costs[i] = cost // That of the last round, in which the caches are full.
		}
	}
	var all []Measure
	for i, channel := range deliverChannels {
		all = append(all, beside("messages sent by "+channel+", beside empty jobs", rates[i], "1/s", floorRate).costing(costs[i]))
	}
	return all, nil
}

// writeProviders writes a provider file in which the providers of all channels have the URL.
func writeProviders(dir, url string) (file string, err error) {
	account, err := sandbox.New().ServiceAccount("bench", url)
	if err != nil {
		return "", err
	}
	key := filepath.Join(dir, "firebase.json")
	if err := os.WriteFile(key, account, 0o600); err != nil {
		return "", err
	}
	const aws = "region: us-east-1, accessKeyId: {env: BENCH_SECRET}, secretAccessKey: {env: BENCH_SECRET}"
	text := fmt.Sprintf(`email: [{name: ses, kind: ses, from: bench@bench.example, endpoint: "%s", %s}]
sms: [{name: aws-sms, kind: aws-sms, origination: BENCH, endpoint: "%[1]s", %[2]s}]
whatsapp: [{name: whatsapp, kind: whatsapp, phoneNumberId: "1", endpoint: "%[1]s", token: {env: BENCH_SECRET}}]
push: [{name: fcm, kind: fcm, project: bench, endpoint: "%[1]s", credentials: {file: %[3]q}}]
`, url, aws, key)
	file = filepath.Join(dir, "providers.yaml")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// stubProvider serves Google's token endpoint and the providers' send requests, which it counts. Its
// answer has the fields of all of them.
func stubProvider(ctx context.Context, calls *atomic.Int64) (url string, stop func(), err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path != "/token" {
			calls.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"MessageId":"bench","messages":[{"id":"bench"}],"name":"projects/bench/messages/1","access_token":"bench","token_type":"Bearer","expires_in":3600}`)
	})}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// deliveryRate queues messages and waits until each is settled as sent. It returns the rate and the
// cost of a message.
func deliveryRate(ctx context.Context, owner *pgxpool.Pool, worker *service, channel string, calls *atomic.Int64) (perSecond float64, cost Cost, err error) {
	calls.Store(0)
	if err := queueMessages(ctx, owner, channel, deliveries); err != nil {
		return 0, cost, err
	}
	m := newMeter(ctx, owner, worker)
	began := time.Now()
	for open := true; open; wait(ctx, 5*time.Millisecond) {
		if time.Since(began) > deliverTimeout {
			return 0, cost, fmt.Errorf("%d of %d messages were sent in a minute", calls.Load(), deliveries)
		}
		// Query the database only after all were sent, to avoid more load on it.
		if calls.Load() < deliveries && ctx.Err() == nil {
			continue
		}
		if err := owner.QueryRow(ctx, "SELECT EXISTS (SELECT FROM deliveries WHERE state = 'queued')").Scan(&open); err != nil {
			return 0, cost, err
		}
	}
	perSecond, cost = deliveries/time.Since(began).Seconds(), m.per(deliveries)
	progress("%s: %.0f/s%s", channel, perSecond, cost)
	var lost int
	if err := owner.QueryRow(ctx, "SELECT count(*) FROM deliveries WHERE state <> 'sent'").Scan(&lost); err != nil {
		return 0, cost, err
	}
	if lost > 0 {
		return 0, cost, fmt.Errorf("%d messages were not sent", lost)
	}
	return perSecond, cost, nil
}

// nothing is a job that does nothing.
type nothing struct {
	DeliveryID string `json:"deliveryId"`
}

// Kind returns River's name of the job.
func (nothing) Kind() string { return "nothing" }

// nothingRate works the same number of jobs that do nothing.
func nothingRate(ctx context.Context, s *service, owner *pgxpool.Pool) (float64, error) {
	pool, err := s.pool(ctx, postgres.Worker)
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[nothing]) error { return nil }))
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: "river", Workers: workers, Queues: map[string]river.QueueConfig{"nothing": {MaxWorkers: floorWorkers}},
		FetchCooldown: floorCooldown, FetchPollInterval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		ReindexerSchedule: river.NeverSchedule(),
	})
	if err != nil {
		return 0, err
	}
	completed, unsubscribe := client.SubscribeConfig(&river.SubscribeConfig{Kinds: []river.EventKind{river.EventKindJobCompleted}, ChanSize: deliveries})
	defer unsubscribe()
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return 0, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		_ = client.Stop(ctx)
	}()
	if err := queueNothing(ctx, owner, deliveries); err != nil {
		return 0, err
	}
	m := newMeter(ctx, owner)
	began := time.Now()
	if err := awaitJobs(ctx, completed); err != nil {
		return 0, err
	}
	perSecond := deliveries / time.Since(began).Seconds()
	progress("its floor: %.0f/s%s", perSecond, m.per(deliveries))
	return perSecond, nil
}

// awaitJobs waits until all jobs are completed.
func awaitJobs(ctx context.Context, completed <-chan *river.Event) error {
	deadline := time.After(deliverTimeout)
	for range deliveries {
		select {
		case <-completed:
		case <-deadline:
			return errors.New("the jobs were not completed in a minute")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
