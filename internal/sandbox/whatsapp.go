package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// whatsAppErrors are the Cloud API's errors by code.
// https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
var whatsAppErrors = map[string]providerError{
	"4":      {status: http.StatusBadRequest, text: "API Too Many Calls"},
	"100":    {status: http.StatusBadRequest, text: "Invalid parameter"},
	"190":    {status: http.StatusUnauthorized, text: "Access token has expired"},
	"368":    {status: http.StatusForbidden, text: "Temporarily blocked for policies violations"},
	"80007":  {status: http.StatusBadRequest, text: "Rate limit issues"},
	"130429": {status: http.StatusBadRequest, text: "Rate limit hit"},
	"131000": {status: http.StatusInternalServerError, text: "Something went wrong"},
	"131008": {status: http.StatusBadRequest, text: "Required parameter is missing"},
	"131009": {status: http.StatusBadRequest, text: "Parameter value is not valid"},
	"131016": {status: http.StatusInternalServerError, text: "Service unavailable"},
	"131026": {status: http.StatusBadRequest, text: "Message undeliverable"},
	"131031": {status: http.StatusForbidden, text: "Account has been locked"},
	"131047": {status: http.StatusBadRequest, text: "Re-engagement message"},
	"131050": {status: http.StatusBadRequest, text: "User has stopped marketing messages"},
	"131056": {status: http.StatusBadRequest, text: "Pair rate limit hit"},
	"132000": {status: http.StatusBadRequest, text: "Template param count mismatch"},
	"132001": {status: http.StatusNotFound, text: "Template does not exist"},
	"132015": {status: http.StatusBadRequest, text: "Template is paused"},
}

var whatsAppByStatus = map[int]string{
	http.StatusBadRequest: "131009", http.StatusUnauthorized: "190", http.StatusForbidden: "131031", http.StatusNotFound: "132001",
	http.StatusTooManyRequests: "130429", http.StatusInternalServerError: "131000", http.StatusServiceUnavailable: "131016",
}

// whatsAppRequest is the supported part of a message: a template.
type whatsAppRequest struct {
	MessagingProduct string `json:"messaging_product"`
	To               string `json:"to"`
	Type             string `json:"type"`
	CallbackData     string `json:"biz_opaque_callback_data"`
	Template         struct {
		Name       string
		Language   struct{ Code string }
		Components []whatsAppComponent
	}
}

type whatsAppComponent struct {
	Type       string
	SubType    string `json:"sub_type"`
	Index      any    // A number, or a string with one.
	Parameters []struct{ Type, Text string }
}

var (
	whatsAppNameForm     = regexp.MustCompile(`^[a-z0-9_]{1,512}$`)
	whatsAppLanguageForm = regexp.MustCompile(`^[a-z]{2,3}(_[A-Z]{2,3})?$`)
	// whatsAppSpaces matches what Meta rejects in a variable: a line break, a tab, or five spaces.
	whatsAppSpaces = regexp.MustCompile(`[\r\n\t]| {5}`)
)

// whatsAppMaxData is the maximum length of biz_opaque_callback_data, in bytes.
const whatsAppMaxData = 512

// whatsAppSend implements POST /{version}/{phone_number_id}/messages.
// https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
func (s *Sandbox) whatsAppSend(w http.ResponseWriter, r *http.Request) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || token == "" {
		whatsAppError(w, 0, "190", "the access token is missing", nil)
		return
	}
	var req whatsAppRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&req); err != nil {
		whatsAppError(w, 0, "100", "the body is not a JSON object", nil)
		return
	}
	if code, details := req.invalid(); code != "" {
		whatsAppError(w, 0, code, details, nil)
		return
	}
	m := Message{
		Provider: providerWhatsApp, Channel: "whatsapp", To: req.To, From: r.PathValue("number"), DeliveryID: req.CallbackData,
		Template: req.Template.Name, Language: req.Template.Language.Code,
	}
	for _, c := range req.Template.Components {
		for _, p := range c.Parameters {
			if c.Type == "button" {
				m.Button = p.Text
			} else {
				m.Variables = append(m.Variables, p.Text)
			}
		}
	}
	id, ok := s.receive(r, m, func(status int, code string, f *Fault) { whatsAppError(w, status, code, "", f) })
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"messaging_product": "whatsapp",
		"contacts":          []any{map[string]string{"input": req.To, "wa_id": strings.TrimPrefix(req.To, "+")}},
		"messages":          []any{map[string]string{"id": whatsAppMessageID(id), "message_status": "accepted"}},
	})
}

// whatsAppMessageID returns the provider's id of the message.
func whatsAppMessageID(id int64) string {
	return "wamid." + base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "sandbox:%d", id))
}

// invalid returns the code and the details of the error for the request, or "".
func (r whatsAppRequest) invalid() (code, details string) {
	switch {
	case r.MessagingProduct != "whatsapp":
		return "100", "messaging_product must be whatsapp"
	case r.To == "":
		return "131008", "to is required"
	case !e164.MatchString("+" + strings.TrimPrefix(r.To, "+")):
		return "131009", "to is not a phone number"
	case r.Type != "template":
		return "131047", "a message outside of a conversation must be a template"
	case len(r.CallbackData) > whatsAppMaxData:
		return "100", "biz_opaque_callback_data is too long"
	case !whatsAppNameForm.MatchString(r.Template.Name):
		return "100", "template.name must be lower case letters, digits and underscores"
	case !whatsAppLanguageForm.MatchString(r.Template.Language.Code):
		return "132001", "template.language.code is not a language"
	}
	seen := map[string]bool{}
	for _, c := range r.Template.Components {
		if seen[c.Type] {
			return "100", "the component " + c.Type + " is repeated"
		}
		seen[c.Type] = true
		if code, details := c.invalid(); code != "" {
			return code, details
		}
	}
	return "", ""
}

func (c whatsAppComponent) invalid() (code, details string) {
	index, err := strconv.Atoi(fmt.Sprint(c.Index))
	switch {
	case c.Type != "body" && c.Type != "button" && c.Type != "header":
		return "100", "unknown component " + c.Type
	case c.Type == "button" && c.SubType != "url":
		return "100", "the sub_type of a button must be url"
	case c.Type == "button" && (err != nil || index < 0 || index > 9):
		return "100", "the index of a button must be 0 to 9"
	case c.Type == "button" && len(c.Parameters) != 1:
		return "132000", "a URL button has one parameter"
	case len(c.Parameters) == 0:
		return "131008", "the component " + c.Type + " has no parameters"
	}
	for _, p := range c.Parameters {
		switch {
		case p.Type != "text":
			return "132012", "the type of a parameter must be text"
		case p.Text == "":
			return "131008", "the text of a parameter is required"
		case whatsAppSpaces.MatchString(p.Text):
			return "132018", "a parameter must not have line breaks, tabs or more than four spaces in a row"
		}
	}
	return "", ""
}

func whatsAppError(w http.ResponseWriter, status int, code, details string, f *Fault) {
	if code == "" {
		code = whatsAppByStatus[status]
	}
	known, ok := whatsAppErrors[code]
	if status == 0 {
		status = http.StatusBadRequest
		if ok {
			status = known.status
		}
	}
	retryAfter(w, f)
	number, err := strconv.Atoi(code)
	if err != nil {
		number = 1 // Meta's unknown error.
	}
	if details == "" {
		details = "A fault of the sandbox rejected this request."
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"message": fmt.Sprintf("(#%d) %s", number, known.text), "type": "OAuthException", "code": number,
		"error_data": map[string]string{"messaging_product": "whatsapp", "details": details}, "fbtrace_id": "sandbox",
	}})
}
