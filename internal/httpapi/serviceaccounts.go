package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// serviceAccountOutput is a service account with its version.
type serviceAccountOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Body     directory.ServiceAccount
}

func (s *Server) addServiceAccounts() {
	const path = "/api/service-accounts"
	dir := s.cfg.Directory
	type createInput struct{ Body directory.NewServiceAccount }
	register(s, operation{
		id: "create-service-account", method: http.MethodPost, path: path, tag: "integration", summary: "Let another system in", status: http.StatusCreated,
		description: "Registers another system at a clinic of which the caller is an administrator. The system gets its tokens from the identity provider (client credentials grant), activates the account with one of them and the `activationCode` of this answer (`POST /api/service-accounts/activate`), and then appends events with `POST /api/events`. The code is shown once. Another clinic may have registered the same client: it acts at the clinic whose code it sends.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.ServiceAccountManage, once(func(ctx context.Context, in *createInput) (*serviceAccountOutput, error) {
		switch trusted := s.cfg.Verifier.Issuer(); in.Body.Issuer {
		case "", trusted:
			in.Body.Issuer = trusted
		default:
			return nil, care.InvalidField("issuer", "is not the identity provider that this service trusts; leave it out")
		}
		a, err := dir.CreateServiceAccount(ctx, commandOf(ctx), in.Body)
		return &serviceAccountOutput{etag(a.Version), location(path, a.ID.String()), a}, err
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*serviceAccountOutput, error) {
		a, err := dir.GetServiceAccount(ctx, commandOf(ctx), idOf(done))
		return &serviceAccountOutput{etag(a.Version), location(path, a.ID.String()), a}, err
	}))

	type listInput struct {
		ClinicID uuid.UUID `query:"clinicId" format:"uuid" doc:"Only those of this clinic."`
		Paging
	}
	type listOutput struct{ Body directory.ServiceAccountPage }
	register(s, operation{
		id: "list-service-accounts", method: http.MethodGet, path: path, tag: "integration", summary: "List the systems that were let in",
		description: "The service accounts of the clinics of which the caller is an administrator, the disabled ones too.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.ServiceAccountManage, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := dir.ListServiceAccounts(ctx, commandOf(ctx), in.ClinicID, in.Cursor, in.Limit)
		return &listOutput{page}, err
	})

	type one struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	register(s, operation{
		id: "get-service-account", method: http.MethodGet, path: path + "/{id}", tag: "integration", summary: "Read a service account",
		description: "One service account of a clinic of which the caller is an administrator.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.ServiceAccountManage, func(ctx context.Context, in *one) (*serviceAccountOutput, error) {
		a, err := dir.GetServiceAccount(ctx, commandOf(ctx), in.ID)
		return &serviceAccountOutput{ETag: etag(a.Version), Body: a}, err
	})

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is replaced. Required."`
		Body    directory.ServiceAccountInput
	}
	register(s, operation{
		id: "replace-service-account", method: http.MethodPut, path: path + "/{id}", tag: "integration", summary: "Rename, disable or enable a service account",
		description: "Replaces the name and the status of a service account. A system whose account is disabled is refused from its next request on. Accounts are never deleted: the audit trail refers to them.",
		refusals:    []care.Code{care.NotFound, care.PreconditionFailed, care.PreconditionRequired},
	}, care.ServiceAccountManage, func(ctx context.Context, in *replaceInput) (*serviceAccountOutput, error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		a, err := dir.UpdateServiceAccount(ctx, commandOf(ctx), in.ID, version, in.Body)
		return &serviceAccountOutput{ETag: etag(a.Version), Body: a}, err
	})
	register(s, operation{
		id: "renew-activation-code", method: http.MethodPost, path: path + "/{id}/activation-code", tag: "integration", summary: "Make another activation code",
		repeatable:  true,
		description: "Makes another code for a service account that is pending, in place of the one before. It is shown in this answer and nowhere else.",
		refusals:    []care.Code{care.NotFound, care.Conflict, care.Invalid},
	}, care.ServiceAccountManage, func(ctx context.Context, in *one) (*serviceAccountOutput, error) {
		a, err := dir.RenewActivationCode(ctx, commandOf(ctx), in.ID)
		return &serviceAccountOutput{ETag: etag(a.Version), Body: a}, err
	})
	s.addActivation()
}

// Activation is what the clinic's administrator was shown.
type Activation struct {
	Code string `json:"code" minLength:"1" maxLength:"200" doc:"The activationCode of the account." example:"qCJqAH6V1Yt9dIhTn8kIqJbKXq6nUe0Xn4T8W0yE0eU"`
}

func (s *Server) addActivation() {
	type input struct{ Body Activation }
	register(s, operation{
		id: "activate-service-account", method: http.MethodPost, path: "/api/service-accounts/activate", tag: "integration", summary: "Activate a service account",
		repeatable: true, identity: true,
		description: "For the system itself: binds the service account whose code it is to the client that the bearer token is of, which must be the registered one. From then on the system may append events. Activating again changes nothing. A code that has expired, a client that acts at another clinic, and a token that is a person's are answered with 409.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.EventAppend, func(ctx context.Context, in *input) (*serviceAccountOutput, error) {
		a, err := s.cfg.Directory.ActivateServiceAccount(ctx, commandOf(ctx), infoOf(ctx).identity, in.Body.Code)
		return &serviceAccountOutput{ETag: etag(a.Version), Body: a}, err
	})
}
