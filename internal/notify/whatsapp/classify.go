package whatsapp

import (
	"encoding/json"
	"net/http"
	"strconv"

	"carewire/internal/notify"
	"carewire/internal/notify/httpcall"
)

// The codes of Meta's errors. Meta asks clients to decide by the code, not by the status.
// https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
var (
	// throttled are rate limits: of the app, the account, the number, and the pair of sender and
	// recipient.
	throttled = map[int]bool{4: true, 80007: true, 130429: true, 131056: true}
	// template are errors of the approved template or its variables. 131047 means that the recipient
	// did not write within 24 hours, which only templates may answer.
	template = map[int]bool{
		131047: true, 132000: true, 132001: true, 132005: true, 132007: true, 132012: true, 132015: true, 132016: true, 132068: true, 132069: true,
	}
	// account are errors that an operator fixes: credentials and permissions, a blocked or restricted
	// account, payment, a number that is not registered. 131048 restricts a sender that recipients
	// have reported as spam.
	account = map[int]bool{
		0: true, 3: true, 10: true, 190: true, 368: true, 130497: true, 131005: true, 131031: true, 131037: true, 131042: true, 131045: true,
		131048: true, 131057: true, 133005: true, 133006: true, 133008: true, 133009: true, 133010: true, 133015: true,
	}
	// failures are Meta's own: the API is unavailable, or an unknown error occurred.
	failures = map[int]bool{1: true, 2: true, 131000: true, 131016: true, 133004: true}
)

const (
	optedOut = 131050
	// invalidParameter with the subcode unknownObject means that the number's ID is wrong or not
	// permitted for the token, otherwise that the message is.
	invalidParameter = 100
	unknownObject    = 33
)

// apiError is the error in an answer.
type apiError struct {
	Error *struct {
		Code    int `json:"code"`
		Subcode int `json:"error_subcode"`
	} `json:"error"`
}

// classify returns the error of an answer with a status of 300 or more.
func classify(res *http.Response, answer []byte) error {
	wait := httpcall.RetryAfter(res.Header)
	var parsed apiError
	if json.Unmarshal(answer, &parsed) != nil || parsed.Error == nil {
		code := "status_" + strconv.Itoa(res.StatusCode)
		if res.StatusCode == http.StatusTooManyRequests {
			return notify.Throttled(code, wait)
		}
		// No answer of the API: a proxy, or an endpoint that is not Meta's.
		return notify.Transient(code, wait)
	}
	number := parsed.Error.Code
	code := strconv.Itoa(number)
	switch {
	case throttled[number], res.StatusCode == http.StatusTooManyRequests:
		return notify.Throttled(code, wait)
	case number == optedOut:
		return notify.Permanent("opted_out")
	case template[number]:
		return notify.Permanent("template_" + code)
	case account[number], number >= 200 && number <= 299, number == invalidParameter && parsed.Error.Subcode == unknownObject:
		return notify.Transient(code, wait)
	case failures[number], res.StatusCode >= http.StatusInternalServerError:
		return notify.Transient(code, wait)
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return notify.Transient(code, wait)
	}
	// 131026 and the like: this message does not reach this recipient.
	return notify.Permanent(code)
}
