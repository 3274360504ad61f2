package rest

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"carewire/internal/analytics"
	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
)

// deliveryStatsDefault is the default time span of a request.
const deliveryStatsDefault = 7 * 24 * time.Hour

// DeliveryCounts are the numbers of messages by day and outcome.
type DeliveryCounts struct {
	Items []analytics.DeliveryCount `json:"items"`
}

type deliveryStatsInput struct {
	ClinicID uuid.UUID `query:"clinicId" format:"uuid" doc:"Only this clinic's messages. The default is all clinics that the caller may see."`
	Channel  string    `query:"channel" maxLength:"31" doc:"Only this channel." example:"email"`
	Rule     string    `query:"rule" maxLength:"100" doc:"Only this rule's messages." example:"critical-result"`
	From     time.Time `query:"from" format:"date-time" doc:"The first day (UTC) to count is the one of this time. The default is seven days before to."`
	To       time.Time `query:"to" format:"date-time" doc:"The last day (UTC) to count is the one of this time. The default is now; at most 31 days after from."`
	By       []string  `query:"by" enum:"clinic,channel,provider,rule" maxItems:"4" doc:"The counts are separate for each value of these, comma-separated. The default is channel and provider."`
}

func registerDeliveryStats(api *httpapi.Server, writer *outbox.Writer, channels []string) {
	type output struct{ Body DeliveryCounts }
	httpapi.Register(api, httpapi.Operation{
		ID: "delivery-counts", Method: http.MethodGet, Path: "/api/stats/deliveries", Tag: "stats", Action: care.StatsRead,
		Summary: "Count messages by outcome",
		Description: "The number of messages with each outcome on each day (UTC), oldest day first, " +
			"by channel, provider, rule or clinic. A message counts once in each outcome that it " +
			"reached: one that was read counts in sent, delivered and read. Administrators see " +
			"their clinics; operators see all. The counts follow the ledger within seconds.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *deliveryStatsInput) (*output, error) {
		filter, err := deliveryStatsFilter(ctx, api, in)
		if err != nil {
			return nil, err
		}
		counts, err := analytics.ListDeliveryCounts(ctx, writer.Pool(), filter)
		if len(counts) > maxCounts {
			return nil, care.InvalidField("from", "returns more than %d counts; select a shorter time or fewer values of by", maxCounts)
		}
		return &output{DeliveryCounts{counts}}, err
	})
	restrictChannel(api, "/api/stats/deliveries", channels)
}

// deliveryStatsFilter validates the request and checks that the actor may see the counts.
func deliveryStatsFilter(ctx context.Context, api *httpapi.Server, in *deliveryStatsInput) (analytics.DeliveryFilter, error) {
	f := analytics.DeliveryFilter{Channel: in.Channel, Rule: in.Rule, By: in.By, Limit: maxCounts + 1}
	if len(f.By) == 0 {
		f.By = []string{"channel", "provider"}
	}
	var err error
	if f.Clinics, f.EveryClinic, err = statsClinics(ctx, api, in.ClinicID); err != nil {
		return f, err
	}
	f.Last = cmp.Or(in.To, time.Now())
	f.First = cmp.Or(in.From, f.Last.Add(-deliveryStatsDefault))
	return f, checkSpan(f.First, f.Last)
}
