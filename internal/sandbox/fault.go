package sandbox

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault makes the sandbox fail. The first fault that matches a request is applied. A fault with
// only DelayMs delays a successful response.
type Fault struct {
	ID int64 `json:"id"`
	// Channel ("email", "push", "sms", "whatsapp") or Provider ("ses", "ses-eu", "fcm", "aws-sms", "twilio",
	// "whatsapp") restricts the fault; without them it applies to all.
	Channel  string `json:"channel,omitempty"`
	Provider string `json:"provider,omitempty"`
	// To is the address or device token; empty matches any.
	To string `json:"to,omitempty"`
	// Status and ErrorCode are the response; each has a default derived from the other. An ErrorCode
	// without a status applies to the providers that have it.
	Status    int    `json:"status,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"`
	// RetryAfterSeconds is the value of the Retry-After header.
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
	// DelayMs is the delay before the response, in milliseconds.
	DelayMs int `json:"delayMs,omitempty"`
	// Hang reads the request and never responds. AcceptThenHang stores the message and never responds.
	Hang           bool `json:"hang,omitempty"`
	AcceptThenHang bool `json:"acceptThenHang,omitempty"`
	// Probability is the probability that the fault is applied, 0 to 1; it defaults to 1.
	Probability *float64 `json:"probability,omitempty"`
	// Count is how often the fault is applied; 0 means until it is cleared. Left is how often it will
	// still be applied.
	Count int `json:"count,omitempty"`
	Left  int `json:"left,omitempty"`
}

// The names of the providers.
const (
	providerSES      = "ses"
	providerSESEU    = "ses-eu" // SES in a region of the EU, the second email provider of the demo.
	providerFCM      = "fcm"
	providerSMS      = "aws-sms"
	providerTwilio   = "twilio"
	providerWhatsApp = "whatsapp"
)

// providerErrors has the error codes of each provider.
var providerErrors = map[string]map[string]providerError{
	providerSES: sesErrors, providerSESEU: sesErrors, providerFCM: fcmErrors, providerSMS: smsErrors, providerTwilio: twilioErrors, providerWhatsApp: whatsAppErrors,
}

// providerError describes an error response of a provider.
type providerError struct {
	status int
	// grpc is FCM's canonical status.
	grpc string
	// exception is the AWS exception that has this reason.
	exception string
	// text is the message of an error that has a number as its code.
	text string
}

// The documented errors of the providers.
var (
	sesErrors = map[string]providerError{
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
	fcmErrors = map[string]providerError{
		"INVALID_ARGUMENT":       {status: http.StatusBadRequest, grpc: "INVALID_ARGUMENT"},
		"UNREGISTERED":           {status: http.StatusNotFound, grpc: "NOT_FOUND"},
		"SENDER_ID_MISMATCH":     {status: http.StatusForbidden, grpc: "PERMISSION_DENIED"},
		"QUOTA_EXCEEDED":         {status: http.StatusTooManyRequests, grpc: "RESOURCE_EXHAUSTED"},
		"THIRD_PARTY_AUTH_ERROR": {status: http.StatusUnauthorized, grpc: "UNAUTHENTICATED"},
		"UNAVAILABLE":            {status: http.StatusServiceUnavailable, grpc: "UNAVAILABLE"},
		"INTERNAL":               {status: http.StatusInternalServerError, grpc: "INTERNAL"},
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

// AddFault validates the fault and adds it after the existing ones. The error names the invalid
// field.
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

// ClearFaults removes all faults.
func (s *Sandbox) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults returns the active faults in order.
func (s *Sandbox) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]Fault, 0, len(s.faults))
	for _, f := range s.faults {
		all = append(all, *f)
	}
	return all
}

// fieldError is the error of one field.
type fieldError struct{ field, message string }

func (e *fieldError) Error() string { return e.field + ": " + e.message }

func (f Fault) validate() error {
	providers := slices.Sorted(maps.Keys(providerErrors))
	switch {
	case f.Channel != "" && !slices.Contains(channels, f.Channel):
		return &fieldError{"channel", "must be one of " + strings.Join(channels, ", ")}
	case f.Provider != "" && !slices.Contains(providers, f.Provider):
		return &fieldError{"provider", "must be one of " + strings.Join(providers, ", ")}
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return &fieldError{"status", "must be 400 to 599"}
	case f.ErrorCode != "" && f.Status == 0 && !f.knownCode():
		return &fieldError{"errorCode", "is unknown; add a status"}
	case f.RetryAfterSeconds < 0:
		return &fieldError{"retryAfterSeconds", "must not be negative"}
	case f.DelayMs < 0:
		return &fieldError{"delayMs", "must not be negative"}
	case f.Count < 0:
		return &fieldError{"count", "must not be negative"}
	case f.Probability != nil && (*f.Probability < 0 || *f.Probability > 1):
		return &fieldError{"probability", "must be 0 to 1"}
	case f.Status == 0 && f.ErrorCode == "" && f.DelayMs == 0 && !f.Hang && !f.AcceptThenHang:
		return &fieldError{"status", "one of status, errorCode, delayMs, hang and acceptThenHang is required"}
	}
	return nil
}

// knownCode reports whether a provider that the fault applies to has its code.
func (f Fault) knownCode() bool {
	for provider, codes := range providerErrors {
		if _, ok := codes[f.ErrorCode]; ok && (f.Provider == "" || f.Provider == provider) {
			return true
		}
	}
	return false
}

// fault returns the fault to apply to a message, or nil, and counts its use.
func (s *Sandbox) fault(m Message) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		other := (f.Channel != "" && f.Channel != m.Channel) || (f.Provider != "" && f.Provider != m.Provider)
		if _, known := providerErrors[m.Provider][f.ErrorCode]; f.ErrorCode != "" && f.Status == 0 && !known {
			other = true // Another provider's error.
		}
		if other || (f.To != "" && !strings.EqualFold(f.To, m.To)) {
			continue
		}
		if f.Probability != nil && rand.Float64() >= *f.Probability { //nolint:gosec // not security-relevant
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

// receive applies faults to a request with a valid message, and stores the message unless a fault
// prevents that. It reports whether to respond with success; fail writes a provider's error.
func (s *Sandbox) receive(r *http.Request, m Message, fail func(status int, code string, f *Fault)) (id int64, ok bool) {
	f := s.fault(m)
	if f == nil {
		return s.store(m), true
	}
	if f.DelayMs > 0 && !pause(r.Context(), time.Duration(f.DelayMs)*time.Millisecond) {
		return 0, false
	}
	switch {
	case f.AcceptThenHang:
		s.store(m)
		<-r.Context().Done()
		return 0, false
	case f.Hang:
		<-r.Context().Done()
		return 0, false
	case f.Status == 0 && f.ErrorCode == "":
		return s.store(m), true
	}
	fail(f.Status, f.ErrorCode, f)
	return 0, false
}

// pause waits for d. It returns false if the client disconnected in the meantime.
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

// retryAfter sets the Retry-After header of the fault.
func retryAfter(w http.ResponseWriter, f *Fault) {
	if f != nil && f.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(f.RetryAfterSeconds))
	}
}
