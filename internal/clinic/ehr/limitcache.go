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

// clinicLimits is one version of a clinic's critical limits. A nil *clinicLimits has no limits.
type clinicLimits struct {
	version int64
	limits  map[limitKey]criticalLimit
}

// limitKey identifies one limit.
type limitKey struct{ system, code, unit string }

// noUnit is UCUM's unit of dimensionless values. Limits in this unit apply to results without a
// unit.
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

// expectedVersion returns the version that must be in force when the record is written, or a
// negative number if the statement must not check.
func (c *clinicLimits) expectedVersion() int64 {
	if c == nil {
		return -1
	}
	return c.version
}

// maxCachedClinics bounds the cache. When it is full, the whole cache is cleared.
const maxCachedClinics = 10_000

// limitCache caches the critical limits of clinics, which saves the hot path a round trip. It may
// be stale: the statement that writes a record checks that the version used is still in force,
// regardless of the instance that changed it. A nil *limitCache is the cache of a kind without
// findings: it returns nil for every clinic.
type limitCache struct {
	mu   sync.RWMutex
	kept map[uuid.UUID]*clinicLimits
}

// none are the limits of a clinic that never set any.
var none = &clinicLimits{}

// get returns the cached limits of the clinic, or no limits, which is correct for most clinics.
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
	if c.kept == nil || len(c.kept) >= maxCachedClinics {
		c.kept = map[uuid.UUID]*clinicLimits{}
	}
	c.kept[clinicID] = l
}

// maxAttempts is the maximum number of attempts if the limits change concurrently.
const maxAttempts = 5

// withLimits runs write with the clinic's limits. If write finds that they have changed, it has
// written nothing, and judging runs it again with the limits in force.
func (c *limitCache) withLimits(ctx context.Context, writer *outbox.Writer, cmd care.Command, clinicID uuid.UUID, write func(*clinicLimits) error) error {
	if c == nil {
		return write(nil)
	}
	limits := c.get(clinicID)
	for range maxAttempts {
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
	return care.Errorf(care.Conflict, "the clinic's critical limits changed during the request: retry it")
}

// inTx returns the clinic's limits for a locked record; version is the version in force.
func (c *limitCache) inTx(ctx context.Context, tx pgx.Tx, clinicID uuid.UUID, version int64) (*clinicLimits, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // No limits.
	}
	if l := c.get(clinicID); l.version == version {
		return l, nil
	}
	return c.load(ctx, tx, clinicID)
}

// load reads the clinic's limits and caches them.
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

// ofClinics reads the limits of the clinics in one statement. Clinics without limits are not in the
// result.
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

// newLimit returns a limit; a nil side is open.
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
