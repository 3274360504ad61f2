package httpapi

import (
	"context"
	"errors"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// keptActors is how many people an instance keeps.
const keptActors = 10_000

// keeper keeps who somebody is, their roles with it, from one request for the next, so that the hot routes are spared the look-up.
// It is never believed: every transaction in the name of a kept actor begins with the question whether they are still what they
// were, on whichever instance that changed. Where they are not, nothing was done; they are looked up, and the handler runs
// again. A refusal, too, stands only once it is known to be of what they are now.
type keeper struct {
	directory *directory.Service
	actors    *lru[signIn, care.Actor]
}

// signIn is how a person is known to their identity provider.
type signIn struct{ issuer, subject string }

func newKeeper(dir *directory.Service) *keeper {
	return &keeper{directory: dir, actors: newLRU[signIn, care.Actor](keptActors)}
}

// recall gives the request the actor that was kept, if one is.
func (k *keeper) recall(i *info) bool {
	actor, ok := k.actors.get(signIn{i.identity.Issuer, i.identity.Subject})
	if ok {
		i.actor = actor
	}
	return ok
}

// lookUp gives the request the actor as they are now, and keeps a person, of whom it gives the version.
func (k *keeper) lookUp(ctx context.Context, i *info) (version int64, err error) {
	actor, err := k.directory.GetCachedActor(ctx, i.identity)
	key := signIn{i.identity.Issuer, i.identity.Subject}
	if err == nil && actor.CachedVersion != 0 {
		k.actors.put(key, actor)
	} else {
		k.actors.remove(key)
	}
	version, actor.CachedVersion = actor.CachedVersion, 0
	i.actor = actor
	return version, err
}

// again reports whether the handler must run again, as the actor whom it ran for was kept and is not what they were. Where they
// cannot be looked up, or may not sign in any more, that is the answer: it replaces err.
func (k *keeper) again(ctx context.Context, err *error) bool {
	i := infoOf(ctx)
	kept := i.actor
	if kept.CachedVersion == 0 || care.CodeOf(*err) == care.Unavailable {
		return false // What is unavailable may have been done all the same.
	}
	version, failed := k.lookUp(ctx, i)
	if failed != nil {
		*err = failed
		return false
	}
	return errors.Is(*err, care.ErrActorChanged) || i.actor.UserID != kept.UserID || version != kept.CachedVersion
}
