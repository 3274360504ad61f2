package rest

import (
	"context"
	"net/http"
	"time"

	"carewire/internal/httpapi"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/realtime"
)

// Ticket opens one socket.
type Ticket struct {
	Ticket    string    `json:"ticket" doc:"Put it into ?ticket= of /api/socket. It works once."`
	ExpiresAt time.Time `json:"expiresAt" format:"date-time" doc:"30 seconds from now."`
}

func registerSocket(api *httpapi.Server, dir *directory.Service, hub *realtime.Hub) {
	type output struct{ Body Ticket }
	httpapi.Register(api, httpapi.Operation{
		ID: "issue-socket-ticket", Method: http.MethodPost, Path: "/api/socket/tickets", Tag: "realtime", Action: care.SelfManage,
		Status: http.StatusCreated, Repeatable: true,
		Summary:     "Get a ticket for a socket",
		Description: "A browser cannot send a token with a WebSocket's handshake: it opens `GET /api/socket?ticket=…` instead. The ticket is good once, for 30 seconds, on any instance, and ends with the browser's session that asked for it, as does its socket. `GET /api/socket` speaks the subprotocol `carewire.v1`; `?cursor=` resumes.",
		Refusals:    []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*output, error) {
		ticket, expiresAt, err := dir.CreateTicket(ctx, httpapi.SessionOf(ctx))
		return &output{Ticket{ticket, expiresAt.UTC()}}, err
	})
	api.Handle(http.MethodGet, httpapi.SocketPath, httpapi.Access{Action: care.SelfManage, Own: true}, func(c *echo.Context) error {
		if hub == nil {
			return httpapi.RoleMissing("sockets", "realtime")
		}
		r := c.Request()
		session, err := socketSession(api, dir, r)
		if err != nil {
			return err
		}
		w := httpapi.TrackHijack(c.Response(), r)
		return hub.Serve(w, r, realtime.Session(session), r.URL.Query().Get("cursor"))
	})
}

// socketSession returns the session of whoever opens a socket: by bearer token or by ticket, never by cookie.
func socketSession(api *httpapi.Server, dir *directory.Service, r *http.Request) (directory.Session, error) {
	ticket := r.URL.Query().Get("ticket")
	if ticket == "" || r.Header.Get("Authorization") != "" {
		return api.AuthenticateBearer(r, care.SelfManage)
	}
	return api.AuthenticateSecret(r, care.SelfManage, func(ctx context.Context) (directory.Session, error) {
		return dir.RedeemTicket(ctx, ticket)
	})
}
