package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v5"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
	"carewire/internal/httpapi/problem"
	"carewire/internal/realtime"
)

// Ticket is the credential for one socket.
type Ticket struct {
	Ticket    string    `json:"ticket" doc:"The value of ?ticket= of /api/socket. It is valid once."`
	ExpiresAt time.Time `json:"expiresAt" format:"date-time" doc:"30 seconds after the request."`
}

func registerSocket(api *httpapi.Server, dir *directory.Service, hub *realtime.Hub) {
	type output struct{ Body Ticket }
	httpapi.Register(api, httpapi.Operation{
		ID: "issue-socket-ticket", Method: http.MethodPost, Path: "/api/socket/tickets",
		Tag: "realtime", Action: care.SelfManage,
		Status: http.StatusCreated, Repeatable: true,
		Summary: "Issue a socket ticket",
		Description: "A browser cannot send a token with a WebSocket handshake: it opens `GET " +
			"/api/socket?ticket=…` instead. The ticket is valid once, for 30 seconds, on any " +
			"instance. It ends with the browser session that requested it, and so does its " +
			"socket. `GET /api/socket` speaks the subprotocol `carewire.v1`; `?cursor=` resumes.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*output, error) {
		ticket, expiresAt, err := dir.CreateTicket(ctx, httpapi.SessionOf(ctx))
		return &output{Ticket{ticket, expiresAt.UTC()}}, err
	})
	api.Handle(http.MethodGet, httpapi.SocketPath, httpapi.Access{Action: care.SelfManage, Own: true}, func(c *echo.Context) error {
		if hub == nil {
			return problem.RoleMissing("sockets", "realtime")
		}
		r := c.Request()
		since := hub.Head() // Before the person is read: the hub applies later changes of their rights.
		session, err := socketSession(api, dir, r)
		if err != nil {
			return err
		}
		w := httpapi.TrackHijack(c.Response(), r)
		return hub.Serve(w, r, realtime.Session{
			ID: session.ID, Actor: session.Actor, Since: since, ExpiresAt: session.ExpiresAt, Client: httpapi.CommandOf(r.Context()).Client,
		}, r.URL.Query().Get("cursor"))
	})
}

// socketSession authenticates the handshake by bearer token or by ticket, never by cookie.
func socketSession(api *httpapi.Server, dir *directory.Service, r *http.Request) (directory.Session, error) {
	ticket := r.URL.Query().Get("ticket")
	if ticket == "" || r.Header.Get("Authorization") != "" {
		return api.AuthenticateBearer(r, care.SelfManage)
	}
	return api.AuthenticateSecret(r, care.SelfManage, func(ctx context.Context) (directory.Session, error) {
		return dir.RedeemTicket(ctx, ticket)
	})
}
