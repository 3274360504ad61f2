package ehr

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
)

// clinicLimits are a clinic's own critical limits in one version. A nil one is that of a clinic, or of a kind, without any.
type clinicLimits struct {
	version int64
	limits  map[limitKey]criticalLimit
}

// limitKey is what one limit is for.
type limitKey struct{ system, code, unit string }

// noUnit is UCUM's unit of what has none. Results without a unit are measured by a limit in it.
const noUnit = "1"

// of returns the clinic's limit for the code and unit.
func (c *clinicLimits) of(code Coding, unit string) (criticalLimit, bool) {
	if c == nil || len(c.limits) == 0 {
		return criticalLimit{}, false
	}
	if unit == "" {
		unit = noUnit
	}
	l, ok := c.limits[limitKey{code.System, code.Code, unit}]
	return l, ok
}

// asked returns the version that the statement that writes must find in force, or a negative number where it need not look.
func (c *clinicLimits) asked() int64 {
	if c == nil {
		return -1
	}
	return c.version
}

// maxKeptClinics bounds what one cache holds; past it, all of it is read again.
const maxKeptClinics = 10_000

// limitCache keeps the clinics' critical limits from one write for the next, so that the hot path is spared a round trip. It is
// never believed: the statement that writes a record asks whether the version that it was judged by is still in force, on
// whichever instance that changed. A nil cache is that of a kind without findings: it holds nil for every clinic.
type limitCache struct {
	mu   sync.RWMutex
	kept map[uuid.UUID]*clinicLimits
}

// none are the limits of a clinic that never set any.
var none = &clinicLimits{}

// get returns what is kept of the clinic, or no limits: most clinics have none.
func (c *limitCache) get(clinicID uuid.UUID) *clinicLimits {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if l := c.kept[clinicID]; l != nil {
		return l
	}
	return none
}

func (c *limitCache) put(clinicID uuid.UUID, l *clinicLimits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || len(c.kept) >= maxKeptClinics {
		c.kept = map[uuid.UUID]*clinicLimits{}
	}
	c.kept[clinicID] = l
}

// judgings is how often a write is judged again because the limits changed meanwhile.
const judgings = 5

// judging runs write with the clinic's limits, and again with those in force where write finds that they have changed. Nothing
// was written then.
func (c *limitCache) judging(ctx context.Context, writer *outbox.Writer, cmd care.Command, clinicID uuid.UUID, write func(*clinicLimits) error) error {
	if c == nil {
		return write(nil)
	}
	limits := c.get(clinicID)
	for range judgings {
		err := write(limits)
		if !slices.Contains(postgres.FailedChecks(err), "limits") {
			return err
		}
		err = writer.Read(ctx, cmd.Actor, func(tx pgx.Tx) error {
			limits, err = c.load(ctx, tx, clinicID)
			return err
		})
		if err != nil {
			return err
		}
	}
	return care.Errorf(care.Conflict, "the clinic's critical limits are being changed at this moment: send the request again")
}

// inTx returns the clinic's limits for a record that is locked, where the version in force is known.
func (c *limitCache) inTx(ctx context.Context, tx pgx.Tx, clinicID uuid.UUID, version int64) (*clinicLimits, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // No limits.
	}
	if l := c.get(clinicID); l.version == version {
		return l, nil
	}
	return c.load(ctx, tx, clinicID)
}

// load reads the clinic's limits and keeps them.
func (c *limitCache) load(ctx context.Context, tx pgx.Tx, clinicID uuid.UUID) (*clinicLimits, error) {
	all, err := c.ofClinics(ctx, tx, []uuid.UUID{clinicID})
	if err != nil {
		return nil, err
	}
	l := all[clinicID]
	if l == nil {
		l = none
	}
	c.put(clinicID, l)
	return l, nil
}

// ofClinics reads the limits of the clinics, all in one statement; clinics without any are left out.
func (c *limitCache) ofClinics(ctx context.Context, tx pgx.Tx, clinicIDs []uuid.UUID) (map[uuid.UUID]*clinicLimits, error) {
	all := map[uuid.UUID]*clinicLimits{}
	if c == nil || len(clinicIDs) == 0 {
		return all, nil
	}
	rows, err := db.New(tx).CriticalLimitList(ctx, clinicIDs)
	if err != nil {
		return nil, fmt.Errorf("read critical limits: %w", err)
	}
	for _, row := range rows {
		l := all[row.ClinicID]
		if l == nil {
			l = &clinicLimits{version: row.Version, limits: map[limitKey]criticalLimit{}}
			all[row.ClinicID] = l
		}
		if row.Code != nil {
			l.limits[limitKey{*row.CodeSystem, *row.Code, *row.Unit}] = newLimit(*row.Unit, row.Low, row.High)
		}
	}
	return all, nil
}

// newLimit returns a limit of which one side may be open.
func newLimit(unit string, low, high *float64) criticalLimit {
	l := criticalLimit{unit: unit, low: math.Inf(-1), high: math.Inf(1)}
	if low != nil {
		l.low = *low
	}
	if high != nil {
		l.high = *high
	}
	return l
}
