package sandbox

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// twilioErrors are Twilio's errors by code.
// https://www.twilio.com/docs/api/errors
var twilioErrors = map[string]providerError{
	"20001": {status: http.StatusBadRequest, text: "Invalid parameter"},
	"20003": {status: http.StatusUnauthorized, text: "Authenticate"},
	"20404": {status: http.StatusNotFound, text: "The requested resource was not found"},
	"20429": {status: http.StatusTooManyRequests, text: "Too Many Requests"},
	"20500": {status: http.StatusInternalServerError, text: "Internal Server Error"},
	"20503": {status: http.StatusServiceUnavailable, text: "Service Unavailable"},
	"21211": {status: http.StatusBadRequest, text: "Invalid 'To' Phone Number"},
	"21408": {status: http.StatusBadRequest, text: "Permission to send an SMS has not been enabled for the region"},
	"21602": {status: http.StatusBadRequest, text: "Message body is required"},
	"21603": {status: http.StatusBadRequest, text: "A 'From' phone number is required"},
	"21604": {status: http.StatusBadRequest, text: "A 'To' phone number is required"},
	"21606": {status: http.StatusBadRequest, text: "The 'From' phone number is not a valid sender"},
	"21609": {status: http.StatusBadRequest, text: "The 'StatusCallback' URL is not valid"},
	"21610": {status: http.StatusBadRequest, text: "Attempt to send to unsubscribed recipient"},
	"21614": {status: http.StatusBadRequest, text: "'To' number is not a valid mobile number"},
	"21617": {status: http.StatusBadRequest, text: "The concatenated message body exceeds the 1600 character limit"},
	"30001": {status: http.StatusTooManyRequests, text: "Queue overflow"},
	"30002": {status: http.StatusForbidden, text: "Account suspended"},
}

var twilioByStatus = map[int]string{
	http.StatusBadRequest: "20001", http.StatusUnauthorized: "20003", http.StatusForbidden: "30002", http.StatusNotFound: "20404",
	http.StatusTooManyRequests: "20429", http.StatusInternalServerError: "20500", http.StatusServiceUnavailable: "20503",
}

// twilioSIDForm matches the ID of an account.
var twilioSIDForm = regexp.MustCompile(`^AC[0-9a-f]{32}$`)

// twilioSend implements POST /2010-04-01/Accounts/{sid}/Messages.json.
// https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource
func (s *Sandbox) twilioSend(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code string, f *Fault) { twilioError(w, status, code, f) }
	account := r.PathValue("sid")
	user, secret, ok := r.BasicAuth()
	// The user is the account, or an API key that begins with SK.
	if !ok || secret == "" || (user != account && !strings.HasPrefix(user, "SK")) {
		fail(0, "20003", nil)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if !twilioSIDForm.MatchString(account) {
		fail(0, "20404", nil)
		return
	}
	if r.ParseForm() != nil {
		fail(0, "20001", nil)
		return
	}
	form := r.PostForm
	if code := twilioInvalid(form); code != "" {
		fail(0, code, nil)
		return
	}
	from, callback := form.Get("From"), form.Get("StatusCallback")
	if from == "" {
		from = form.Get("MessagingServiceSid")
	}
	m := Message{
		Provider: providerTwilio, Channel: "sms", To: form.Get("To"), From: from, Body: form.Get("Body"),
		DeliveryID: deliveryOf(callback), Callback: callback,
	}
	id, ok := s.receive(r, m, fail)
	if !ok {
		return
	}
	m.count()
	writeJSON(w, http.StatusCreated, map[string]any{
		"sid": twilioSID(id), "account_sid": account, "to": m.To, "from": form.Get("From"), "body": m.Body, "status": "queued",
		"messaging_service_sid": nullable(form.Get("MessagingServiceSid")), "num_segments": strconv.Itoa(m.Segments), "num_media": "0",
		"direction": "outbound-api", "api_version": "2010-04-01", "error_code": nil, "error_message": nil, "price": nil, "price_unit": "USD",
		"date_created": time.Now().UTC().Format(time.RFC1123Z), "date_updated": time.Now().UTC().Format(time.RFC1123Z), "date_sent": nil,
		"uri": fmt.Sprintf("/2010-04-01/Accounts/%s/Messages/%s.json", account, twilioSID(id)),
	})
}

// twilioSID returns the provider's id of the message.
func twilioSID(id int64) string { return fmt.Sprintf("SM%032x", id) }

func twilioInvalid(form url.Values) string {
	callback, err := url.Parse(form.Get("StatusCallback"))
	switch {
	case form.Get("To") == "":
		return "21604"
	case !e164.MatchString(form.Get("To")):
		return "21211"
	case form.Get("From") == "" && form.Get("MessagingServiceSid") == "":
		return "21603"
	case form.Get("Body") == "":
		return "21602"
	case utf8.RuneCountInString(form.Get("Body")) > smsMaxText:
		return "21617"
	case err != nil || (form.Get("StatusCallback") != "" && callback.Host == ""):
		return "21609"
	}
	return ""
}

// deliveryOf returns the delivery's id in the query of a callback: its value that is a UUID.
func deliveryOf(callback string) string {
	u, err := url.Parse(callback)
	if err != nil {
		return ""
	}
	for _, values := range u.Query() {
		if id, err := uuid.Parse(values[0]); err == nil {
			return id.String()
		}
	}
	return ""
}

func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func twilioError(w http.ResponseWriter, status int, code string, f *Fault) {
	if code == "" {
		code = twilioByStatus[status]
	}
	known := twilioErrors[code]
	if status == 0 {
		status = known.status
	}
	retryAfter(w, f)
	number, err := strconv.Atoi(code)
	if err != nil {
		number = status
	}
	writeJSON(w, status, map[string]any{
		"code": number, "message": known.text, "status": status, "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(number),
	})
}
