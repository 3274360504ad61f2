package notify

import "net/mail"

// EmailSender returns the sender of an email, as in a From header: the address of the setting, with
// the name of the message's clinic if it has one.
func EmailSender(from, name string) string {
	if name == "" {
		return from
	}
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return from
	}
	sender.Name = name
	return sender.String() // Encodes a name that is not ASCII (RFC 2047).
}
