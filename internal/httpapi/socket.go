package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/realtime"
)

const socketPath = "/api/socket"

// Ticket opens one socket.
type Ticket struct {
	Ticket    string    `json:"ticket" doc:"Put it into ?ticket= of /api/socket. It works once."`
	ExpiresAt time.Time `json:"expiresAt" format:"date-time" doc:"30 seconds from now."`
}

func (s *Server) addSocket() {
	type output struct{ Body Ticket }
	register(s, operation{
		id: "issue-socket-ticket", method: http.MethodPost, path: "/api/socket/tickets", tag: "realtime", summary: "Get a ticket for a socket", status: http.StatusCreated,
		repeatable:  true,
		description: "A browser cannot send a token with a WebSocket's handshake: it opens `GET /api/socket?ticket=…` instead. The ticket is good once, for 30 seconds, on any instance, and ends with the browser's session that asked for it, as does its socket. `GET /api/socket` speaks the subprotocol `carewire.v1`; `?cursor=` resumes.",
		refusals:    []care.Code{care.Forbidden},
	}, care.SelfManage, func(ctx context.Context, _ *struct{}) (*output, error) {
		i := infoOf(ctx)
		ticket, expiresAt, err := s.cfg.Directory.CreateTicket(ctx, directory.Session{ID: i.session, Actor: i.actor, ExpiresAt: i.expiresAt})
		return &output{Ticket{ticket, expiresAt.UTC()}}, err
	})
	s.handle(http.MethodGet, socketPath, access{action: care.SelfManage, own: true}, s.socket)
}

// socket hands the connection to the hub. Who asks is known by bearer token or by ticket, never by cookie.
func (s *Server) socket(c *echo.Context) error {
	r := c.Request()
	if s.cfg.Hub == nil {
		return roleMissing("sockets", "realtime")
	}
	session, err := s.socketSession(r)
	if err != nil {
		return err
	}
	i := infoOf(r.Context())
	i.actor = session.Actor
	if err := s.perSubject.allow(i.actor.ID); err != nil {
		return err
	}
	if err := s.authorize(r.Context(), care.SelfManage); err != nil {
		return err
	}
	w := &hijackNoticer{Response: c.Response(), info: i}
	return s.cfg.Hub.Serve(w, r, session, r.URL.Query().Get("cursor"))
}

func (s *Server) socketSession(r *http.Request) (realtime.Session, error) {
	var i info
	err := s.counted(r, s.doubtful, func() error {
		ticket := r.URL.Query().Get("ticket")
		if ticket == "" || r.Header.Get("Authorization") != "" {
			return s.byBearer(r, &i, false)
		}
		session, err := s.cfg.Directory.RedeemTicket(r.Context(), ticket)
		i.actor, i.expiresAt, i.session = session.Actor, session.ExpiresAt, session.ID
		return err
	})
	return realtime.Session{ID: i.session, Actor: i.actor, ExpiresAt: i.expiresAt}, err
}
