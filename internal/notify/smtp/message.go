package smtp

import (
	"strings"

	"github.com/wneessen/go-mail"

	"carewire/internal/notify"
)

// message returns the email. Its Message-ID has the delivery's id, so that a second copy can be
// recognized, and a bounce can be matched by a person who reads it.
func (s *Sender) message(m notify.Message) (*mail.Msg, error) {
	e := mail.NewMsg()
	if err := e.FromFormat(m.SenderName, s.cfg.From); err != nil {
		return nil, err
	}
	if err := e.To(m.Email); err != nil {
		return nil, err
	}
	if m.ReplyTo != "" {
		if err := e.ReplyTo(m.ReplyTo); err != nil {
			return nil, err
		}
	}
	e.Subject(m.Subject)
	e.SetDate()
	e.SetMessageIDWithValue(m.DeliveryID.String() + "@" + s.cfg.From[strings.LastIndexByte(s.cfg.From, '@')+1:])
	for _, h := range notify.EmailHeaders(m) {
		e.SetGenHeaderPreformatted(mail.Header(h.Name), oneLine(h.Value)) // A URL must not be folded.
	}
	if m.Priority == "critical" { // Also by the names that older mail programs read.
		e.SetGenHeader(mail.HeaderPriority, mail.ImportanceHigh.NumString())
		e.SetGenHeader(mail.HeaderXMSMailPriority, mail.ImportanceHigh.NumString())
	}
	e.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		e.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	return e, nil
}

// oneLine removes what would end a header.
func oneLine(text string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(text) }
