package app

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"carewire/internal/config"
	"carewire/internal/config/providerfile"
)

// ProviderUse describes a provider as the service would use it, without its credentials.
type ProviderUse struct {
	Channel string `json:"channel"`
	// Order is when it is tried: providers of a lower order first.
	Order int    `json:"order"`
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	// Share is its part of the messages among the providers of the same order, 0 to 1.
	Share float64 `json:"share"`
	// MaxRate is in messages a second of each instance; 0 means as many as the provider accepts.
	MaxRate float64 `json:"maxRate"`
	// Credentials are references such as "secret: env TWILIO_SECRET", each of which can be read; empty
	// for those that the provider's SDK searches for.
	Credentials []string `json:"credentials"`
	// FromSettings is true if the settings of the channel configure it, and not the file.
	FromSettings bool `json:"fromSettings"`
}

// ProviderError is an error in a provider file, with its line, field and remedy.
type ProviderError struct {
	Line    int    `json:"line"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// CheckProviders returns the providers that a service with the settings and the provider file src
// would use, by channel and in the order in which they are tried, and warnings; or every error in
// the file and in settings that do not fit it. Without a file (src is nil) the providers are those of
// the settings. It reads the credentials and opens the clients, but calls no provider.
func CheckProviders(ctx context.Context, cfg config.Config, src []byte) (uses []ProviderUse, warnings []string, err error) {
	cfg.BaseURL = cmp.Or(cfg.BaseURL, "http://"+cfg.Addr)
	var all listed
	if src != nil {
		if all, err = parseProviders(cfg, src); err != nil {
			return nil, nil, err
		}
	}
	opened, err := openClients(ctx, cfg, all)
	if err != nil {
		return nil, nil, err
	}
	closeClients(opened)
	for _, c := range channels {
		switch providers, ok := all[c.Name]; {
		case ok:
			uses = append(uses, usesOf(providers)...)
		case c.configured(cfg):
			u := ProviderUse{
				Channel: c.Name, Order: 1, Name: cmp.Or(c.provider, c.Name), Kind: cmp.Or(c.provider, c.Name), Share: 1, FromSettings: true, Credentials: []string{},
			}
			if c.maxRate != nil {
				u.MaxRate = c.maxRate(cfg)
			}
			uses = append(uses, u)
		}
	}
	return uses, providerWarnings(cfg, all), nil
}

// usesOf describes the providers of a channel, in the order in which they are tried.
func usesOf(providers []providerfile.Provider) []ProviderUse {
	var uses []ProviderUse
	weights := map[int]float64{}
	for i, p := range providers {
		u := ProviderUse{
			Channel: p.Channel, Order: cmp.Or(p.Order, i+1), Name: p.Name, Kind: p.Kind, Share: cmp.Or(p.Weight, 1), MaxRate: p.MaxRate, Credentials: []string{},
		}
		for _, key := range slices.Sorted(maps.Keys(p.Secrets)) {
			u.Credentials = append(u.Credentials, key+": "+p.Secrets[key].String())
		}
		weights[u.Order] += u.Share
		uses = append(uses, u)
	}
	for i := range uses {
		uses[i].Share /= weights[uses[i].Order]
	}
	slices.SortStableFunc(uses, func(a, b ProviderUse) int { return cmp.Compare(a.Order, b.Order) })
	return uses
}

// ProviderErrors returns the errors of CheckProviders, or none if it failed for another reason.
func ProviderErrors(err error) []ProviderError {
	all := []ProviderError{}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return all
	}
	for _, one := range joined.Unwrap() {
		if e, ok := errors.AsType[*providerfile.Error](one); ok {
			all = append(all, ProviderError{e.Line, e.Field, e.Message})
		}
	}
	return all
}
