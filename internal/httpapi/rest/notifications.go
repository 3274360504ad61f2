package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/inbox"
	"carewire/internal/notify"
)

// NotificationPage is one page of notifications.
type NotificationPage struct {
	Items []notify.Notification `json:"items"`
	Next  string                `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
	// Unread is nil in an operator's list of all recipients.
	Unread *int64 `json:"unread,omitempty" doc:"The number of the caller's unread notifications, counted up to 1000; left out for operators, and with a state."`
}

type notificationsInput struct {
	Unread         bool      `query:"unread" doc:"true returns only unread notifications."`
	Unacknowledged bool      `query:"unacknowledged" doc:"true returns only notifications that still have to be acknowledged."`
	State          string    `query:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown" doc:"Only those with a delivery in this state; for all but operators planned or cancelled. planned also returns those that are planned for later, which are not in the inbox yet."`
	Channel        string    `query:"channel" enum:"email,push,sms,whatsapp" doc:"For operators: only those with a delivery on this channel, in that state if one is given."`
	RecipientID    uuid.UUID `query:"recipientId" format:"uuid" doc:"For operators: only those of this recipient."`
	From           time.Time `query:"from" format:"date-time" doc:"For operators: only those created at this time or later."`
	To             time.Time `query:"to" format:"date-time" doc:"For operators: only those created before this time."`
	httpapi.Paging
}

// checkOwn refuses filters that are for operators only.
func (in *notificationsInput) checkOwn() error {
	for _, f := range []struct {
		field string
		given bool
	}{
		{"state", in.State != "" && in.State != "planned" && in.State != "cancelled"},
		{"channel", in.Channel != ""},
		{"recipientId", in.RecipientID != uuid.Nil},
		{"from", !in.From.IsZero()},
		{"to", !in.To.IsZero()},
	} {
		if f.given {
			return care.InvalidField(f.field, "is for operators only; others may filter by the states planned and cancelled")
		}
	}
	return nil
}

func registerNotifications(api *httpapi.Server, notifications *notify.Inbox, own *inbox.Service) {
	type output struct{ Body NotificationPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-notifications", Method: http.MethodGet, Path: "/api/notifications",
		Tag: "me", Action: care.SelfManage,
		Summary: "List notifications",
		Description: "The caller's notifications, newest first. Operators get those of all " +
			"recipients, with filters for channel, time and recipient. " + shortPages,
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *notificationsInput) (*output, error) {
		page, err := listNotifications(ctx, notifications, in)
		return &output{page}, err
	})

	type one struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "mark-notification-read", Method: http.MethodPut, Path: "/api/notifications/{id}/read",
		Tag: "me", Action: care.SelfManage,
		Summary: "Mark a notification as read",
		Description: "Marks one of the caller's own notifications as read, as `POST /api/inbox/read` does. " +
			"Repeating it changes nothing. It takes no body.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, own.MarkRead(ctx, httpapi.CommandOf(ctx), in.ID)
	})

	type acknowledged struct{ Body inbox.Acknowledged }
	httpapi.Register(api, httpapi.Operation{
		ID: "acknowledge-notification", Method: http.MethodPost, Path: "/api/notifications/{id}/acknowledge",
		Tag: "me", Action: care.SelfManage, Repeatable: true,
		Summary: "Acknowledge a notification",
		Description: "Acknowledges one of the caller's own notifications, and marks it as read. The steps of its rule's " +
			"escalation that were still to follow end in the same transaction, for everybody who was notified of the " +
			"event. The acknowledgement of the person whom the event is about ends them only if the rule notified nobody " +
			"else. Repeating it changes nothing and answers with the first time. It takes no body.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *one) (*acknowledged, error) {
		a, err := own.Acknowledge(ctx, httpapi.CommandOf(ctx), in.ID)
		return &acknowledged{a}, err
	})
}

func listNotifications(ctx context.Context, notifications *notify.Inbox, in *notificationsInput) (NotificationPage, error) {
	actor := httpapi.ActorOf(ctx)
	before, err := httpapi.ParseCursor(in.Cursor, care.AfterAll)
	if err != nil {
		return NotificationPage{}, err
	}
	filter := notify.NotificationFilter{
		Unread: in.Unread, Unacknowledged: in.Unacknowledged, State: in.State, Channel: in.Channel, RecipientID: in.RecipientID, From: in.From, To: in.To,
		Before: before, Limit: in.Limit,
	}
	if actor.MayOnPlatform(care.NotificationReview) {
		page, err := notifications.ListAll(ctx, actor, filter)
		return NotificationPage{Items: page.Items, Next: page.Next}, err
	}
	if err := in.checkOwn(); err != nil {
		return NotificationPage{}, err
	}
	page, unread, err := notifications.ListOwn(ctx, actor, filter)
	if in.State != "" {
		return NotificationPage{Items: page.Items, Next: page.Next}, err
	}
	return NotificationPage{Items: page.Items, Next: page.Next, Unread: &unread}, err
}
