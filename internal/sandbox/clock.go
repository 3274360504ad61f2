package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// maxAdvance bounds one step of the clock, so that a typing error does not end the demo.
const maxAdvance = 400 * 24 * time.Hour

// maxClock is the maximum size of a clock's JSON, in bytes.
const maxClock = 4 << 10

// clockAnswer is the time by which it is decided what is due.
type clockAnswer struct {
	// Now is RFC 3339, in UTC.
	Now time.Time `json:"now"`
}

// Clock connects the clock of what is due later. advance moves it ahead and returns its time; 0 only
// reads it. Call Clock before serving the sandbox.
func (s *Sandbox) Clock(advance func(ctx context.Context, by time.Duration) (time.Time, error)) {
	s.clock = advance
}

func (s *Sandbox) showClock(w http.ResponseWriter, r *http.Request) { s.moveClock(w, r, 0) }

// advanceClock implements POST /sandbox/clock: {"advance": "23h"}.
func (s *Sandbox) advanceClock(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Advance string `json:"advance"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxClock))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil || dec.More() {
		problem(w, http.StatusBadRequest, "the request has an invalid value", "advance", `the body must be one JSON object such as {"advance": "23h"}`)
		return
	}
	by, err := time.ParseDuration(in.Advance)
	switch {
	case err != nil:
		problem(w, http.StatusBadRequest, "the request has an invalid value", "advance", "must be a duration with its unit, such as 23h or 90m")
	case by < 0:
		problem(w, http.StatusBadRequest, "the request has an invalid value", "advance", "must not be negative: the clock only moves ahead")
	case by > maxAdvance:
		problem(w, http.StatusBadRequest, "the request has an invalid value", "advance", "must be at most 9600h")
	default:
		s.moveClock(w, r, by)
	}
}

func (s *Sandbox) moveClock(w http.ResponseWriter, r *http.Request, by time.Duration) {
	if s.clock == nil {
		problem(w, http.StatusNotFound, "this sandbox has no clock", "", "")
		return
	}
	now, err := s.clock(r.Context(), by)
	if err != nil {
		problem(w, http.StatusServiceUnavailable, "the clock cannot be moved now", "", "")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, http.StatusOK, clockAnswer{Now: now.UTC()})
}
