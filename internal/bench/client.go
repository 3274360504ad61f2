package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

const (
	patientEmail = "patient@demo.example"
	doctorEmail  = "doctor@demo.example"
	reportsPath  = "/api/ehr/lab-reports"
)

// cast has the demo people in the records.
type cast struct {
	patient, clinic, doctor uuid.UUID
	// token is the doctor's bearer token.
	token string
}

func (s *service) cast(ctx context.Context) (c cast, err error) {
	patientToken, err := s.tool(ctx, "token", "--as", patientEmail)
	if err != nil {
		return c, err
	}
	if c.token, err = s.tool(ctx, "token", "--as", doctorEmail); err != nil {
		return c, err
	}
	if c.patient, c.clinic, err = s.me(ctx, patientToken); err != nil {
		return c, err
	}
	c.doctor, _, err = s.me(ctx, c.token)
	return c, err
}

// me returns a demo person's ID and first clinic.
func (s *service) me(ctx context.Context, token string) (id, clinicID uuid.UUID, err error) {
	var me struct {
		ID          uuid.UUID
		Memberships []struct{ ClinicID uuid.UUID }
	}
	if err := s.get(ctx, "/api/me", token, &me); err != nil {
		return id, clinicID, err
	}
	if len(me.Memberships) == 0 {
		return id, clinicID, errors.New("unexpected response of /api/me")
	}
	return me.ID, me.Memberships[0].ClinicID, nil
}

func (s *service) get(ctx context.Context, path, token string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// report returns a lab report as the doctor would post it.
func (c cast) report() []byte {
	return fmt.Appendf(nil, `{"patientId":%q,"clinicId":%q,"status":"final","code":{"system":"http://loinc.org","code":"24323-8",`+
		`"display":"Comprehensive metabolic panel"},"effectiveAt":"2026-03-14T09:30:00Z","results":[{"code":{"system":"http://loinc.org",`+
		`"code":"2823-3","display":"Potassium"},"value":4.1,"unit":"mmol/L","interpretation":"N"}]}`, c.patient, c.clinic)
}

// post creates one lab report and returns its ID.
func (s *service) post(ctx context.Context, token string, body []byte) (string, error) {
	header, err := s.send(ctx, token, reportsPath, body, http.StatusCreated)
	return strings.TrimPrefix(header.Get("Location"), reportsPath+"/"), err
}

// send posts a body, which may be empty, with pairs of further headers, and returns the headers of the
// response. It returns an error for another status than want.
func (s *service) send(ctx context.Context, token, path string, body []byte, want int, headers ...string) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != want {
		err = fmt.Errorf("POST %s: %s: %s", path, res.Status, answer)
	}
	return res.Header, err
}
