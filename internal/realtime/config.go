package realtime

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/ledger"
)

// Session is who a socket belongs to, and when the proof of it ends.
type Session struct {
	// ID is the browser's session that asked for the socket, which ends with it: by its event session.closed, by
	// Hub.CloseSession, or at ExpiresAt, whatever is refreshed. It is uuid.Nil for a bearer token.
	ID    uuid.UUID
	Actor care.Actor
	// ExpiresAt closes the socket with 4401, unless it is refreshed before; zero means never.
	ExpiresAt time.Time
}

// Denial is a room that somebody asked for and may not join.
type Denial struct {
	Actor care.Actor
	// Room is its name, such as "patient:<id>"; PersonID and ClinicID say whose room it is, where it is one's.
	Room               string
	PersonID, ClinicID *uuid.UUID
}

// Authorizer tells what a person may see. directory.Service and chat.Service together implement it.
type Authorizer interface {
	// GetActor reads a person with their memberships as they stand now; a disabled one is care.Forbidden.
	GetActor(ctx context.Context, userID uuid.UUID) (care.Actor, error)
	// OnCareTeam lists the clinics where the member is on the patient's care team and may read their records.
	OnCareTeam(ctx context.Context, memberID, patientID uuid.UUID) ([]uuid.UUID, error)
	// InConversation reports whether the person takes part in the conversation, and how.
	InConversation(ctx context.Context, userID, conversationID uuid.UUID) (room care.ConversationRoom, in bool, err error)
	// HasSession reports whether the browser's session is open.
	HasSession(ctx context.Context, id uuid.UUID) (bool, error)
}

// Config is what a Hub needs.
type Config struct {
	// Pool reads the ledger as the role carewire_app.
	Pool *pgxpool.Pool
	// Wake says that the ledger may have grown.
	Wake <-chan struct{}
	// Codec makes and checks cursors; all instances share its key.
	Codec  *ledger.Codec
	Authorizer Authorizer
	// Verify tells whose a token is, for refresh.
	Verify func(ctx context.Context, token string) (Session, error)
	// Denied is told of a room that was refused for want of the right, and commits it to the audit trail before the client
	// is answered; when it fails, so does the subscription. May be nil.
	Denied func(ctx context.Context, d Denial) error
	// Origins may open sockets from a browser, besides the service's own, as scheme://host[:port].
	Origins []string
	Logger  *slog.Logger
	// Limits are the defaults where they are zero.
	Limits Limits
}

// Limits bound what clients may use, and set the pace of what is sent unasked.
type Limits struct {
	// ConnectionsPerUser at this instance; 50.
	ConnectionsPerUser int
	// RoomsPerSession counts the patients' and conversations' rooms a session has asked for; 100.
	RoomsPerSession int
	// MessagesPerSecond is what a client may send in the long run, MessageBurst at once; 20 and 150. Every frame counts: the
	// fragments of a message, pings and pongs too.
	MessagesPerSecond float64
	MessageBurst      int
	// MessageBytes is the largest message from a client; 16 KiB, which has room for a token.
	MessageBytes int64
	// RingEvents are kept in memory for all sessions, of RingBytes at most; 8192 and 64 MiB.
	RingEvents int
	RingBytes  int
	// WindowBytes bounds what is kept of the ledger behind the ring, for the sessions that are there; 64 MiB.
	WindowBytes int
	// MaxBehind is how many positions a cursor may be behind the ledger; from one further behind a client must resync; 500,000.
	MaxBehind int64
	// FrameEvents and FrameBytes end a frame, whichever is reached first; 256 and 64 KiB.
	FrameEvents int
	FrameBytes  int
	// AdvanceAfter is about when a session for which there was nothing gets a frame without events, so that its cursor does
	// not fall far behind; 5 s. Each session waits between half as long and half as long again, at random.
	AdvanceAfter time.Duration
	// Tick is how often the clock looks at each session; 1 s.
	Tick time.Duration
	// PingPeriod, and PongWait without a pong after which a peer counts as dead; 25 s and 60 s.
	PingPeriod time.Duration
	PongWait   time.Duration
	// WriteWait is how long one message may take to be accepted by the peer's network; 20 s.
	WriteWait time.Duration
}

const (
	// inFlight is how many messages a session may have in Melody's buffer. Two would do to keep a connection busy; one
	// more lets a short answer go out behind two frames.
	inFlight = 3
	// melodyBuffer has room for what is in flight and for the close message, and to spare: it must never be full.
	melodyBuffer = inFlight + 5
	// slots are the parts of a clock's round. In each, another part of the sessions has its turn.
	slots = 8
	// maxReplies is how many answers may wait for a client that asks without reading.
	maxReplies = 256
	// windowSpan is how many positions are read at once behind the ring. Rows have up to 16 KiB: a window of them has 16 MiB.
	windowSpan = 1024
	// advanceSpan is after how many positions without an event for it a session behind the ring gets a frame without events: a
	// client that resumes then does not begin from so far behind again.
	advanceSpan = 20_000
	// pagers is how many sessions wait for PostgreSQL at once. The pool is shared with requests.
	pagers = 3
	// floodWait is how long a client that sends too much may take to hear that it is cut off.
	floodWait = time.Second
	// askTimeout bounds the look-ups that a client's message or a handshake needs.
	askTimeout = 10 * time.Second
)

func (l Limits) withDefaults() Limits {
	return Limits{
		ConnectionsPerUser: cmp.Or(l.ConnectionsPerUser, 50),
		RoomsPerSession:    cmp.Or(l.RoomsPerSession, 100),
		MessagesPerSecond:  cmp.Or(l.MessagesPerSecond, 20),
		MessageBurst:       cmp.Or(l.MessageBurst, 150),
		MessageBytes:       cmp.Or(l.MessageBytes, 16<<10),
		RingEvents:         cmp.Or(l.RingEvents, 8192),
		RingBytes:          cmp.Or(l.RingBytes, 64<<20),
		WindowBytes:        cmp.Or(l.WindowBytes, 64<<20),
		MaxBehind:          cmp.Or(l.MaxBehind, 500_000),
		FrameEvents:        cmp.Or(l.FrameEvents, 256),
		FrameBytes:         cmp.Or(l.FrameBytes, 64<<10),
		AdvanceAfter:       cmp.Or(l.AdvanceAfter, 5*time.Second),
		Tick:               cmp.Or(l.Tick, time.Second),
		PingPeriod:         cmp.Or(l.PingPeriod, 25*time.Second),
		PongWait:           cmp.Or(l.PongWait, 60*time.Second),
		WriteWait:          cmp.Or(l.WriteWait, 20*time.Second),
	}
}

// Validate says what is missing.
func (c Config) Validate() error {
	var errs []error
	need := func(there bool, name string) {
		if !there {
			errs = append(errs, errors.New("realtime: Config."+name+" is needed"))
		}
	}
	need(c.Pool != nil, "Pool")
	need(c.Codec != nil, "Codec")
	need(c.Authorizer != nil, "Rights")
	need(c.Verify != nil, "Verify")
	need(c.Logger != nil, "Logger")
	return errors.Join(errs...)
}
