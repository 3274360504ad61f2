package auth

import (
	"context"
	"errors"

	lru "github.com/hashicorp/golang-lru/v2"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// cachedActors limits the cache of an instance. An entry is an actor with its roles, about 1 KiB.
const cachedActors = 10_000

// ActorCache caches actors with their roles between requests, so that the hot routes need no query for them.
//
// A cached actor is never trusted: every transaction on its behalf first checks that its version (care.Actor.CachedVersion) is
// current, on whichever instance it changed. If it is not, nothing was done; the actor is loaded and the handler runs again. An
// error, too, counts only once the actor is known to be current.
type ActorCache struct {
	directory *directory.Service
	actors    *lru.Cache[subject, care.Actor]
}

// subject is a person at their identity provider.
type subject struct{ issuer, subject string }

// NewActorCache returns an empty cache of the directory's actors.
func NewActorCache(dir *directory.Service) (*ActorCache, error) {
	actors, err := lru.New[subject, care.Actor](cachedActors)
	return &ActorCache{directory: dir, actors: actors}, err
}

// Get returns the cached actor of the identity, if there is one.
func (c *ActorCache) Get(identity directory.Identity) (care.Actor, bool) {
	return c.actors.Get(subject{identity.Issuer, identity.Subject})
}

// Load reads the identity's actor from the directory and caches a person. The returned actor is current and has no
// CachedVersion; version is the person's, or 0 for an actor that cannot be cached.
func (c *ActorCache) Load(ctx context.Context, identity directory.Identity) (actor care.Actor, version int64, err error) {
	actor, err = c.directory.GetCachedActor(ctx, identity)
	key := subject{identity.Issuer, identity.Subject}
	if err == nil && actor.CachedVersion != 0 {
		c.actors.Add(key, actor)
	} else {
		c.actors.Remove(key)
	}
	version, actor.CachedVersion = actor.CachedVersion, 0
	return actor, version, err
}

// ShouldRetry reports whether a handler that returned err must run again as the returned actor, because used, the actor that it
// ran for, was cached and has changed. If the actor cannot be loaded, or may not sign in any more, the returned error replaces
// err; otherwise it is err.
func (c *ActorCache) ShouldRetry(ctx context.Context, identity directory.Identity, used care.Actor, err error) (care.Actor, bool, error) {
	if used.CachedVersion == 0 || care.CodeOf(err) == care.Unavailable {
		return used, false, err // After an Unavailable the command may have been carried out.
	}
	actor, version, failed := c.Load(ctx, identity)
	if failed != nil {
		return actor, false, failed
	}
	return actor, errors.Is(err, care.ErrActorChanged) || actor.UserID != used.UserID || version != used.CachedVersion, err
}
