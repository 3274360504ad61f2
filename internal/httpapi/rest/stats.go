package rest

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"carewire/internal/httpapi"
	"carewire/internal/outbox"

	"github.com/google/uuid"

	"carewire/internal/analytics"
	"carewire/internal/care"
	"carewire/internal/event"
)

const (
	// statsSpan is how long a time one request may ask for, statsDefault how long it is when it does not say.
	statsSpan    = 31 * 24 * time.Hour
	statsDefault = 24 * time.Hour
	// maxCounts is how many counts one answer holds: all that were asked for, or it is refused.
	maxCounts = 10_000
)

// EventCounts is how many events happened, by hour, clinic and type.
type EventCounts struct {
	Items []analytics.Count `json:"items"`
}

type statsInput struct {
	ClinicID uuid.UUID `query:"clinicId" format:"uuid" doc:"Only this clinic's. Without it: of every clinic that the caller may see."`
	From     time.Time `query:"from" format:"date-time" doc:"The first hour that counts. By default a day before to."`
	To       time.Time `query:"to" format:"date-time" doc:"Hours count that begin before this. By default now; at most 31 days after from."`
	Type     string    `query:"type" maxLength:"100" doc:"Only these types: * stands for one segment, ** for any number." example:"ehr.*.created"`
}

func registerStats(api *httpapi.Server, writer *outbox.Writer) {
	type output struct{ Body EventCounts }
	httpapi.Register(api, httpapi.Operation{
		ID: "event-counts", Method: http.MethodGet, Path: "/api/stats/events", Tag: "stats", Action: care.StatsRead,
		Summary:     "Count events",
		Description: "How many events of each type happened at each clinic in each hour (UTC), the oldest hour first; an hour without events is left out. An administrator sees their clinics, an operator all and what belongs to no clinic. The counts follow the ledger within seconds.",
		Refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *statsInput) (*output, error) {
		filter, err := statsFilter(ctx, api, in)
		if err != nil {
			return nil, err
		}
		counts, err := analytics.Counts(ctx, writer.Pool(), filter)
		if len(counts) > maxCounts {
			return nil, care.InvalidField("from", "asks for more than %d counts; name a shorter time, one clinic or one type", maxCounts)
		}
		return &output{EventCounts{counts}}, err
	})
}

// statsFilter checks what is asked for, and that the actor may see it. A refusal is committed to the audit trail.
func statsFilter(ctx context.Context, api *httpapi.Server, in *statsInput) (analytics.Filter, error) {
	actor := httpapi.ActorOf(ctx)
	f := analytics.Filter{
		Clinics: actor.ClinicsFor(care.StatsRead, care.SameClinic), EveryClinic: actor.MayOnPlatform(care.StatsRead),
		Type: event.Pattern(in.Type), Limit: maxCounts + 1,
	}
	if !f.EveryClinic && (len(f.Clinics) == 0 || (in.ClinicID != uuid.Nil && !slices.Contains(f.Clinics, in.ClinicID))) {
		return f, api.Deny(ctx, care.StatsRead, "events are counted for administrators of the clinic and for operators")
	}
	if in.ClinicID != uuid.Nil {
		f.Clinics, f.EveryClinic = []uuid.UUID{in.ClinicID}, false
	}
	if f.Type != "" && f.Type.Validate() != nil {
		return f, care.InvalidField("type", "must be an event type or a pattern such as ehr.*.created")
	}
	f.To = cmp.Or(in.To, time.Now())
	f.From = cmp.Or(in.From, f.To.Add(-statsDefault)).Truncate(time.Hour)
	switch span := f.To.Sub(f.From); {
	case span <= 0:
		return f, care.InvalidField("from", "must be before to")
	case span > statsSpan+time.Hour: // from was brought back to the beginning of its hour.
		return f, care.InvalidField("from", "must be at most 31 days before to")
	}
	return f, nil
}
