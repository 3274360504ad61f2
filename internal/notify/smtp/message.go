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
	// No automatic replies (RFC 3834).
	e.SetGenHeader("Auto-Submitted", "auto-generated")
	if m.Priority == "critical" {
		e.SetImportance(mail.ImportanceHigh)
	}
	if m.UnsubscribeURL != "" {
		e.SetGenHeaderPreformatted("List-Unsubscribe", "<"+oneLine(m.UnsubscribeURL)+">")
		e.SetGenHeaderPreformatted("List-Unsubscribe-Post", "List-Unsubscribe=One-Click") // RFC 8058.
	}
	e.SetBodyString(mail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		e.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	}
	return e, nil
}

// oneLine removes what would end a header.
func oneLine(text string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(text) }
