package directory

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/outbox"
	"carewire/internal/postgres/db"
)

// CodeLife is the validity of a verification code, from the time its message is sent.
const CodeLife = 10 * time.Minute

// codeIterations make guessing a stored digest (of a million codes) take longer than a code is
// valid.
const codeIterations = 200_000

// Contact is an address of a person on a channel, and whether it is verified.
type Contact struct {
	Channel  string `json:"channel" enum:"email,sms,whatsapp" example:"email"`
	Address  string `json:"address" doc:"An email address, or a phone number in E.164 form." example:"ada@clinic.example"`
	Verified bool   `json:"verified" doc:"Whether the address is verified; a changed address must be verified again."`
}

// ContactInput replaces a number.
type ContactInput struct {
	Address string `json:"address" minLength:"1" maxLength:"32" doc:"The number of a mobile phone, with + and the country code; stored in E.164 form." example:"+12015550123"`
}

// proved are the channels with addresses that a code can verify, in the order in which contacts are
// listed.
var proved = []string{"email", "sms", "whatsapp"}

// addressOf returns the person's address on the channel, or "", and whether it is verified.
func addressOf(u db.User, channel string) (address string, verified bool) {
	switch channel {
	case "sms":
		return care.OrZero(u.Phone), u.PhoneVerified
	case "whatsapp":
		return care.OrZero(u.Whatsapp), u.WhatsappVerified
	}
	return care.OrZero(u.Email), u.EmailVerified
}

// ListContacts returns the addresses of the actor.
func (s *Service) ListContacts(ctx context.Context, cmd care.Command) ([]Contact, error) {
	var contacts []Contact
	err := s.writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
		u, err := db.New(tx).UserGet(ctx, cmd.Actor.UserID)
		if err != nil {
			return reading("own account", err)
		}
		for _, channel := range proved {
			if address, verified := addressOf(u, channel); address != "" {
				contacts = append(contacts, Contact{Channel: channel, Address: address, Verified: verified})
			}
		}
		return nil
	})
	return contacts, err
}

// numberFields are the fields of an account that hold the numbers of channels.
var numberFields = map[string]string{"sms": "phone", "whatsapp": "whatsApp"}

// SetContact replaces the actor's number on the channel, sms or whatsapp. A changed number must be
// verified. The error is care.Invalid for another channel and for a number that is not a mobile
// phone's. An unchanged number appends no event.
func (s *Service) SetContact(ctx context.Context, cmd care.Command, channel string, in ContactInput) (Contact, error) {
	if err := requirePerson(cmd); err != nil {
		return Contact{}, err
	}
	number, err := in.number(channel)
	if err != nil {
		return Contact{}, err
	}
	var contact Contact
	err = s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		row, err := db.New(tx).UserLock(ctx, cmd.Actor.UserID)
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		whole := inputOf(row)
		if channel == "sms" {
			whole.Phone = &number
		} else {
			whole.WhatsApp = &number
		}
		if changed := whole.changes(row); len(changed) > 0 {
			if row, err = s.replace(ctx, tx, cmd, row, whole, changed, nil); err != nil {
				return err
			}
		}
		contact.Channel = channel
		contact.Address, contact.Verified = addressOf(row, channel)
		return nil
	})
	return contact, err
}

// number returns the number in E.164 form.
func (in ContactInput) number(channel string) (string, error) {
	if numberFields[channel] == "" {
		return "", care.InvalidField("channel", "must be sms or whatsapp; your clinic changes your email address")
	}
	number, err := care.ParsePhone(in.Address, "")
	if err != nil {
		return "", care.InvalidField("address", "%s", err.Error())
	}
	if !care.IsMobile(number) {
		return "", care.InvalidField("address", "%s", notMobile)
	}
	return number, nil
}

// notMobile explains why no message can be sent to a number.
const notMobile = "must be the number of a mobile phone: messages cannot be sent to a fixed line"

// RequestVerification requests a code for the actor's address on the channel: six digits, generated
// when the message is sent, valid for CodeLife. caller is the network that the request came from, or
// empty if it is unknown; only a keyed hash of it is stored.
//
// The error is care.Conflict if the channel is not configured, the address is missing or already
// verified, or a number is not a mobile phone's. An address that gets no messages (a suppression) can
// be verified again. Beyond one request a minute or the limits of an hour it is care.RateLimited, with
// the wait.
func (s *Service) RequestVerification(ctx context.Context, cmd care.Command, channel, caller string) (Contact, error) {
	if err := requirePerson(cmd); err != nil {
		return Contact{}, err
	}
	var contact Contact
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		u, err := q.UserLock(ctx, cmd.Actor.UserID)
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		address, already := addressOf(u, channel)
		suppressed, err := isSuppressed(ctx, q, channel, address)
		if err != nil {
			return err
		}
		switch {
		case !slices.Contains(s.channels, channel):
			return conflict("channel", "the channel %s is not configured here: no code can be sent", channel)
		case address == "":
			return conflict("channel", "you have no address for %s: %s", channel, remedies[channel])
		case already && !suppressed:
			return conflict("channel", "your address for %s is already verified", channel)
		case numberFields[channel] != "" && !care.IsMobile(address):
			return conflict("channel", "your number for %s %s; %s", channel, notMobile, remedies[channel])
		}
		contact = Contact{Channel: channel, Address: address}
		id, err := s.askCode(ctx, q, u.ID, channel, address, caller)
		if err != nil {
			return err
		}
		e := event.New(cmd, "user.verification_requested", care.Ref{Kind: "contact_verification", ID: id}, event.Verification{
			VerificationID: id, UserID: u.ID, Channel: channel,
		})
		return outbox.Append(ctx, tx, e.About(cmd, u.ID, nil))
	})
	return contact, err
}

// remedies name how a person gets an address on a channel.
var remedies = map[string]string{
	"email":    "ask your clinic to add one",
	"sms":      "set one with PUT /api/me/contacts/sms",
	"whatsapp": "set one with PUT /api/me/contacts/whatsapp",
}

// ConfirmVerification verifies the actor's address on the channel by its code. The error is
// care.Invalid for a wrong code. It is care.Conflict after five wrong codes or after CodeLife,
// because there is no code to confirm, and for an address that another person has verified. It lifts
// the suppression of the address.
func (s *Service) ConfirmVerification(ctx context.Context, cmd care.Command, channel, code string) (Contact, error) {
	if err := requirePerson(cmd); err != nil {
		return Contact{}, err
	}
	var contact Contact
	wrong := false // A wrong code is counted, so the transaction must commit.
	err := s.writer.InTx(ctx, cmd, func(tx pgx.Tx) error {
		q := db.New(tx)
		u, err := q.UserLock(ctx, cmd.Actor.UserID)
		if err != nil {
			return fmt.Errorf("lock user: %w", err)
		}
		row, err := q.VerificationAttempt(ctx, db.VerificationAttemptParams{UserID: u.ID, Channel: channel})
		address, _ := addressOf(u, channel)
		if notFound(err) || (err == nil && row.Address != address) {
			return conflict("code", "no valid code: it has expired, was tried five times, or was not sent yet; request a new one")
		}
		if err != nil {
			return fmt.Errorf("count attempt: %w", err)
		}
		digest, err := codeDigest(row.ID, code)
		if err != nil {
			return err
		}
		if wrong = !hmac.Equal(digest, row.Digest); wrong {
			return nil
		}
		if err := q.VerificationDelete(ctx, row.ID); err != nil {
			return fmt.Errorf("delete question: %w", err)
		}
		contact = Contact{Channel: channel, Address: address, Verified: true}
		events, err := markVerified(ctx, q, cmd, u.ID, channel)
		if err != nil {
			return err
		}
		lifted, err := liftSuppression(ctx, q, cmd, u.ID, channel, address)
		if err != nil {
			return err
		}
		events = append(events, lifted...)
		return outbox.Append(ctx, tx, events...)
	})
	if err == nil && wrong {
		return Contact{}, care.InvalidField("code", "is not the code that was sent; after five attempts it becomes invalid")
	}
	return contact, err
}

// addressKind returns the kind of the channel's addresses.
func addressKind(channel string) string {
	c, _ := care.BuiltinChannels.Lookup(channel)
	return string(c.Address)
}

// isSuppressed reports whether the address gets no messages.
func isSuppressed(ctx context.Context, q *db.Queries, channel, address string) (bool, error) {
	reason, err := q.AddressSuppression(ctx, db.AddressSuppressionParams{Kind: addressKind(channel), Address: address})
	if err != nil {
		return false, fmt.Errorf("look up suppression: %w", err)
	}
	return reason != "", nil
}

// liftSuppression lifts the suppression of an address that its owner has verified. It returns the
// event, or none if the address was not suppressed.
func liftSuppression(ctx context.Context, q *db.Queries, cmd care.Command, person uuid.UUID, channel, address string) ([]event.Event, error) {
	reason, err := q.SuppressionLift(ctx, db.SuppressionLiftParams{Kind: addressKind(channel), Address: address})
	if err != nil || reason == "" {
		return nil, err
	}
	e := event.New(cmd, "user.address_suppression_lifted", userRef(person), event.AddressSuppression{UserID: person, Channel: channel, Reason: reason})
	return []event.Event{e.About(cmd, person, nil)}, nil
}

func codeDigest(id uuid.UUID, code string) ([]byte, error) {
	digest, err := pbkdf2.Key(sha256.New, code, id[:], codeIterations, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("hash code: %w", err)
	}
	return digest, nil
}

func conflict(field, format string, args ...any) *care.Error {
	err := care.Errorf(care.Conflict, format, args...)
	err.Fields = []care.FieldError{{Field: field, Message: err.Message}}
	return err
}

// Secrets generates the secrets of messages at the time of sending. It stores only a digest of
// each.
type Secrets struct{ queries *db.Queries }

// NewSecrets returns Secrets on the pool of the sender's role.
func NewSecrets(pool *pgxpool.Pool) *Secrets { return &Secrets{db.New(pool)} }

// Issue returns the invitation token or the code for a message about the subject to the recipient.
// Both are empty if it has expired, is not for the recipient, or the channel is not the one to
// verify.
func (s *Secrets) Issue(ctx context.Context, channel, subject string, recipient uuid.UUID) (token, code string, err error) {
	kind, name, _ := strings.Cut(subject, "/")
	id, err := uuid.Parse(name)
	if err != nil {
		return "", "", nil //nolint:nilerr // No subject of ours: nothing to issue.
	}
	var kept int64
	switch kind {
	case "user", "invitation":
		var digest []byte
		token, digest = secret()
		kept, err = s.queries.InvitationTokenIssue(ctx, db.InvitationTokenIssueParams{Digest: digest, ID: id, UserID: recipient})
	case "contact_verification":
		n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // It never fails, as rand.Read.
		code = fmt.Sprintf("%06d", n)
		digest, hashErr := codeDigest(id, code)
		if hashErr != nil {
			return "", "", hashErr
		}
		kept, err = s.queries.VerificationIssue(ctx, db.VerificationIssueParams{Digest: digest, TtlSeconds: CodeLife.Seconds(), ID: id, UserID: recipient, Channel: channel})
	}
	if err != nil {
		return "", "", reading("what to send", err)
	}
	if kept == 0 {
		return "", "", nil
	}
	return token, code, nil
}
