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

// Session is the person that a socket belongs to, and the end of their authentication.
type Session struct {
	// ID is the browser's session that opened the socket. The socket ends with it: at its event
	// session.closed, at Hub.CloseSession, or at ExpiresAt, even if a token is refreshed. It is
	// uuid.Nil for a bearer token.
	ID uuid.UUID
	// Actor has the person's memberships as they were after Since.
	Actor care.Actor
	// Since is Hub.Head before the actor was read: later changes of their rights arrive with the
	// ledger. If it is zero, the actor is read again.
	Since ledger.Cursor
	// ExpiresAt is when the socket is closed with 4401 unless it is refreshed before; zero means
	// never.
	ExpiresAt time.Time
	// Client is the program that opened the socket, for the audit trail.
	Client care.Client
}

// DeniedRoom is a room that a person asked for and may not join.
type DeniedRoom struct {
	Actor  care.Actor
	Client care.Client
	// Room is its name, such as "patient:<id>". PersonID and ClinicID are the room's person or
	// clinic, if it has one.
	Room               string
	PersonID, ClinicID *uuid.UUID
}

// Authorizer returns what a person may see. directory.Service and chat.Service together implement
// it.
type Authorizer interface {
	// GetActor returns a person with their current memberships, or care.Forbidden if they are
	// disabled.
	GetActor(ctx context.Context, userID uuid.UUID) (care.Actor, error)
	// OnCareTeam returns the clinics where the member is on the patient's care team and may read
	// their records.
	OnCareTeam(ctx context.Context, memberID, patientID uuid.UUID) ([]uuid.UUID, error)
	// InConversation reports whether the person takes part in the conversation, and how.
	InConversation(ctx context.Context, userID, conversationID uuid.UUID) (room care.ConversationRoom, in bool, err error)
	// HasSession reports whether the browser's session is open.
	HasSession(ctx context.Context, id uuid.UUID) (bool, error)
}

// Config configures a Hub.
type Config struct {
	// Pool reads the ledger as the role carewire_app.
	Pool *pgxpool.Pool
	// Wake signals that the ledger may have grown.
	Wake <-chan struct{}
	// Codec encodes and checks cursors; all instances share its key.
	Codec      *ledger.Codec
	Authorizer Authorizer
	// Verify returns the session of a token, for refresh.
	Verify func(ctx context.Context, token string) (Session, error)
	// Denied commits a denied room to the audit trail before the client gets its answer. If it
	// fails, the subscription fails. nil disables auditing.
	Denied func(ctx context.Context, d DeniedRoom) error
	// Inbox returns the counts of a person's inbox, which the person's sockets receive after each
	// event that may have changed them; nil disables these frames.
	Inbox func(ctx context.Context, person uuid.UUID) (InboxCounts, error)
	// Origins are the origins, besides the service's own, that may open sockets from a browser, as
	// scheme://host[:port].
	Origins []string
	Logger  *slog.Logger
	// Limits uses the default for each zero field.
	Limits Limits
}

// Limits bound the resources of clients and set the intervals of the hub. Comments end with the
// default.
type Limits struct {
	// ConnectionsPerUser is per instance; 50.
	ConnectionsPerUser int
	// RoomsPerSession counts the patients' and conversations' rooms that a session has joined;
	// 100.
	RoomsPerSession int
	// MessagesPerSecond and MessageBurst are the long-term rate and the burst of a client's
	// messages; 20 and 150. Every frame counts, including fragments of a message, pings and pongs.
	MessagesPerSecond float64
	MessageBurst      int
	// MessageBytes is the largest message from a client; 16 KiB, which is enough for a token.
	MessageBytes int64
	// RingEvents and RingBytes bound the events in memory for all sessions; 8192 and 64 MiB.
	RingEvents int
	RingBytes  int
	// WindowBytes bounds the older events in memory for the sessions that need them; 48 MiB.
	WindowBytes int
	// MaxBehind is how many positions a cursor may be behind the ledger before the client must
	// resync; 500,000.
	MaxBehind int64
	// FrameEvents and FrameBytes end a frame, whichever is reached first; 256 and 64 KiB.
	FrameEvents int
	FrameBytes  int
	// FlightBytes is how much may be in flight to all clients before each has only one frame of
	// 4 KiB in flight, so that many clients that read slowly take little memory; 64 MiB. A frame in
	// flight to several clients counts once.
	FlightBytes int
	// AdvanceAfter is the average time after which a session without events gets an empty frame,
	// so that its cursor does not fall far behind; 5 s. Each session waits between half and one
	// and a half times as long, at random.
	AdvanceAfter time.Duration
	// Tick is how often each session is checked; 1 s.
	Tick time.Duration
	// PingPeriod is the interval of pings, and PongWait the time without a pong after which a peer
	// counts as dead; 25 s and 60 s.
	PingPeriod time.Duration
	PongWait   time.Duration
	// WriteWait is how long the peer's network may take to accept one message; 20 s.
	WriteWait time.Duration
}

const (
	// inFlight is the maximum number of a session's messages in Melody's buffer. Two are enough to
	// keep a connection busy; the third lets a short answer follow two frames.
	inFlight = 3
	// crowdedFrame is the size of a frame once Limits.FlightBytes are in flight.
	crowdedFrame = 4 << 10
	// frameCache bounds the encoded frames that are kept for sessions with the same cursor.
	frameCache = 8 << 20
	// melodyBuffer has room for the messages in flight and the close message, with a reserve: it
	// must never be full.
	melodyBuffer = inFlight + 5
	// readBuffer is the buffer of each socket, most of which receive nothing but pongs. writeBuffer is
	// that of each write; a larger frame is not copied.
	readBuffer, writeBuffer = 512, 4 << 10
	// slots is the number of parts of a tick. Each session has its turn in one of them.
	slots = 8
	// maxReplies is the maximum number of waiting answers for a client that sends requests without
	// reading. It bounds the memory that such a client takes.
	maxReplies = 256
	// windowSpan is the number of positions per read behind the ring. Rows have up to 16 KiB, so
	// that a window has at most 16 MiB.
	windowSpan = 1024
	// advanceSpan is the number of positions without an event after which a session behind the
	// ring gets an empty frame: a client that resumes then does not start so far behind again.
	advanceSpan = 20_000
	// pagers is the number of sessions that wait for PostgreSQL at once, and windowsAhead that of the
	// windows that each of them then reads at once. The pool is shared with requests.
	pagers       = 2
	windowsAhead = 2
	// floodWait is how long sending the close message to a client that sends too much may take.
	floodWait = time.Second
	// askTimeout bounds the queries for a client's message or a handshake.
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
		WindowBytes:        cmp.Or(l.WindowBytes, 48<<20),
		MaxBehind:          cmp.Or(l.MaxBehind, 500_000),
		FrameEvents:        cmp.Or(l.FrameEvents, 256),
		FrameBytes:         cmp.Or(l.FrameBytes, 64<<10),
		FlightBytes:        cmp.Or(l.FlightBytes, 64<<20),
		AdvanceAfter:       cmp.Or(l.AdvanceAfter, 5*time.Second),
		Tick:               cmp.Or(l.Tick, time.Second),
		PingPeriod:         cmp.Or(l.PingPeriod, 25*time.Second),
		PongWait:           cmp.Or(l.PongWait, 60*time.Second),
		WriteWait:          cmp.Or(l.WriteWait, 20*time.Second),
	}
}

// Validate returns an error for each required field that is not set, in the order of the fields.
func (c Config) Validate() error {
	var errs []error
	required := func(name string, set bool) {
		if !set {
			errs = append(errs, errors.New("realtime: Config."+name+" is required"))
		}
	}
	required("Pool", c.Pool != nil)
	required("Codec", c.Codec != nil)
	required("Authorizer", c.Authorizer != nil)
	required("Verify", c.Verify != nil)
	required("Logger", c.Logger != nil)
	return errors.Join(errs...)
}
