package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"carewire/internal/postgres"
)

// service is a running bin/carewire serve --demo.
type service struct {
	url, dataDir string
	cmd          *exec.Cmd
	output       *os.File
	client       *http.Client
}

// serve starts the service with the given roles in its own data directory and waits until it is ready.
func serve(ctx context.Context, dir, roles string, conns int) (*service, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	output, err := os.Create(filepath.Join(dir, "serve.log"))
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://" + addr, dataDir: filepath.Join(dir, "data"), output: output}
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: conns, MaxConnsPerHost: conns}, Timeout: 30 * time.Second}
	s.cmd = exec.CommandContext(ctx, "bin/carewire", "serve", "--demo", "--roles", roles)
	s.cmd.Env = append(os.Environ(), "DATABASE_URL=", "CAREWIRE_ADDR="+addr, "CAREWIRE_DATA_DIR="+s.dataDir, "CAREWIRE_RATE_LIMIT=1000000", "CAREWIRE_LOG_LEVEL=warn")
	s.cmd.Stdout, s.cmd.Stderr = output, output
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(syscall.SIGTERM) }
	s.cmd.WaitDelay = 30 * time.Second
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bin/carewire: %w", err)
	}
	for deadline := time.Now().Add(60 * time.Second); ; {
		if s.ready(ctx) {
			return s, nil
		}
		if time.Now().After(deadline) {
			s.stop()
			log, _ := os.ReadFile(output.Name())
			return nil, fmt.Errorf("the service did not become ready:\n%s", log)
		}
		wait(ctx, 20*time.Millisecond)
	}
}

func (s *service) ready(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
	if err != nil {
		return false
	}
	res, err := s.client.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (s *service) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
	_ = s.output.Close()
}

// databaseURL is the owner's URL of the service's embedded database.
func (s *service) databaseURL() (string, error) { return postgres.RunningURL(s.dataDir) }

// token is a bearer token of a demo person.
func (s *service) token(ctx context.Context, email string) (string, error) {
	cmd := exec.CommandContext(ctx, "bin/carewire", "token", "--as", email)
	cmd.Env = append(os.Environ(), "CAREWIRE_DATA_DIR="+s.dataDir)
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// me is a demo person's id and first clinic.
func (s *service) me(ctx context.Context, token string) (id, clinicID string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/me", nil)
	if err != nil {
		return "", "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = res.Body.Close() }()
	var me struct {
		ID          string
		Memberships []struct{ ClinicID string }
	}
	if err := json.NewDecoder(res.Body).Decode(&me); err != nil || len(me.Memberships) == 0 {
		return "", "", errors.Join(errors.New("unexpected answer of /api/me"), err)
	}
	return me.ID, me.Memberships[0].ClinicID, nil
}

// report is a lab report as the doctor would post it.
func (s *service) report(ctx context.Context) (token string, body []byte, err error) {
	patient, err := s.token(ctx, "patient@demo.example")
	if err != nil {
		return "", nil, err
	}
	doctor, err := s.token(ctx, "doctor@demo.example")
	if err != nil {
		return "", nil, err
	}
	patientID, clinicID, err := s.me(ctx, patient)
	if err != nil {
		return "", nil, err
	}
	return doctor, fmt.Appendf(nil, `{"patientId":%q,"clinicId":%q,"status":"final","code":{"system":"http://loinc.org","code":"24323-8",`+
		`"display":"Comprehensive metabolic panel"},"effectiveAt":"2026-03-14T09:30:00Z","results":[{"code":{"system":"http://loinc.org",`+
		`"code":"2823-3","display":"Potassium"},"value":4.1,"unit":"mmol/L","interpretation":"N"}]}`, patientID, clinicID), nil
}

// post writes one lab report and gives its id.
func (s *service) post(ctx context.Context, token string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/api/ehr/lab-reports", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("POST lab report: %s: %s", res.Status, answer)
	}
	return strings.TrimPrefix(res.Header.Get("Location"), "/api/ehr/lab-reports/"), nil
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// wait pauses, but not longer than ctx lasts.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
