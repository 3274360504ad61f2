package rest

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"carewire/internal/analytics"
	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
)

const (
	// statsSpan is the longest time span of a request, statsDefault the default.
	statsSpan    = 31 * 24 * time.Hour
	statsDefault = 24 * time.Hour
	// maxCounts is the largest number of counts in an answer. A request for more is refused, not
	// truncated.
	maxCounts = 10_000
)

// EventCounts are the numbers of events by hour, clinic and type.
type EventCounts struct {
	Items []analytics.Count `json:"items"`
}

type statsInput struct {
	ClinicID uuid.UUID `query:"clinicId" format:"uuid" doc:"Only this clinic's events. The default is all clinics that the caller may see."`
	From     time.Time `query:"from" format:"date-time" doc:"The first hour to count. The default is a day before to."`
	To       time.Time `query:"to" format:"date-time" doc:"Hours that start before this time are counted. The default is now; at most 31 days after from."`
	Type     string    `query:"type" maxLength:"100" doc:"Only these types: * matches one segment, ** any number." example:"ehr.*.created"`
}

func registerStats(api *httpapi.Server, writer *outbox.Writer) {
	type output struct{ Body EventCounts }
	httpapi.Register(api, httpapi.Operation{
		ID: "event-counts", Method: http.MethodGet, Path: "/api/stats/events", Tag: "stats", Action: care.StatsRead,
		Summary: "Count events",
		Description: "The number of events of each type at each clinic in each hour (UTC), " +
			"oldest hour first; hours without events are left out. Administrators see their " +
			"clinics; operators see all clinics and events without a clinic. The counts follow " +
			"the ledger within seconds.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *statsInput) (*output, error) {
		filter, err := statsFilter(ctx, api, in)
		if err != nil {
			return nil, err
		}
		counts, err := analytics.ListCounts(ctx, writer.Pool(), filter)
		if len(counts) > maxCounts {
			return nil, care.InvalidField("from", "returns more than %d counts; select a shorter time, one clinic or one type", maxCounts)
		}
		return &output{EventCounts{counts}}, err
	})
}

// statsFilter validates the request and checks that the actor may see the counts.
func statsFilter(ctx context.Context, api *httpapi.Server, in *statsInput) (analytics.Filter, error) {
	f := analytics.Filter{Type: event.Pattern(in.Type), Limit: maxCounts + 1}
	var err error
	if f.Clinics, f.EveryClinic, err = statsClinics(ctx, api, in.ClinicID); err != nil {
		return f, err
	}
	if f.Type != "" && f.Type.Validate() != nil {
		return f, care.InvalidField("type", "must be an event type or a pattern such as ehr.*.created")
	}
	f.To = cmp.Or(in.To, time.Now())
	f.From = cmp.Or(in.From, f.To.Add(-statsDefault)).Truncate(time.Hour)
	return f, checkSpan(f.From, f.To)
}

// statsClinics returns the clinics whose counts the actor may see, or the one that is asked for.
// A denial is committed to the audit trail.
func statsClinics(ctx context.Context, api *httpapi.Server, clinic uuid.UUID) (clinics []uuid.UUID, every bool, err error) {
	actor := httpapi.ActorOf(ctx)
	clinics, every = actor.ClinicsFor(care.StatsRead, care.SameClinic), actor.MayOnPlatform(care.StatsRead)
	if !every && (len(clinics) == 0 || (clinic != uuid.Nil && !slices.Contains(clinics, clinic))) {
		return nil, false, api.Deny(ctx, care.StatsRead, "only administrators of the clinic and operators can read counts")
	}
	if clinic != uuid.Nil {
		return []uuid.UUID{clinic}, false, nil
	}
	return clinics, every, nil
}

// checkSpan checks the time span of counts.
func checkSpan(from, to time.Time) error {
	switch span := to.Sub(from); {
	case span <= 0:
		return care.InvalidField("from", "must be before to")
	case span > statsSpan+time.Hour: // from may be truncated to the hour.
		return care.InvalidField("from", "must be at most 31 days before to")
	}
	return nil
}
