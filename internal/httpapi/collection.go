package httpapi

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// Collection is a collection of subjects of one kind, with the functions by which its routes read
// them. Pages read through the same functions, so that a page has the access checks and the audit
// events of the REST API.
type Collection struct {
	// Kind is the kind of the subjects, such as "lab_report"; Path is the path of the collection.
	Kind, Path string
	// Get returns a subject, and List a page of those that the caller may see and the cursor of the
	// next one. Both are nil for subjects without a page.
	Get  func(ctx context.Context, id uuid.UUID) (any, error)
	List func(ctx context.Context, cursor string) (items []any, next string, err error)
}

// Name returns the last segment of the path, such as "lab-reports".
func (c Collection) Name() string { return c.Path[strings.LastIndexByte(c.Path, '/')+1:] }

// AddCollection adds a collection of subjects.
func (s *Server) AddCollection(c Collection) { s.collections = append(s.collections, c) }

// Collections returns the collections, in the order in which they were added.
func (s *Server) Collections() []Collection { return slices.Clone(s.collections) }

// CollectionOf returns the collection of the subjects of a kind.
func (s *Server) CollectionOf(kind string) (Collection, bool) {
	i := slices.IndexFunc(s.collections, func(c Collection) bool { return c.Kind == kind })
	if i < 0 {
		return Collection{}, false
	}
	return s.collections[i], true
}
