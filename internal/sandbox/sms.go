package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// smsTarget selects SendTextMessage in the AWS JSON 1.0 protocol.
	smsTarget = "PinpointSMSVoiceV2.SendTextMessage"
	// smsMaxText is the maximum number of characters of a text.
	smsMaxText = 1600
	// smsMaxContext is the maximum number of pairs in a context.
	smsMaxContext = 5
	// smsMinTTL and smsMaxTTL bound TimeToLive, in seconds.
	smsMinTTL, smsMaxTTL = 5, 259200
)

// smsErrors are the exceptions of SendTextMessage by name, and by the reasons that matter to a
// sender.
// https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html
var smsErrors = map[string]providerError{
	"AccessDeniedException":         {status: http.StatusBadRequest},
	"ConflictException":             {status: http.StatusBadRequest},
	"InternalServerException":       {status: http.StatusInternalServerError},
	"ResourceNotFoundException":     {status: http.StatusBadRequest},
	"ServiceQuotaExceededException": {status: http.StatusBadRequest},
	"ThrottlingException":           {status: http.StatusBadRequest},
	"ValidationException":           {status: http.StatusBadRequest},

	"ACCOUNT_DISABLED":                                            {status: http.StatusBadRequest, exception: "AccessDeniedException"},
	"DESTINATION_PHONE_NUMBER_OPTED_OUT":                          {status: http.StatusBadRequest, exception: "ConflictException"},
	"DESTINATION_PHONE_NUMBER_NOT_VERIFIED":                       {status: http.StatusBadRequest, exception: "ConflictException"},
	"DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION":        {status: http.StatusBadRequest, exception: "ConflictException"},
	"DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": {status: http.StatusBadRequest, exception: "ConflictException"},
	"NO_ORIGINATION_IDENTITIES_FOUND":                             {status: http.StatusBadRequest, exception: "ConflictException"},
	"MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT":                        {status: http.StatusBadRequest, exception: "ServiceQuotaExceededException"},
	"DESTINATION_COUNTRY_BLOCKED":                                 {status: http.StatusBadRequest, exception: "ValidationException"},
	"FIELD_VALIDATION_FAILED":                                     {status: http.StatusBadRequest, exception: "ValidationException"},
	"INVALID_PARAMETER":                                           {status: http.StatusBadRequest, exception: "ValidationException"},
	"MAXIMUM_SIZE_EXCEEDED":                                       {status: http.StatusBadRequest, exception: "ValidationException"},
	"MISSING_PARAMETER":                                           {status: http.StatusBadRequest, exception: "ValidationException"},
	"PRICE_OVER_THRESHOLD":                                        {status: http.StatusBadRequest, exception: "ValidationException"},
	"SENDER_ID_NOT_REGISTERED":                                    {status: http.StatusBadRequest, exception: "ValidationException"},
}

var smsByStatus = map[int]string{
	http.StatusBadRequest: "ValidationException", http.StatusTooManyRequests: "ThrottlingException",
	http.StatusInternalServerError: "InternalServerException",
}

// smsRequest is the supported part of SendTextMessage's body.
type smsRequest struct {
	DestinationPhoneNumber, OriginationIdentity, MessageBody, MessageType string
	ConfigurationSetName, MaxPrice                                        string
	TimeToLive                                                            *int
	DryRun                                                                bool
	Context                                                               map[string]string
}

// e164 matches a phone number as the providers require it.
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// priceForm matches MaxPrice.
var priceForm = regexp.MustCompile(`^[0-9]{0,2}\.[0-9]{1,5}$`)

// smsSend implements SendTextMessage of AWS End User Messaging.
func (s *Sandbox) smsSend(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Amz-Target") != smsTarget || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.0") {
		smsError(w, http.StatusBadRequest, "UnknownOperationException", nil)
		return
	}
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		smsError(w, http.StatusBadRequest, "MissingAuthenticationTokenException", nil)
		return
	}
	var req smsRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&req); err != nil {
		smsError(w, http.StatusBadRequest, "SerializationException", nil)
		return
	}
	if reason := req.invalid(); reason != "" {
		smsError(w, http.StatusBadRequest, reason, nil)
		return
	}
	m := Message{
		Provider: providerSMS, Channel: "sms", To: req.DestinationPhoneNumber, From: req.OriginationIdentity, Body: req.MessageBody,
		DeliveryID: req.Context["delivery_id"],
	}
	id, ok := s.receive(r, m, func(status int, code string, f *Fault) { smsError(w, status, code, f) })
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	writeJSON(w, http.StatusOK, map[string]string{"MessageId": smsMessageID(id)})
}

// smsMessageID returns the provider's id of the message, which is a UUID.
func smsMessageID(id int64) string {
	return fmt.Sprintf("5a4db0c5-0000-4000-8000-%012x", id&0xffffffffffff)
}

// invalid returns the reason of the ValidationException for the request, or "".
func (r smsRequest) invalid() string {
	switch length := utf8.RuneCountInString(r.MessageBody); {
	case r.DestinationPhoneNumber == "" || r.MessageBody == "":
		return "MISSING_PARAMETER"
	case !e164.MatchString(r.DestinationPhoneNumber):
		return "INVALID_PARAMETER"
	case length > smsMaxText:
		return "MAXIMUM_SIZE_EXCEEDED"
	case r.OriginationIdentity == "":
		return "NO_ORIGINATION_IDENTITIES_FOUND"
	case r.MessageType != "" && r.MessageType != "TRANSACTIONAL" && r.MessageType != "PROMOTIONAL",
		r.TimeToLive != nil && (*r.TimeToLive < smsMinTTL || *r.TimeToLive > smsMaxTTL),
		r.MaxPrice != "" && !priceForm.MatchString(r.MaxPrice),
		len(r.Context) > smsMaxContext:
		return "FIELD_VALIDATION_FAILED"
	}
	return ""
}

// smsError writes an exception. code is its name, or one of its reasons.
func smsError(w http.ResponseWriter, status int, code string, f *Fault) {
	if code == "" {
		code = smsByStatus[status]
	}
	known := smsErrors[code]
	if status == 0 {
		status = known.status
	}
	retryAfter(w, f)
	body := map[string]string{"Message": "A fault of the sandbox rejected this request."}
	switch {
	case known.exception != "":
		body["__type"], body["Reason"] = known.exception, code
	case code != "":
		body["__type"] = code
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	writeJSON(w, status, body)
}
