package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/ledger"
	"carewire/internal/notify"
)

// Operations is what operators do beside what the API's own database role may. Whoever calls it has seen to it that the
// actor may; each redrive leaves an event with the command's actor.
type Operations interface {
	// RedriveFailure lets a follower's handler work on an event that it passed over. What it still cannot handle is
	// care.Conflict.
	RedriveFailure(ctx context.Context, cmd care.Command, follower string, position int64) error
	// RedriveDelivery is notify.Redrive.
	RedriveDelivery(ctx context.Context, cmd care.Command, id uuid.UUID) error
	// ListDeadLetters is ledger.ListDeadLetters.
	ListDeadLetters(ctx context.Context, after int64, limit int32) ([]ledger.DeadLetter, error)
	// RedriveDeadLetter is ledger.Requeue.
	RedriveDeadLetter(ctx context.Context, cmd care.Command, id int64) error
}

// FollowerList is where each follower stands.
type FollowerList struct {
	Items []ledger.FollowerStatus `json:"items"`
}

// FailurePage is one page of what a follower passed over.
type FailurePage struct {
	Items []ledger.Failure `json:"items"`
	Next  string           `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// DeliveryPage is one page of deliveries.
type DeliveryPage struct {
	Items []notify.DeliveryStatus `json:"items"`
	Next  string                  `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// RejectionPage is one page of outbox rows that the ledger refused.
type RejectionPage struct {
	Items []ledger.DeadLetter `json:"items"`
	Next  string              `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// addFollowers adds the routes of what follows the ledger.
func (s *Server) addFollowers() {
	type output struct{ Body FollowerList }
	register(s, operation{
		id: "list-followers", method: http.MethodGet, path: "/api/followers", tag: "operate", summary: "See where the followers stand",
		description: "Each follower of the ledger: how far it is, how much it has not come to yet, and how much it passed over.",
		refusals:    []care.Code{care.Forbidden},
	}, care.OperationsRead, func(ctx context.Context, _ *struct{}) (*output, error) {
		all, err := ledger.ListFollowers(ctx, s.cfg.Writer.Pool())
		return &output{FollowerList{all}}, err
	})

	type listInput struct {
		Name string `path:"name" maxLength:"100" doc:"The follower's name, as /api/followers tells it."`
		Paging
	}
	type listOutput struct{ Body FailurePage }
	register(s, operation{
		id: "list-follower-failures", method: http.MethodGet, path: "/api/followers/{name}/failures", tag: "operate", summary: "List what a follower passed over",
		description: "The events that the follower could not handle and passed over, the oldest first, until they are redriven. An error tells classes and codes, never data.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.OperationsRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := s.followerFailures(ctx, in.Name, in.Paging)
		return &listOutput{page}, err
	})

	type redriveInput struct {
		Name     string `path:"name" maxLength:"100" doc:"The follower's name, as /api/followers tells it."`
		Position int64  `path:"position" minimum:"1" doc:"The event's place in the ledger."`
	}
	register(s, operation{
		id: "redrive-follower-failure", method: http.MethodPost, path: "/api/followers/{name}/failures/{position}/redrive", tag: "operate", summary: "Let a follower handle an event that it passed over",
		repeatable:  true,
		description: "Alone and out of order; once mended, it is redriven once. One that still cannot be handled is refused with 409 and keeps the new error. Who asked for it is in the ledger (`ledger.redriven`). It takes no body.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.OperationsRedrive, func(ctx context.Context, in *redriveInput) (*struct{}, error) {
		return nil, s.cfg.Operations.RedriveFailure(ctx, commandOf(ctx), in.Name, in.Position)
	})
}

func (s *Server) followerFailures(ctx context.Context, name string, in Paging) (page FailurePage, err error) {
	after, err := parseNumberMark(in.Cursor)
	if err != nil {
		return page, err
	}
	all, err := ledger.ListFollowers(ctx, s.cfg.Writer.Pool())
	if err != nil {
		return page, err
	}
	if !slices.ContainsFunc(all, func(f ledger.FollowerStatus) bool { return f.Name == name }) {
		return page, care.Errorf(care.NotFound, "there is no such follower; /api/followers lists those there are")
	}
	found, err := ledger.ListFailures(ctx, s.cfg.Writer.Pool(), name, after, int32(in.Limit)+1)
	page.Items, page.Next = cut(found, in.Limit, func(f ledger.Failure) string { return numberMark(f.Position) })
	return page, err
}

type deliveriesInput struct {
	State       string    `query:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown" doc:"Only those in this state."`
	Channel     string    `query:"channel" doc:"Only those on this channel."`
	Rule        string    `query:"rule" maxLength:"100" doc:"Only those that this rule said to send."`
	RecipientID uuid.UUID `query:"recipientId" format:"uuid" doc:"Only this person's."`
	From        time.Time `query:"from" format:"date-time" doc:"Only those that were planned at this time or later."`
	To          time.Time `query:"to" format:"date-time" doc:"Only those that were planned before this time."`
	Paging
}

// addDeliveries adds the routes of messages.
func (s *Server) addDeliveries() {
	type output struct{ Body DeliveryPage }
	register(s, operation{
		id: "list-deliveries", method: http.MethodGet, path: "/api/deliveries", tag: "operate", summary: "List messages",
		description: "What became of every message, the last planned first: ids, states and codes, never words or addresses. One that changes while it is paged through keeps its place.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.NotificationReview, func(ctx context.Context, in *deliveriesInput) (*output, error) {
		page, err := s.deliveries(ctx, in)
		return &output{page}, err
	})
	for _, p := range s.api.OpenAPI().Paths["/api/deliveries"].Get.Parameters {
		if p.Name == "channel" {
			s.listChannels(p.Schema)
		}
	}

	type redriveInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	register(s, operation{
		id: "redrive-delivery", method: http.MethodPost, path: "/api/deliveries/{id}/redrive", tag: "operate", summary: "Queue a message again",
		repeatable:  true,
		description: "One that failed, was cancelled, whose outcome is unknown, or that was suppressed for want of an address that its recipient has by now; any other is refused with 409. Who asked for it is in the ledger (`notification.planned`). It takes no body.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.OperationsRedrive, func(ctx context.Context, in *redriveInput) (*struct{}, error) {
		return nil, s.cfg.Operations.RedriveDelivery(ctx, commandOf(ctx), in.ID)
	})
}

func (s *Server) deliveries(ctx context.Context, in *deliveriesInput) (page DeliveryPage, err error) {
	before, err := parseMark(in.Cursor, care.AfterAll)
	if err != nil {
		return page, err
	}
	if !in.To.IsZero() && !in.From.Before(in.To) {
		return page, care.InvalidField("from", "must be before to")
	}
	var all []notify.DeliveryStatus
	err = s.cfg.Writer.Read(ctx, infoOf(ctx).actor, func(tx pgx.Tx) (err error) {
		all, err = notify.Deliveries(ctx, tx, notify.DeliveryFilter{
			State: in.State, Channel: in.Channel, Rule: in.Rule, RecipientID: in.RecipientID, From: in.From, To: in.To,
			Before: before, Limit: int32(in.Limit) + 1, Channels: s.cfg.Directory.Channels(),
		})
		return err
	})
	page.Items, page.Next = cut(all, in.Limit, func(d notify.DeliveryStatus) string { return care.PageCursor{Time: d.CreatedAt, ID: d.ID}.String() })
	return page, err
}

// addRejections adds the routes of outbox rows that the ledger refused.
func (s *Server) addRejections() {
	type listInput struct{ Paging }
	type listOutput struct{ Body RejectionPage }
	register(s, operation{
		id: "list-rejected", method: http.MethodGet, path: "/api/outbox/rejected", tag: "operate", summary: "List outbox rows that the ledger refused",
		description: "The oldest first, until they are redriven. What a row holds is not shown: it was put past the checks and can be anything.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.OperationsRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		after, err := parseNumberMark(in.Cursor)
		if err != nil {
			return nil, err
		}
		all, err := s.cfg.Operations.ListDeadLetters(ctx, after, int32(in.Limit)+1)
		var page RejectionPage
		page.Items, page.Next = cut(all, in.Limit, func(r ledger.DeadLetter) string { return numberMark(r.ID) })
		return &listOutput{page}, err
	})

	type redriveInput struct {
		ID int64 `path:"id" minimum:"1"`
	}
	register(s, operation{
		id: "redrive-rejected", method: http.MethodPost, path: "/api/outbox/rejected/{id}/redrive", tag: "operate", summary: "Put an outbox row back that the ledger refused",
		repeatable:  true,
		description: "Once the row or what refused it is mended. One that the outbox itself still refuses, and one that was redriven already, are refused with 409; one that the ledger refuses again is rejected anew, under a new id. Who asked for it is in the ledger (`ledger.redriven`). It takes no body.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.OperationsRedrive, func(ctx context.Context, in *redriveInput) (*struct{}, error) {
		return nil, s.cfg.Operations.RedriveDeadLetter(ctx, commandOf(ctx), in.ID)
	})
}
