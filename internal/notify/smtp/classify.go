package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"

	"carewire/internal/notify"
)

// classifyDial returns the error of a connection that was not ready for a message. Nothing was
// sent. A server that rejects the connection or the credentials (421, 530, 535) may accept them
// after an operator has fixed the account.
func classifyDial(ctx context.Context, err error) error {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		enhanced, _, _ := strings.Cut(reply.Msg, " ")
		return rejected(reply.Code, enhanced, reply.Msg)
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, hostname := errors.AsType[x509.HostnameError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, dns := errors.AsType[*net.DNSError](err)
	_, network := errors.AsType[net.Error](err)
	switch {
	case unknown || hostname || certificate:
		return notify.Transient("certificate", 0)
	case dns:
		return notify.Transient("dns", 0)
	case ctx.Err() != nil:
		return notify.Transient("timeout", 0)
	case network:
		return notify.Transient("connect", 0)
	case strings.Contains(err.Error(), "STARTTLS"):
		return notify.Transient("no_starttls", 0)
	}
	return notify.Transient("not_sent", 0)
}

// classifySend returns the error of a message that was not accepted. The message counts as received
// once the final dot of DATA was written: without an answer to it, it is unknown whether it was
// accepted.
func classifySend(err error) error {
	failure, ok := errors.AsType[*mail.SendError](err)
	if !ok {
		return notify.Uncertain("no_answer")
	}
	code, enhanced := failure.ErrorCode(), failure.EnhancedStatusCode()
	switch {
	case code == 0 && failure.Reason == mail.ErrSMTPDataClose:
		return notify.Uncertain("no_answer")
	case code == 0:
		return notify.Transient("connection_lost", 0)
	case code < 500:
		return rejected(code, enhanced, failure.Error())
	case failure.Reason == mail.ErrSMTPMailFrom, aboutUs(code, enhanced):
		return notify.Transient(codeOf(code, enhanced), 0)
	}
	return notify.Permanent(codeOf(code, enhanced))
}

// rejected returns the error of a reply after which the message may be sent later, or through
// another provider.
func rejected(code int, enhanced, text string) error {
	if throttled(code, enhanced, text) {
		return notify.Throttled(codeOf(code, enhanced), 0)
	}
	return notify.Transient(codeOf(code, enhanced), 0)
}

// throttled reports whether a temporary reply means that the server is called too often. There is no
// standard code: X.7.28 is a flood limit (in the registry of RFC 5248), X.4.5 congestion (RFC
// 3463), and SES replies "454 Throttling failure".
// https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html
func throttled(code int, enhanced, text string) bool {
	return code < 500 && (enhanced == "4.7.28" || enhanced == "4.4.5" || strings.Contains(text, "Throttling failure"))
}

// aboutUs reports whether a permanent reply is about our account, our sender or the server, and not
// about the recipient or the message: missing or wrong credentials (530, 534, 535, 538, RFC 4954), a
// policy against us such as "relaying denied" (X.7.Y, RFC 3463), or a server that accepts no mail
// (521, RFC 7504; X.3.Y except X.3.4, a message that is too large).
func aboutUs(code int, enhanced string) bool {
	switch code {
	case 421, 521, 530, 534, 535, 538:
		return true
	}
	return strings.HasPrefix(enhanced, "5.7.") || (strings.HasPrefix(enhanced, "5.3.") && enhanced != "5.3.4")
}

// codeOf returns the code to record, such as "smtp_550_5.1.1".
func codeOf(code int, enhanced string) string {
	if len(enhanced) < 5 || len(enhanced) > 11 || enhanced[1] != '.' || strings.Trim(enhanced, "0123456789.") != "" {
		return "smtp_" + strconv.Itoa(code)
	}
	return "smtp_" + strconv.Itoa(code) + "_" + enhanced
}
