package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// sesRequest is the supported part of SendEmail's body. Names match case-insensitively; unknown
// members are ignored, as in SES.
type sesRequest struct {
	FromEmailAddress string
	ReplyToAddresses []string
	Destination      struct {
		ToAddresses, CcAddresses, BccAddresses []string
	}
	Content struct {
		Simple *struct {
			Subject struct{ Data string }
			Body    struct {
				Text, HTML sesContent
			}
			Headers []struct{ Name, Value string }
		}
	}
	EmailTags []struct{ Name, Value string }
}

type sesContent struct{ Data string }

// sesSendEmail implements POST /v2/email/outbound-emails.
// https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html
func (s *Sandbox) sesSendEmail(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code string, f *Fault) {
		if code == "" {
			code = sesByStatus[status]
		}
		if status == 0 {
			status = sesErrors[code].status
		}
		retryAfter(w, f)
		sesError(w, status, code)
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		fail(http.StatusForbidden, "MissingAuthenticationTokenException", nil)
		return
	}
	var req sesRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 10<<20)).Decode(&req); err != nil {
		fail(http.StatusBadRequest, "SerializationException", nil)
		return
	}
	if req.Content.Simple == nil || req.FromEmailAddress == "" || len(req.Destination.ToAddresses) != 1 ||
		!strings.Contains(req.Destination.ToAddresses[0], "@") {
		fail(http.StatusBadRequest, "BadRequestException", nil)
		return
	}
	m := Message{
		Provider: sesProvider(r), Channel: "email", To: req.Destination.ToAddresses[0], Subject: req.Content.Simple.Subject.Data,
		Body: req.Content.Simple.Body.Text.Data, HTML: req.Content.Simple.Body.HTML.Data,
		From: req.FromEmailAddress, ReplyTo: strings.Join(req.ReplyToAddresses, ", "),
	}
	for _, h := range req.Content.Simple.Headers {
		if m.Headers == nil {
			m.Headers = map[string]string{}
		}
		m.Headers[h.Name] = h.Value
	}
	for _, tag := range req.EmailTags {
		if tag.Name == "delivery_id" {
			m.DeliveryID = tag.Value
		}
	}
	id, ok := s.receive(r, m, fail)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"MessageId": sesMessageID(id)})
}

// sesProvider returns the provider that the request is for, by the region in its signature.
func sesProvider(r *http.Request) string {
	if strings.Contains(r.Header.Get("Authorization"), "/eu-") {
		return providerSESEU
	}
	return providerSES
}

// sesMessageID returns SES's id of the message.
func sesMessageID(id int64) string { return fmt.Sprintf("%016x-sandbox-%06d", id, id) }

func sesError(w http.ResponseWriter, status int, code string) {
	if code != "" {
		w.Header().Set("x-amzn-ErrorType", code)
	}
	writeJSON(w, status, map[string]string{"message": "A fault of the sandbox rejected this request."})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{}`)
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
