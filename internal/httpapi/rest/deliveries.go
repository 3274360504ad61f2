package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/notify"
	"carewire/internal/outbox"
)

// shortPages tells clients how to page through a list whose filters are applied while it is read.
const shortPages = "With filters, a page may have fewer items than the limit, or none, although there are more: " +
	"the list ends with the page without `next`."

// DeliveryPage is one page of deliveries.
type DeliveryPage struct {
	Items []notify.DeliveryStatus `json:"items"`
	Next  string                  `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

type deliveriesInput struct {
	State       string    `query:"state" enum:"planned,queued,uncertain,sent,delivered,read,suppressed,cancelled,failed,unknown" doc:"Only those in this state."`
	Channel     string    `query:"channel" doc:"Only those on this channel."`
	Rule        string    `query:"rule" maxLength:"100" doc:"Only those of this rule."`
	RecipientID uuid.UUID `query:"recipientId" format:"uuid" doc:"Only those of this recipient."`
	From        time.Time `query:"from" format:"date-time" doc:"Only those that were planned at this time or later."`
	To          time.Time `query:"to" format:"date-time" doc:"Only those that were planned before this time."`
	httpapi.Paging
}

// registerDeliveries adds the routes of deliveries.
func registerDeliveries(api *httpapi.Server, writer *outbox.Writer, operations Operations, channels []string) {
	type output struct{ Body DeliveryPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-deliveries", Method: http.MethodGet, Path: "/api/deliveries",
		Tag: "operate", Action: care.NotificationReview,
		Summary: "List deliveries",
		Description: "The state of every message, last planned first: ids, states and codes, " +
			"never texts or addresses. A delivery that changes while a client pages through the " +
			"list keeps its place. " + shortPages,
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *deliveriesInput) (*output, error) {
		page, err := listDeliveries(ctx, writer, channels, in)
		return &output{page}, err
	})
	restrictChannel(api, "/api/deliveries", channels)

	type redriveInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "redrive-delivery", Method: http.MethodPost, Path: "/api/deliveries/{id}/redrive",
		Tag: "operate", Action: care.OperationsRedrive,
		Repeatable: true,
		Summary:    "Redrive a delivery",
		Description: "Queues a delivery again that failed, was cancelled, has an unknown " +
			"outcome, or was suppressed because its recipient had no address, if they have one " +
			"now; any other state returns 409. The ledger records the caller " +
			"(`notification.planned`). It takes no body.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *redriveInput) (*struct{}, error) {
		return nil, operations.RedriveDelivery(ctx, httpapi.CommandOf(ctx), in.ID)
	})
}

// restrictChannel makes the channels the only values of the parameter channel of GET path.
func restrictChannel(api *httpapi.Server, path string, channels []string) {
	for _, p := range api.OpenAPI().Paths[path].Get.Parameters {
		if p.Name == "channel" {
			restrict(p.Schema, channels)
		}
	}
}

func listDeliveries(ctx context.Context, writer *outbox.Writer, channels []string, in *deliveriesInput) (page DeliveryPage, err error) {
	before, err := httpapi.ParseCursor(in.Cursor, care.AfterAll)
	if err != nil {
		return page, err
	}
	if !in.To.IsZero() && !in.From.Before(in.To) {
		return page, care.InvalidField("from", "must be before to")
	}
	err = writer.Read(ctx, httpapi.ActorOf(ctx), func(tx pgx.Tx) error {
		all, next, err := notify.Deliveries(ctx, tx, notify.DeliveryFilter{
			State: in.State, Channel: in.Channel, Rule: in.Rule, RecipientID: in.RecipientID, From: in.From, To: in.To,
			Before: before, Limit: in.Limit, Channels: channels,
		})
		page.Items = all
		if next != (care.PageCursor{}) {
			page.Next = next.String()
		}
		return err
	})
	return page, err
}
