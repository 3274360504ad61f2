package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// serviceAccountOutput is a service account with its version.
type serviceAccountOutput = versioned[directory.ServiceAccount]

const serviceAccountsPath = "/api/service-accounts"

func currentServiceAccount(a directory.ServiceAccount, err error) (*serviceAccountOutput, error) {
	return newVersioned(http.StatusOK, a.Version, a), err
}

func createdServiceAccount(a directory.ServiceAccount, err error) (*serviceAccountOutput, error) {
	return newVersioned(http.StatusCreated, a.Version, a).at(serviceAccountsPath, a.ID), err
}

func registerServiceAccounts(api *httpapi.Server, dir *directory.Service) {
	registerServiceAccountCreate(api, dir)
	registerServiceAccountReads(api, dir)
	registerServiceAccountChanges(api, dir)
	registerActivation(api, dir)
}

func registerServiceAccountCreate(api *httpapi.Server, dir *directory.Service) {
	type createInput struct{ Body directory.NewServiceAccount }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-service-account", Method: http.MethodPost, Path: serviceAccountsPath,
		Tag: "integration", Action: care.ServiceAccountManage,
		Status:  http.StatusCreated,
		Summary: "Create a service account",
		Description: "Registers another system at a clinic where the caller is an administrator. " +
			"The system gets its tokens from the identity provider (client credentials grant), " +
			"activates the account with one of them and the `activationCode` of this answer " +
			"(`POST /api/service-accounts/activate`), and then appends events with `POST " +
			"/api/events`. The code is shown once. Another clinic can have registered the same " +
			"client: it acts at the clinic whose code it sends.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*serviceAccountOutput, error) {
		switch trusted := api.Issuer(); in.Body.Issuer {
		case "", trusted:
			in.Body.Issuer = trusted
		default:
			return nil, care.InvalidField("issuer", "is not the identity provider of this service; leave it out")
		}
		return createdServiceAccount(dir.CreateServiceAccount(ctx, httpapi.CommandOf(ctx), in.Body))
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*serviceAccountOutput, error) {
		return createdServiceAccount(dir.GetServiceAccount(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done)))
	})
}

func registerServiceAccountReads(api *httpapi.Server, dir *directory.Service) {
	type listInput struct {
		ClinicID uuid.UUID `query:"clinicId" format:"uuid" doc:"Only those of this clinic."`
		httpapi.Paging
	}
	type listOutput struct{ Body directory.ServiceAccountPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-service-accounts", Method: http.MethodGet, Path: serviceAccountsPath,
		Tag: "integration", Action: care.ServiceAccountManage,
		Summary: "List service accounts",
		Description: "The service accounts of the clinics where the caller is an administrator, " +
			"including disabled ones.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := dir.ListServiceAccounts(ctx, httpapi.CommandOf(ctx), in.ClinicID, in.Cursor, in.Limit)
		return &listOutput{page}, err
	})

	type one struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-service-account", Method: http.MethodGet, Path: serviceAccountsPath + "/{id}",
		Tag: "integration", Action: care.ServiceAccountManage,
		Summary:     "Get a service account",
		Description: "A service account of a clinic where the caller is an administrator.",
		Also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals:    []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*serviceAccountOutput, error) {
		a, err := dir.GetServiceAccount(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, a.Version, a), err
	})
}

func registerServiceAccountChanges(api *httpapi.Server, dir *directory.Service) {
	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to replace. Required."`
		Body    directory.ServiceAccountInput
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-service-account", Method: http.MethodPut, Path: serviceAccountsPath + "/{id}",
		Tag: "integration", Action: care.ServiceAccountManage,
		Summary: "Rename, disable or enable a service account",
		Description: "Replaces the name and the status of a service account. Requests of a " +
			"disabled account are denied from the next one on. Accounts are never deleted: the " +
			"audit trail refers to them.",
		Refusals: []care.Code{care.NotFound, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *replaceInput) (*serviceAccountOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*serviceAccountOutput, error) {
			return currentServiceAccount(dir.UpdateServiceAccount(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body))
		})
	})

	type one struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "renew-activation-code", Method: http.MethodPost, Path: serviceAccountsPath + "/{id}/activation-code",
		Tag: "integration", Action: care.ServiceAccountManage,
		Repeatable: true,
		Summary:    "Renew an activation code",
		Description: "Replaces the code of a service account that is pending. It is shown only " +
			"in this answer.",
		Refusals: []care.Code{care.NotFound, care.Conflict, care.Invalid},
	}, func(ctx context.Context, in *one) (*serviceAccountOutput, error) {
		return currentServiceAccount(dir.RenewActivationCode(ctx, httpapi.CommandOf(ctx), in.ID))
	})
}

// Activation is the code that the clinic's administrator got.
type Activation struct {
	Code string `json:"code" minLength:"1" maxLength:"200" doc:"The activationCode of the account." example:"qCJqAH6V1Yt9dIhTn8kIqJbKXq6nUe0Xn4T8W0yE0eU"`
}

func registerActivation(api *httpapi.Server, dir *directory.Service) {
	type input struct{ Body Activation }
	httpapi.Register(api, httpapi.Operation{
		ID: "activate-service-account", Method: http.MethodPost, Path: serviceAccountsPath + "/activate",
		Tag: "integration", Action: care.EventAppend,
		Repeatable: true, Identity: true,
		Summary: "Activate a service account",
		Description: "Called by the system: binds the service account of the code to the client " +
			"of the bearer token, which must be the registered one. The system can then append " +
			"events. Activating again changes nothing. Returns 409 if the code has expired, if " +
			"the client acts at another clinic, or if the token belongs to a person.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *input) (*serviceAccountOutput, error) {
		return currentServiceAccount(dir.ActivateServiceAccount(ctx, httpapi.CommandOf(ctx), httpapi.IdentityOf(ctx), in.Body.Code))
	})
}
