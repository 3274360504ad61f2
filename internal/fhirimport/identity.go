package fhirimport

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/fhirimport/fhir"
	"carewire/internal/postgres/db"
)

// The address of a server is part of the identity of its resources. A source has one server of its
// own, in import_sources: the one of Options.BaseURL, else the first that an import of the source
// has seen in a fullUrl, else in a reference. Its resources, and those without an address, have
// their FHIR id as their key. Resources of other servers have their address.

// loadBase reads the address of the source's server, and stores the one of the options if there is
// none yet.
func (r *run) loadBase(ctx context.Context) error {
	err := r.inTx(ctx, func(tx pgx.Tx) (err error) {
		r.base, err = db.New(tx).ImportSourceBase(ctx, r.Source)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look up source: %w", err)
	}
	given := fhir.NormalAddress(strings.TrimRight(r.BaseURL, "/"))
	switch {
	case given == "" || given == r.base:
		return nil
	case r.base != "":
		return care.InvalidField("baseUrl", "the resources of this source are of another server; use another source")
	}
	return r.setBase(ctx, given)
}

// setBase stores the address of the source's server.
func (r *run) setBase(ctx context.Context, base string) error {
	r.base = base
	return r.inTx(ctx, func(tx pgx.Tx) error {
		if err := db.New(tx).ImportSourceInsert(ctx, db.ImportSourceInsertParams{Source: r.Source, BaseUrl: base}); err != nil {
			return fmt.Errorf("store source: %w", err)
		}
		return nil
	})
}

// identify sets the server of the resource.
func (r *run) identify(ctx context.Context, res *fhir.Resource) error {
	base := fhir.Base(res.FullURL)
	if base == "" || base == r.base {
		return nil
	}
	if r.base == "" {
		return r.setBase(ctx, base)
	}
	res.Foreign = base
	return nil
}

// qualify replaces the ids of the draft's keys by those under which resources are stored. A
// relative reference is one to the server of its resource, an absolute one to the server that it
// names.
func (r *run) qualify(ctx context.Context, d *candidate) error {
	encounters, clinics := slices.Clone(d.Encounter), slices.Clone(d.Clinics)
	for _, list := range d.KeyLists() {
		for i := range *list {
			k := &(*list)[i]
			switch {
			case k.IsAlias():
			case fhir.IsURN(k.ID):
				k.ID = fhir.TrimURN(k.ID)
			case fhir.IsAddress(k.ID):
				if err := r.qualifyAddress(ctx, k); err != nil {
					return err
				}
			case d.Resource.Foreign != "":
				k.ID = fhir.AddressID(d.Resource.Foreign + "/" + k.Type + "/" + k.ID)
			}
		}
	}
	d.guess(encounters, clinics)
	return nil
}

func (r *run) qualifyAddress(ctx context.Context, k *fhir.Key) error {
	base := fhir.Base(k.ID)
	if r.base == "" && base != "" {
		if err := r.setBase(ctx, base); err != nil {
			return err
		}
	}
	if base != "" && base == r.base {
		k.ID = k.ID[strings.LastIndexByte(k.ID, '/')+1:]
		return nil
	}
	k.ID = fhir.AddressID(k.ID)
	return nil
}

// occurrence is the place of a resource that a run imports, if the files contain it several times.
type occurrence struct {
	// position is the file's index and the resource's number in it.
	position uint64
	version  fhir.Version
	// content is a hash of the resource, urn one of the URN that its bundle has for it, or 0.
	content, urn uint64
}

// urnHash returns a hash of the URN of a resource, or 0.
func urnHash(res *fhir.Resource) uint64 {
	if !fhir.IsURN(res.FullURL) {
		return 0
	}
	return maphash.String(seeds[0], fhir.TrimURN(res.FullURL))
}

// separate identifies a resource by its URN if another one of its bundle has the same type and id
// and another URN: they are two resources.
func (r *run) separate(res *fhir.Resource) {
	urn := urnHash(res)
	if urn == 0 {
		return
	}
	before, known := r.occurrences[hashKey(res.Key())]
	res.ByURN = known && before.urn != 0 && urn != before.urn && before.position>>32 == r.position>>32 &&
		before.content != maphash.Bytes(seeds[0], res.Raw)
}

// identityHash is a hash of a resource's key. Two hashes of 64 bits make a collision in a run of
// ten million resources less likely than 1 in 10^23.
type identityHash [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func hashKey(k fhir.Key) identityHash {
	var sum identityHash
	for i, seed := range seeds {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.WriteString(k.Type)
		_ = h.WriteByte('/')
		_, _ = h.WriteString(k.ID)
		sum[i] = h.Sum64()
	}
	return sum
}

// The roles of one occurrence of a resource among all in the files.
type role int

const (
	onlyOne    role = iota // The resource has not occurred before.
	replacing              // It replaces the one that was read before.
	superseded             // A newer version was read before.
	repeated               // The same content was read before.
)

// note records an occurrence of a resource, and returns what it is in relation to those before.
func (r *run) note(res *fhir.Resource) role {
	key := hashKey(res.Key())
	now := occurrence{r.position, res.Version, maphash.Bytes(seeds[0], res.Raw), urnHash(res)}
	before, known := r.occurrences[key]
	switch {
	case !known:
		r.occurrences[key] = now
		return onlyOne
	case before.content == now.content && res.Raw != nil:
		return repeated
	case !res.Replaces(before.version):
		return superseded
	}
	r.occurrences[key] = now
	return replacing
}

// isLatest reports whether the resource is the occurrence that is imported. If it is not, listed
// reports whether that is to be listed: it is not for the same content, and for a resource that the
// first stage has refused.
func (r *run) isLatest(res *fhir.Resource) (latest, listed bool) {
	o, known := r.occurrences[hashKey(res.Key())]
	if !known || o.position == r.position {
		return known, false
	}
	return false, res.Raw == nil || o.content != maphash.Bytes(seeds[0], res.Raw)
}
