package rest

import (
	"context"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/ehr"
	"carewire/internal/httpapi"
)

// pageRows is the number of subjects in a page's list.
const pageRows = 50

// get returns the function of a collection that reads one subject with a service's Get.
func get[T any](read func(ctx context.Context, cmd care.Command, id uuid.UUID) (T, error)) func(ctx context.Context, id uuid.UUID) (any, error) {
	return func(ctx context.Context, id uuid.UUID) (any, error) {
		return read(ctx, httpapi.CommandOf(ctx), id)
	}
}

// boxed returns the items as values of any type.
func boxed[T any](items []T, next string, err error) ([]any, string, error) {
	all := make([]any, len(items))
	for i, item := range items {
		all[i] = item
	}
	return all, next, err
}

// recordCollection returns the collection of one kind of records. Its items are ehr.Record[any].
func recordCollection[B any](kind *ehr.Kind[B], path string) httpapi.Collection {
	return httpapi.Collection{
		Kind: kind.Spec().Name, Path: path,
		Get: func(ctx context.Context, id uuid.UUID) (any, error) {
			r, err := kind.Get(ctx, httpapi.CommandOf(ctx), id)
			return anyRecord(r), err
		},
		List: func(ctx context.Context, cursor string) ([]any, string, error) {
			page, err := kind.List(ctx, httpapi.CommandOf(ctx), ehr.Filter{Cursor: cursor, Limit: pageRows})
			items := make([]ehr.Record[any], len(page.Items))
			for i, r := range page.Items {
				items[i] = anyRecord(r)
			}
			return boxed(items, page.Next, err)
		},
	}
}

func anyRecord[B any](r ehr.Record[B]) ehr.Record[any] {
	return ehr.Record[any]{
		ID: r.ID, Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, CreatedBy: r.CreatedBy, UpdatedBy: r.UpdatedBy,
		Reason: r.Reason, Body: r.Body,
	}
}

func appointmentCollection(service *appointment.Service) httpapi.Collection {
	return httpapi.Collection{
		Kind: "appointment", Path: appointmentsPath, Get: get(service.Get),
		List: func(ctx context.Context, cursor string) ([]any, string, error) {
			page, err := service.List(ctx, httpapi.CommandOf(ctx), appointment.Filter{Cursor: cursor, Limit: pageRows})
			return boxed(page.Items, page.Next, err)
		},
	}
}

func invoiceCollection(service *billing.Service) httpapi.Collection {
	return httpapi.Collection{
		Kind: "invoice", Path: invoicesPath, Get: get(service.Get),
		List: func(ctx context.Context, cursor string) ([]any, string, error) {
			page, err := service.List(ctx, httpapi.CommandOf(ctx), billing.Filter{Cursor: cursor, Limit: pageRows})
			return boxed(page.Items, page.Next, err)
		},
	}
}

func conversationCollection(service *chat.Service) httpapi.Collection {
	return httpapi.Collection{
		Kind: "conversation", Path: conversationsPath, Get: get(service.Get),
		List: func(ctx context.Context, cursor string) ([]any, string, error) {
			page, err := service.List(ctx, httpapi.CommandOf(ctx), cursor, pageRows)
			return boxed(page.Items, page.Next, err)
		},
	}
}
