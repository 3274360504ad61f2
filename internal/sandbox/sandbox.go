// Package sandbox is a fake of the message providers. It implements the wire protocols of SES v2,
// FCM HTTP v1, AWS End User Messaging, the WhatsApp Cloud API and Twilio for the real clients, stores
// received messages in memory, and shows them on a web page. Faults make it fail as a real provider
// can.
//
// Providers returns the handler for the SDKs, to be served on a separate listener; Handler returns
// the handler for people and scripts. The newest 10,000 messages are kept. The package starts no
// goroutines.
//
// Each instance of a service has a sandbox that receives the messages of that instance. The
// sandboxes query each other, so that each one shows the messages of all, and a fault applies to
// all. When an instance stops, its messages are lost.
package sandbox

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"carewire/internal/smstext"
)

// capacity is the number of messages that are kept.
const capacity = 10_000

// Message is a message that a provider would have delivered.
type Message struct {
	ID         int64  `json:"id"`
	DeliveryID string `json:"deliveryId"`
	Channel    string `json:"channel"`
	// Provider is the name of the provider that received it, such as "ses".
	Provider string `json:"provider"`
	To       string `json:"to"`
	// From is the sender: of a text message a number, or another identity that the provider knows; of
	// an email its name and address. ReplyTo is where an email's answers go.
	From       string    `json:"from,omitempty"`
	ReplyTo    string    `json:"replyTo,omitempty"`
	Subject    string    `json:"subject,omitempty"`
	Title      string    `json:"title,omitempty"`
	Body       string    `json:"body"`
	Link       string    `json:"link,omitempty"`
	Priority   string    `json:"priority,omitempty"`
	ReceivedAt time.Time `json:"receivedAt"`
	// Headers are the additional headers of an email.
	Headers map[string]string `json:"headers,omitempty"`
	// Segments is the number of segments of an SMS, and Encoding its encoding, GSM-7 or UCS-2.
	Segments int    `json:"segments,omitempty"`
	Encoding string `json:"encoding,omitempty"`
	// Template and Language select the approved template of a WhatsApp message. Variables are the
	// values of its body, and Button is the variable part of its button's URL.
	Template  string   `json:"template,omitempty"`
	Language  string   `json:"language,omitempty"`
	Variables []string `json:"variables,omitempty"`
	Button    string   `json:"button,omitempty"`
	// Image is the URL of the picture of a push message, Actions are its buttons, and Interruption is
	// the interruption level on iOS.
	Image        string   `json:"image,omitempty"`
	Actions      []Action `json:"actions,omitempty"`
	Interruption string   `json:"interruption,omitempty"`
	// Callback is the URL for the receipts of a message sent through Twilio.
	Callback string `json:"-"`
	// HTML is the body of an email, shown at /sandbox/messages/{id}/html.
	HTML string `json:"-"`
}

// Action is a button of a push message.
type Action struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Link  string `json:"link"`
}

// channels are the channels of messages.
var channels = []string{"email", "push", "sms", "whatsapp"}

// Sandbox is a fake of all providers. It is safe for concurrent use.
type Sandbox struct {
	mu       sync.Mutex
	lastID   int64
	messages []Message // oldest first
	faults   []*Fault
	lastFlt  int64
	peers    func(ctx context.Context) []string
	clock    func(ctx context.Context, advance time.Duration) (time.Time, error)

	tokens map[string]time.Time // issued access tokens and when they expire
	// webhooks are where receipts are posted.
	webhooks webhooks
}

// New returns an empty sandbox without faults.
func New() *Sandbox {
	return &Sandbox{tokens: map[string]time.Time{}, peers: func(context.Context) []string { return nil }}
}

// Handler returns a handler for the page at /sandbox and the JSON API below it, which cover this
// sandbox and its peers.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox", s.servePage)
	mux.HandleFunc("GET /sandbox/{file}", s.serveFile)
	mux.HandleFunc("GET /sandbox/messages", s.listMessages)
	mux.HandleFunc("DELETE /sandbox/messages", s.everywhere(s.clearMessages))
	mux.HandleFunc("GET /sandbox/messages/{id}/html", s.serveHTML)
	mux.HandleFunc("POST /sandbox/messages/{id}/receipts", s.addReceipt)
	mux.HandleFunc("GET /sandbox/faults", s.listFaults)
	mux.HandleFunc("POST /sandbox/faults", s.everywhere(s.addFault))
	mux.HandleFunc("DELETE /sandbox/faults", s.everywhere(s.clearFaults))
	mux.HandleFunc("GET /sandbox/clock", s.showClock)
	mux.HandleFunc("POST /sandbox/clock", s.advanceClock)
	return mux
}

// Providers returns a handler for the providers' wire protocols: SES v2 at /v2, FCM at /v1,
// Google's OAuth token endpoint at /token, AWS End User Messaging at /, the WhatsApp Cloud API at
// /{version}/{phone number ID}, Twilio at /2010-04-01 and the certificate of SNS; and at /sandbox the API for peers, which
// covers this sandbox only.
func (s *Sandbox) Providers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox/messages", s.servePeer)
	mux.HandleFunc("DELETE /sandbox/messages", s.clearMessages)
	mux.HandleFunc("POST /sandbox/faults", s.addFault)
	mux.HandleFunc("DELETE /sandbox/faults", s.clearFaults)
	mux.HandleFunc("POST /v2/email/outbound-emails", s.sesSendEmail)
	mux.HandleFunc("POST /v1/projects/{project}/messages:send", s.fcmSend)
	mux.HandleFunc("POST /token", s.oauthToken)
	mux.HandleFunc("POST /{$}", s.smsSend)
	mux.HandleFunc("POST /{version}/{number}/messages", s.whatsAppSend)
	mux.HandleFunc("POST /2010-04-01/Accounts/{sid}/Messages.json", s.twilioSend)
	mux.HandleFunc("GET "+certificatePath, s.serveCertificate)
	return mux
}

// Messages returns the messages received on the channel, or on all channels for "", newest first.
func (s *Sandbox) Messages(channel string) []Message {
	return s.find(filter{channel: channel, limit: capacity * 2})
}

// filter selects messages.
type filter struct {
	// An empty channel and a zero id select all.
	channel string
	id      int64
	// before selects messages received before this time; the zero value selects all.
	before time.Time
	limit  int
}

// find returns the selected messages of this sandbox, newest first.
func (s *Sandbox) find(w filter) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make([]Message, 0, min(w.limit, len(s.messages)))
	for _, m := range slices.Backward(s.messages) {
		if len(found) >= w.limit {
			break
		}
		if (w.channel == "" || m.Channel == w.channel) && (w.id == 0 || m.ID == w.id) && (w.before.IsZero() || m.ReceivedAt.Before(w.before)) {
			found = append(found, m)
		}
	}
	return found
}

// count sets the segments of an SMS.
func (m *Message) count() {
	if m.Channel == "sms" {
		count, encoding := smstext.Segments(m.Body)
		m.Segments, m.Encoding = count, string(encoding)
	}
}

// store stores a received message and returns its ID.
func (s *Sandbox) store(m Message) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.ReceivedAt = time.Now().UTC()
	m.count()
	// IDs derive from the clock, so that they differ from those of peers.
	s.lastID = max(s.lastID+1, m.ReceivedAt.UnixMicro())
	m.ID = s.lastID
	// Trim in steps, so that a full sandbox does not copy all messages for each new one.
	if len(s.messages) >= capacity+capacity/10 {
		s.messages = append(make([]Message, 0, capacity+capacity/10), s.messages[len(s.messages)-capacity+1:]...)
	}
	s.messages = append(s.messages, m)
	return m.ID
}

func (s *Sandbox) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = nil
}
