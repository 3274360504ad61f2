package notify

// EmailHeader is one header of an email.
type EmailHeader struct{ Name, Value string }

// EmailHeaders returns the headers of an email besides its addresses and subject, for every provider
// of the channel: those that suppress automatic replies (RFC 3834), mark urgent messages, and offer
// to unsubscribe with one click (RFC 8058). Every value is ASCII without line breaks.
func EmailHeaders(m Message) []EmailHeader {
	all := []EmailHeader{{"Auto-Submitted", "auto-generated"}}
	if m.Priority == "critical" {
		all = append(all, EmailHeader{"X-Priority", "1"}, EmailHeader{"Importance", "high"})
	}
	if m.UnsubscribeURL != "" {
		all = append(all, EmailHeader{"List-Unsubscribe", "<" + m.UnsubscribeURL + ">"},
			EmailHeader{"List-Unsubscribe-Post", "List-Unsubscribe=One-Click"})
	}
	return all
}
