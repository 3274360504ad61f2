package realtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/postgrestest"
	"carewire/internal/realtime"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// patience bounds the wait for something that should happen at once.
const patience = 20 * time.Second

// directory returns rights like the service's directory.
type directory struct{ db *postgrestest.DB }

func (d directory) GetActor(ctx context.Context, userID uuid.UUID) (care.Actor, error) {
	a := care.Actor{ID: userID.String(), UserID: userID}
	var status string
	err := d.db.Owner.QueryRow(ctx, "SELECT status, memberships FROM actors WHERE id = $1", userID).Scan(&status, &a.Memberships)
	if err == nil && status != "active" {
		return a, care.Errorf(care.Forbidden, "this account is disabled")
	}
	return a, err
}

func (d directory) OnCareTeam(ctx context.Context, memberID, patientID uuid.UUID) ([]uuid.UUID, error) {
	rows, err := d.db.Owner.Query(ctx, `SELECT t.clinic_id FROM care_team t WHERE t.member_id = $1 AND t.patient_id = $2 AND EXISTS (
		SELECT FROM memberships m WHERE m.user_id = t.member_id AND m.clinic_id = t.clinic_id AND m.role IN ('doctor', 'nurse') AND m.revoked_at IS NULL)`,
		memberID, patientID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func (d directory) InConversation(ctx context.Context, userID, conversationID uuid.UUID) (room care.ConversationRoom, in bool, err error) {
	var own bool
	err = d.db.Owner.QueryRow(ctx, `SELECT c.clinic_id, c.patient_id, p.sees_after, c.patient_id = p.user_id FROM conversations c JOIN conversation_participants p ON p.conversation_id = c.id
		WHERE c.id = $1 AND p.user_id = $2 AND p.left_at IS NULL`, conversationID, userID).Scan(&room.ClinicID, &room.PatientID, &room.SeesAfter, &own)
	if errors.Is(err, pgx.ErrNoRows) {
		return care.ConversationRoom{}, false, nil
	}
	if own {
		room.ClinicID = uuid.Nil
	}
	return room, err == nil, err
}

func (d directory) HasSession(ctx context.Context, id uuid.UUID) (open bool, err error) {
	err = d.db.Owner.QueryRow(ctx, "SELECT EXISTS (SELECT FROM web_sessions WHERE id = $1 AND expires_at > now())", id).Scan(&open)
	return open, err
}

// bundle is a hub on a database with two clinics, and a server that serves it.
type bundle struct {
	db            *postgrestest.DB
	hub           *realtime.Hub
	url           string // Of the hub started last.
	codec         *ledger.Codec
	seq           *ledger.Sequencer
	authorizer    realtime.Authorizer
	ahead         func(r *http.Request) // Changes a request whose person was read.
	wakes         []chan struct{}       // One a hub.
	here, other   uuid.UUID
	patient       uuid.UUID
	stranger      uuid.UUID // A patient without a care team.
	doctor        uuid.UUID // On the patient's care team.
	nurse         uuid.UUID
	receptionist  uuid.UUID
	otherDoctor   uuid.UUID
	cmd           care.Command
	mu            sync.Mutex
	expires       time.Time            // Of the next sockets.
	tokens        map[string]uuid.UUID // The tokens that Verify accepts.
	tokensExpires time.Time
}

func setup(tb testing.TB, change ...func(*realtime.Config)) *bundle {
	tb.Helper()
	b := &bundle{
		db: postgrestest.New(tb), codec: ledger.NewCodec([]byte("a key for tests")),
		here: uuid.New(), other: uuid.New(), cmd: care.Command{Actor: care.SystemActor("test")}, tokens: map[string]uuid.UUID{},
	}
	b.seq = ledger.NewSequencer(ledger.SequencerConfig{Pool: b.db.Worker, Logger: slog.New(slog.DiscardHandler)})
	b.exec(tb, "INSERT INTO clinics (id, name, time_zone) VALUES ($1, 'Here', 'UTC'), ($2, 'Other', 'UTC')", b.here, b.other)
	b.patient, b.stranger = b.person(tb, b.here, care.Patient), b.person(tb, b.here, care.Patient)
	b.doctor, b.nurse = b.person(tb, b.here, care.Doctor), b.person(tb, b.here, care.Nurse)
	b.receptionist, b.otherDoctor = b.person(tb, b.here, care.Receptionist), b.person(tb, b.other, care.Doctor)
	b.exec(tb, "INSERT INTO care_team (patient_id, clinic_id, member_id) VALUES ($1, $2, $3), ($1, $2, $4)", b.patient, b.here, b.doctor, b.nurse)
	b.start(tb, change...)
	return b
}

// start runs a hub and a server in front of it; both stop when the test ends.
func (b *bundle) start(tb testing.TB, change ...func(*realtime.Config)) {
	tb.Helper()
	wake := make(chan struct{}, 1)
	b.wakes = append(b.wakes, wake)
	cfg := realtime.Config{
		Pool: b.db.App, Wake: wake, Codec: b.codec, Authorizer: directory{b.db}, Verify: b.verify, Origins: []string{"https://app.example"},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	b.authorizer = cfg.Authorizer
	hub, err := realtime.New(cfg)
	require.NoError(tb, err)
	b.hub = hub
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- hub.Run(ctx) }()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(hub, w, r) }))
	if _, measured := tb.(*testing.B); !measured {
		server.Listener = smallBuffers{server.Listener}
	}
	server.Start()
	b.url = "ws" + strings.TrimPrefix(server.URL, "http")
	tb.Cleanup(func() {
		stop, cut := context.WithTimeout(context.Background(), 3*time.Second)
		defer cut()
		_ = hub.Shutdown(stop)
		cancel()
		require.NoError(tb, <-done)
		server.Close()
	})
}

// smallBuffers makes the effect of a peer that does not read noticeable soon.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		_ = conn.(*net.TCPConn).SetWriteBuffer(32 << 10)
	}
	return conn, err
}

// serve authenticates as the API does: the session's rights are read after the hub's head.
func (b *bundle) serve(hub *realtime.Hub, w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	s := realtime.Session{ExpiresAt: b.expires, Since: hub.Head()}
	b.mu.Unlock()
	err := b.authenticate(r, &s)
	if b.ahead != nil {
		b.ahead(r)
	}
	if err == nil {
		err = hub.Serve(w, r, s, r.URL.Query().Get("cursor"))
	}
	if err != nil {
		status := map[care.Code]int{care.Malformed: 400, care.Invalid: 422, care.Unauthenticated: 401, care.Forbidden: 403, care.RateLimited: 429, care.Unavailable: 503}[care.CodeOf(err)]
		http.Error(w, err.Error(), max(status, 400))
	}
}

func (b *bundle) authenticate(r *http.Request, s *realtime.Session) error {
	id, err := uuid.Parse(r.Header.Get("X-User"))
	if err != nil {
		return nil //nolint:nilerr // A program.
	}
	s.Actor, err = b.authorizer.GetActor(r.Context(), id)
	s.Actor.UserID = id
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // Without a role.
	}
	if err != nil || r.Header.Get("X-Session") == "" {
		return err
	}
	s.ID = uuid.MustParse(r.Header.Get("X-Session"))
	open, err := b.authorizer.HasSession(r.Context(), s.ID)
	if err == nil && !open {
		err = care.Errorf(care.Unauthenticated, "the session has ended")
	}
	return err
}

func (b *bundle) verify(_ context.Context, token string) (realtime.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, ok := b.tokens[token]
	if !ok {
		return realtime.Session{}, care.Errorf(care.Unauthenticated, "the token is not good")
	}
	return realtime.Session{Actor: care.Actor{UserID: id}, ExpiresAt: b.tokensExpires}, nil
}

func (b *bundle) exec(tb testing.TB, sql string, args ...any) {
	tb.Helper()
	_, err := b.db.Owner.Exec(context.Background(), sql, args...)
	require.NoError(tb, err)
}

func (b *bundle) person(tb testing.TB, clinic uuid.UUID, roles ...care.Role) uuid.UUID {
	tb.Helper()
	id := uuid.New()
	b.exec(tb, "INSERT INTO users (id, email, given_name, family_name) VALUES ($1, $2, 'A', 'B')", id, id.String()+"@demo.example")
	for _, role := range roles {
		b.member(tb, id, clinic, role)
	}
	return id
}

func (b *bundle) member(tb testing.TB, user, clinic uuid.UUID, role care.Role) {
	tb.Helper()
	b.exec(tb, "INSERT INTO memberships (id, user_id, clinic_id, role) VALUES ($1, $2, $3, $4)", uuid.New(), user, clinic, string(role))
}

// report returns a lab report's event, user an account's, which only the office and the person see.
func (b *bundle) report(patient, clinic uuid.UUID) event.Event {
	id := uuid.New()
	return event.New(b.cmd, "ehr.lab_report.created", care.Ref{Kind: "lab_report", ID: id}, event.Record{
		RecordID: id, UserID: patient, ClinicID: clinic, DoctorID: b.doctor, Status: "final", Version: 1, Released: true,
	}).About(b.cmd, patient, &clinic)
}

func (b *bundle) updated(user, clinic uuid.UUID) event.Event {
	return event.New(b.cmd, "user.updated", care.Ref{Kind: "user", ID: user}, event.User{UserID: user}).About(b.cmd, user, &clinic)
}

// converse begins a conversation of the patient with the doctor and the nurse.
func (b *bundle) converse(tb testing.TB) uuid.UUID {
	tb.Helper()
	id := uuid.New()
	b.exec(tb, `INSERT INTO conversations (id, clinic_id, patient_id, subject, last_number, last_activity_at, created_at, created_by) VALUES ($1, $2, $3, '', 0, now(), now(), '')`, id, b.here, b.patient)
	for _, who := range []uuid.UUID{b.patient, b.doctor, b.nurse} {
		b.exec(tb, `INSERT INTO conversation_participants (conversation_id, user_id, joined_at, last_activity_at) VALUES ($1, $2, now(), now())`, id, who)
	}
	return id
}

// message is a message's event in the patient's conversation.
func (b *bundle) message(conversation uuid.UUID) event.Event {
	return event.New(b.cmd, "chat.message_created", care.Ref{Kind: "conversation", ID: conversation}, event.ChatMessage{
		MessageID: uuid.New(), ConversationID: conversation, UserID: b.patient, ClinicID: b.here, AuthorID: b.patient,
	}).About(b.cmd, b.patient, &b.here)
}

// moved returns the event of a person who joined or left.
func (b *bundle) moved(how string, conversation, user uuid.UUID) event.Event {
	return event.New(b.cmd, "chat.participant_"+how, care.Ref{Kind: "conversation", ID: conversation}, event.ChatParticipant{
		ConversationID: conversation, UserID: user, ClinicID: b.here, PatientID: b.patient,
	}).About(b.cmd, user, &b.here)
}

// device returns an event that only its person sees.
func (b *bundle) device(user uuid.UUID) event.Event {
	id := uuid.New()
	return event.New(b.cmd, "device.registered", care.Ref{Kind: "device", ID: id}, event.Device{DeviceID: id, UserID: user, Platform: "web"}).About(b.cmd, user, nil)
}

func (b *bundle) disabled(user uuid.UUID) event.Event {
	return event.New(b.cmd, "user.disabled", care.Ref{Kind: "user", ID: user}, event.User{UserID: user}).About(b.cmd, user, nil)
}

func (b *bundle) membership(typ string, user, clinic uuid.UUID, role care.Role) event.Event {
	return event.New(b.cmd, typ, care.Ref{Kind: "membership", ID: uuid.New()}, event.Membership{
		UserID: user, ClinicID: &clinic, Role: string(role),
	}).About(b.cmd, user, &clinic)
}

func (b *bundle) careTeam(typ string, patient, clinic, member uuid.UUID) event.Event {
	return event.New(b.cmd, typ, care.Ref{Kind: "patient", ID: patient}, event.CareTeam{
		UserID: patient, ClinicID: clinic, MemberID: member,
	}).About(b.cmd, patient, &clinic)
}

// append adds events to the ledger, in order and at once, and wakes the hub.
func (b *bundle) append(tb testing.TB, events ...event.Event) {
	tb.Helper()
	ctx := context.Background()
	require.NoError(tb, postgres.InTx(ctx, b.db.App, func(tx pgx.Tx) error { return outbox.Append(ctx, tx, events...) }))
	for {
		n, err := b.seq.Step(ctx)
		if errors.Is(err, ledger.ErrBusy) {
			continue
		}
		require.NoError(tb, err)
		if n == 0 {
			break
		}
		b.ring()
	}
}

func (b *bundle) ring() {
	for _, wake := range b.wakes {
		select {
		case wake <- struct{}{}:
		default:
		}
	}
}

// client is the other end of a socket. It checks that its transcript is contiguous.
type client struct {
	t       testing.TB
	conn    *websocket.Conn
	cursor  string
	pending []seen
}

type seen struct {
	ID       uuid.UUID `json:"id"`
	Type     string    `json:"type"`
	Position int64     `json:"position"`
}

type frame struct {
	Type, ID, Room, Cursor, From, To, Code, Field, Detail, Reason string
	Events                                                        []seen
	Unread, Unseen                                                int64
}

type option func(url.Values, http.Header, *websocket.Dialer)

func resume(cursor string) option {
	return func(q url.Values, _ http.Header, _ *websocket.Dialer) { q.Set("cursor", cursor) }
}

// bySession opens the socket by a browser's session.
func bySession(id uuid.UUID) option {
	return func(_ url.Values, h http.Header, _ *websocket.Dialer) { h.Set("X-Session", id.String()) }
}

func rooms(names ...string) option {
	return func(q url.Values, _ http.Header, _ *websocket.Dialer) { q["room"] = names }
}

func origin(o string) option {
	return func(_ url.Values, h http.Header, _ *websocket.Dialer) { h.Set("Origin", o) }
}

func protocols(p ...string) option {
	return func(_ url.Values, _ http.Header, d *websocket.Dialer) { d.Subprotocols = p }
}

// unhurried lets a client not read for as long as a slow test takes.
func unhurried(c *realtime.Config) { c.Limits.WriteWait, c.Limits.PongWait = time.Hour, time.Hour }

// narrow makes a client whose network buffers almost nothing.
func narrow(_ url.Values, _ http.Header, d *websocket.Dialer) {
	d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			_ = conn.(*net.TCPConn).SetReadBuffer(32 << 10)
		}
		return conn, err
	}
}

func (b *bundle) try(user uuid.UUID, options ...option) (*websocket.Conn, *http.Response, error) {
	return b.tryAt(b.url, user, options...)
}

// refused tries to open a socket and returns the status of the refusal.
func (b *bundle) refused(tb testing.TB, user uuid.UUID, options ...option) int {
	tb.Helper()
	_, resp, err := b.try(user, options...)
	require.Error(tb, err)
	require.NoError(tb, resp.Body.Close())
	return resp.StatusCode
}

func (b *bundle) tryAt(at string, user uuid.UUID, options ...option) (*websocket.Conn, *http.Response, error) {
	q, h := url.Values{}, http.Header{"X-User": {user.String()}}
	d := websocket.Dialer{Subprotocols: []string{realtime.Subprotocol}, HandshakeTimeout: patience}
	for _, o := range options {
		o(q, h, &d)
	}
	return d.Dial(at+"?"+q.Encode(), h)
}

// dial opens a socket and reads its hello.
func (b *bundle) dial(tb testing.TB, user uuid.UUID, options ...option) *client {
	tb.Helper()
	c := b.open(tb, user, options...)
	f := c.next()
	require.Equal(tb, "hello", f.Type, "%+v", f)
	return c
}

func (b *bundle) open(tb testing.TB, user uuid.UUID, options ...option) *client {
	tb.Helper()
	return b.openAt(tb, b.url, user, options...)
}

func (b *bundle) openAt(tb testing.TB, at string, user uuid.UUID, options ...option) *client {
	tb.Helper()
	conn, resp, err := b.tryAt(at, user, options...)
	require.NoError(tb, err)
	_ = resp.Body.Close()
	c := &client{t: tb, conn: conn}
	tb.Cleanup(func() { _ = conn.Close() })
	return c
}

func (c *client) read() (frame, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return frame{}, err
	}
	var f frame
	_, msg, err := c.conn.ReadMessage()
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(msg, &f); err != nil {
		return f, fmt.Errorf("%s: %w", msg, err)
	}
	switch f.Type {
	case "hello":
		c.cursor = f.Cursor
	case "events":
		if f.From != c.cursor {
			return f, fmt.Errorf("a frame from %s after one to %s", f.From, c.cursor)
		}
		c.cursor = f.To
	}
	return f, nil
}

func (c *client) next() frame {
	c.t.Helper()
	f, err := c.read()
	require.NoError(c.t, err)
	return f
}

// event returns the next event, and skips frames without events.
func (c *client) event() seen {
	c.t.Helper()
	for len(c.pending) == 0 {
		f := c.next()
		require.Equal(c.t, "events", f.Type, "%+v", f)
		c.pending = f.Events
	}
	e := c.pending[0]
	c.pending = c.pending[1:]
	return e
}

// gets checks which events come next.
func (c *client) gets(events ...event.Event) {
	c.t.Helper()
	for _, want := range events {
		got := c.event()
		require.Equal(c.t, want.ID, got.ID, "wanted %s, got %s", want.Type, got.Type)
	}
}

// control returns the next frame other than events.
func (c *client) control() frame {
	c.t.Helper()
	for {
		if f := c.next(); f.Type != "events" {
			return f
		}
	}
}

func (c *client) says(msg any) {
	c.t.Helper()
	require.NoError(c.t, c.conn.WriteJSON(msg))
}

// closes reads to the end and checks the code.
func (c *client) closes(code int) {
	c.t.Helper()
	for {
		if _, err := c.read(); err != nil {
			var closed *websocket.CloseError
			require.ErrorAs(c.t, err, &closed)
			require.Equal(c.t, code, closed.Code)
			return
		}
	}
}

type ask struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Room  string `json:"room,omitempty"`
	Token string `json:"token,omitempty"`
}
