package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault makes the sandbox answer badly. The first fault that matches a request is applied; one with nothing but DelayMs
// answers late but well.
type Fault struct {
	ID int64 `json:"id"`
	// Channel ("email", "push") or Provider ("ses", "fcm") say where; neither means everywhere.
	Channel  string `json:"channel,omitempty"`
	Provider string `json:"provider,omitempty"`
	// To is the address or device token; empty means any.
	To string `json:"to,omitempty"`
	// Status and ErrorCode are the answer; either follows from the other.
	Status    int    `json:"status,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"`
	// RetryAfterSeconds is sent as the Retry-After header.
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
	// DelayMs passes before anything else, in milliseconds.
	DelayMs int `json:"delayMs,omitempty"`
	// Hang reads the request and never answers. AcceptThenHang delivers the message, and never answers.
	Hang           bool `json:"hang,omitempty"`
	AcceptThenHang bool `json:"acceptThenHang,omitempty"`
	// Probability of being applied, 0 to 1; left out it is 1.
	Probability *float64 `json:"probability,omitempty"`
	// Count is how many times it is applied; 0 means until it is cleared. Left tells how many are left of it.
	Count int `json:"count,omitempty"`
	Left  int `json:"left,omitempty"`
}

// providerOf names the provider behind a channel.
var providerOf = map[string]string{"email": "ses", "push": "fcm"}

// answer is the form of a provider's error.
type answer struct {
	status int
	// grpc is FCM's canonical status.
	grpc string
}

// The errors the stand-ins know, as the providers document them.
var (
	sesErrors = map[string]answer{
		"MessageRejected":                    {status: http.StatusBadRequest},
		"MailFromDomainNotVerifiedException": {status: http.StatusBadRequest},
		"AccountSuspendedException":          {status: http.StatusBadRequest},
		"SendingPausedException":             {status: http.StatusBadRequest},
		"LimitExceededException":             {status: http.StatusBadRequest},
		"BadRequestException":                {status: http.StatusBadRequest},
		"NotFoundException":                  {status: http.StatusNotFound},
		"TooManyRequestsException":           {status: http.StatusTooManyRequests},
		"InternalServiceErrorException":      {status: http.StatusInternalServerError},
		"ServiceUnavailable":                 {status: http.StatusServiceUnavailable},
	}
	fcmErrors = map[string]answer{
		"INVALID_ARGUMENT":       {http.StatusBadRequest, "INVALID_ARGUMENT"},
		"UNREGISTERED":           {http.StatusNotFound, "NOT_FOUND"},
		"SENDER_ID_MISMATCH":     {http.StatusForbidden, "PERMISSION_DENIED"},
		"QUOTA_EXCEEDED":         {http.StatusTooManyRequests, "RESOURCE_EXHAUSTED"},
		"THIRD_PARTY_AUTH_ERROR": {http.StatusUnauthorized, "UNAUTHENTICATED"},
		"UNAVAILABLE":            {http.StatusServiceUnavailable, "UNAVAILABLE"},
		"INTERNAL":               {http.StatusInternalServerError, "INTERNAL"},
	}
	sesByStatus = map[int]string{
		http.StatusBadRequest: "BadRequestException", http.StatusNotFound: "NotFoundException",
		http.StatusTooManyRequests: "TooManyRequestsException", http.StatusInternalServerError: "InternalServiceErrorException",
		http.StatusServiceUnavailable: "ServiceUnavailable",
	}
	fcmByStatus = map[int]string{
		http.StatusBadRequest: "INVALID_ARGUMENT", http.StatusUnauthorized: "THIRD_PARTY_AUTH_ERROR",
		http.StatusForbidden: "SENDER_ID_MISMATCH", http.StatusNotFound: "UNREGISTERED",
		http.StatusTooManyRequests: "QUOTA_EXCEEDED", http.StatusInternalServerError: "INTERNAL",
		http.StatusServiceUnavailable: "UNAVAILABLE",
	}
)

// AddFault checks the fault and puts it in force, behind those that are. The error names the field at fault.
func (s *Sandbox) AddFault(f Fault) (Fault, error) {
	if err := f.validate(); err != nil {
		return Fault{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastFlt++
	f.ID, f.Left = s.lastFlt, f.Count
	s.faults = append(s.faults, &f)
	return f, nil
}

// ClearFaults makes all well again.
func (s *Sandbox) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults gives those in force, in their order.
func (s *Sandbox) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		all = append(all, *f)
	}
	return all
}

// fieldError is what is wrong with one field.
type fieldError struct{ field, message string }

func (e *fieldError) Error() string { return e.field + ": " + e.message }

func (f Fault) validate() error {
	code := func() bool {
		_, ses := sesErrors[f.ErrorCode]
		_, fcm := fcmErrors[f.ErrorCode]
		return ses || fcm
	}
	switch {
	case f.Channel != "" && !slices.Contains(channels, f.Channel):
		return &fieldError{"channel", "must be one of " + strings.Join(channels, ", ")}
	case f.Provider != "" && f.Provider != "ses" && f.Provider != "fcm":
		return &fieldError{"provider", "must be ses or fcm"}
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return &fieldError{"status", "must be 400 to 599"}
	case f.ErrorCode != "" && f.Status == 0 && !code():
		return &fieldError{"errorCode", "is not one that the stand-ins know; give a status besides"}
	case f.RetryAfterSeconds < 0:
		return &fieldError{"retryAfterSeconds", "must not be negative"}
	case f.DelayMs < 0:
		return &fieldError{"delayMs", "must not be negative"}
	case f.Count < 0:
		return &fieldError{"count", "must not be negative"}
	case f.Probability != nil && (*f.Probability < 0 || *f.Probability > 1):
		return &fieldError{"probability", "must be 0 to 1"}
	case f.Status == 0 && f.ErrorCode == "" && f.DelayMs == 0 && !f.Hang && !f.AcceptThenHang:
		return &fieldError{"status", "say what goes wrong: status, errorCode, delayMs, hang or acceptThenHang"}
	}
	return nil
}

// fault takes the one to apply to a request, if any.
func (s *Sandbox) fault(channel, to string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		elsewhere := (f.Channel != "" && f.Channel != channel) || (f.Provider != "" && f.Provider != providerOf[channel])
		if elsewhere || (f.To != "" && !strings.EqualFold(f.To, to)) {
			continue
		}
		if f.Probability != nil && rand.Float64() >= *f.Probability { //nolint:gosec // a stand-in's bad luck
			continue
		}
		taken := *f
		if f.Count > 0 {
			if f.Left--; f.Left == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return &taken
	}
	return nil
}

// receive applies faults to a request with a valid message, and keeps the message unless a fault forbids. It reports
// whether an answer of success is due; fail writes a provider's error.
func (s *Sandbox) receive(r *http.Request, m Message, fail func(status int, code string, f *Fault)) (id int64, ok bool) {
	f := s.fault(m.Channel, m.To)
	if f == nil {
		return s.keep(m), true
	}
	if f.DelayMs > 0 && !pause(r.Context(), time.Duration(f.DelayMs)*time.Millisecond) {
		return 0, false
	}
	switch {
	case f.AcceptThenHang:
		s.keep(m)
		<-r.Context().Done()
		return 0, false
	case f.Hang:
		<-r.Context().Done()
		return 0, false
	case f.Status == 0 && f.ErrorCode == "":
		return s.keep(m), true
	}
	fail(f.Status, f.ErrorCode, f)
	return 0, false
}

// pause waits, and reports false when the client went away meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// retryAfter sets the header that the fault asks for.
func retryAfter(w http.ResponseWriter, f *Fault) {
	if f != nil && f.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(f.RetryAfterSeconds))
	}
}
