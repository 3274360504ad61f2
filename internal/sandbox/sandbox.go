// Package sandbox stands in for the outside world: it speaks the wire protocols of SES v2 and FCM HTTP v1, so that the
// real SDK clients talk to it, keeps what it received in memory, and shows it as a person would read it. Faults make it
// answer as a provider does on a bad day.
//
// Providers is what the SDKs talk to, on a listener of its own; Handler is what people and scripts look at. The newest
// 10,000 messages are kept. It starts no goroutines.
//
// Several instances of one service have a sandbox each, which takes its own instance's messages. They ask each other, so
// that every one of them shows what all received and a fault holds everywhere. One that ends takes its messages with it.
package sandbox

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// capacity is how many messages are kept.
const capacity = 10_000

// Message is one message that a provider would have delivered.
type Message struct {
	ID         int64     `json:"id"`
	DeliveryID string    `json:"deliveryId"`
	Channel    string    `json:"channel"`
	To         string    `json:"to"`
	Subject    string    `json:"subject,omitempty"`
	Title      string    `json:"title,omitempty"`
	Body       string    `json:"body"`
	Link       string    `json:"link,omitempty"`
	Priority   string    `json:"priority,omitempty"`
	ReceivedAt time.Time `json:"receivedAt"`
	// HTML is an email's, shown at /sandbox/messages/{id}/html.
	HTML string `json:"-"`
}

// channels are those a message can come in on.
var channels = []string{"email", "push", "sms", "whatsapp"}

// Sandbox is the stand-in for all providers. It is safe for concurrent use.
type Sandbox struct {
	mu       sync.Mutex
	lastID   int64
	messages []Message // oldest first
	faults   []*Fault
	lastFlt  int64
	peers    func(ctx context.Context) []string

	tokens map[string]time.Time // issued access tokens and when they expire
}

// New makes an empty sandbox without faults.
func New() *Sandbox {
	return &Sandbox{tokens: map[string]time.Time{}, peers: func(context.Context) []string { return nil }}
}

// Handler serves the page at /sandbox and the JSON below it, for this sandbox and its peers together.
func (s *Sandbox) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox", s.servePage)
	mux.HandleFunc("GET /sandbox/{file}", s.serveFile)
	mux.HandleFunc("GET /sandbox/messages", s.listMessages)
	mux.HandleFunc("DELETE /sandbox/messages", s.everywhere(s.clearMessages))
	mux.HandleFunc("GET /sandbox/messages/{id}/html", s.serveHTML)
	mux.HandleFunc("GET /sandbox/faults", s.listFaults)
	mux.HandleFunc("POST /sandbox/faults", s.everywhere(s.addFault))
	mux.HandleFunc("DELETE /sandbox/faults", s.everywhere(s.clearFaults))
	return mux
}

// Providers serves the providers' wire protocols: SES v2 at /v2, FCM at /v1, Google's OAuth token endpoint at /token; and
// at /sandbox what peers ask of this sandbox alone.
func (s *Sandbox) Providers() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sandbox/messages", s.servePeer)
	mux.HandleFunc("DELETE /sandbox/messages", s.clearMessages)
	mux.HandleFunc("POST /sandbox/faults", s.addFault)
	mux.HandleFunc("DELETE /sandbox/faults", s.clearFaults)
	mux.HandleFunc("POST /v2/email/outbound-emails", s.sesSendEmail)
	mux.HandleFunc("POST /v1/projects/{project}/messages:send", s.fcmSend)
	mux.HandleFunc("POST /token", s.oauthToken)
	return mux
}

// Messages gives what was received on the channel, or on all for "", newest first.
func (s *Sandbox) Messages(channel string) []Message {
	return s.find(wanted{channel: channel, limit: capacity * 2})
}

// wanted narrows messages.
type wanted struct {
	// channel is empty for all, id 0.
	channel string
	id      int64
	// before leaves out what was received then or later; its zero value nothing.
	before time.Time
	limit  int
}

// find gives the messages that are wanted, newest first.
func (s *Sandbox) find(w wanted) []Message {
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

// keep stores a received message and gives its number.
func (s *Sandbox) keep(m Message) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.ReceivedAt = time.Now().UTC()
	// Numbers by the clock: those of peers are others.
	s.lastID = max(s.lastID+1, m.ReceivedAt.UnixMicro())
	m.ID = s.lastID
	// Trimmed in steps, so that a full sandbox does not copy itself for each message.
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
