package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// userOutput is a person with its version.
type userOutput = versioned[directory.User]

const usersPath = "/api/users"

func currentUser(u directory.User, err error) (*userOutput, error) {
	return newVersioned(http.StatusOK, u.Version, u), err
}

func createdUser(u directory.User, err error) (*userOutput, error) {
	return newVersioned(http.StatusCreated, u.Version, u).at(usersPath, u.ID), err
}

func registerUsers(api *httpapi.Server, dir *directory.Service) {
	api.AddCollection(httpapi.Collection{Kind: "user", Path: usersPath})
	registerUserWrites(api, dir)
	registerUserReads(api, dir)
	registerDeaths(api, dir)
	registerSignIns(api, dir)
}

func registerUserWrites(api *httpapi.Server, dir *directory.Service) {
	type createInput struct{ Body directory.NewUser }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-user", Method: http.MethodPost, Path: usersPath, Tag: "users", Action: care.UserCreate,
		Status:  http.StatusCreated,
		Summary: "Register a person",
		Description: "Registers a person with roles at a clinic where the caller is an " +
			"administrator; receptionists can register patients. The person gets a link to sign " +
			"in for the first time. An address that a person of the clinic has returns 409. An " +
			"address known only at other clinics is treated like a new one: the person then has " +
			"two registrations until they accept, after which that of this clinic is merged into " +
			"theirs (`user.merged`), with everything written about it. A patient can have no " +
			"email address. If a patient of the clinic has the same name and birth date, or the " +
			"same phone or WhatsApp number, the answer is 409 with the code `possible_duplicate` " +
			"and their ids, unless `allowDuplicate` is sent.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*userOutput, error) {
		return createdUser(dir.CreateUser(ctx, httpapi.CommandOf(ctx), in.Body))
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*userOutput, error) {
		return createdUser(dir.GetUser(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done)))
	})

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version to replace. Required."`
		Body    directory.UserInput
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "replace-user", Method: http.MethodPut, Path: usersPath + "/{id}", Tag: "users", Action: care.UserUpdate,
		Summary: "Replace a person's details",
		Description: "Replaces all details of a person. For administrators of the clinic; " +
			"receptionists can do it for patients who do not work there, except for email and " +
			"status. A disabled person cannot sign in, and their sessions end at once.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *replaceInput) (*userOutput, error) {
		return withVersion(in.IfMatch, func(version int64) (*userOutput, error) {
			return currentUser(dir.UpdateUser(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body))
		})
	})
}

func registerUserReads(api *httpapi.Server, dir *directory.Service) {
	type listInput struct {
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only people with a role at this clinic."`
		Role      string    `query:"role" enum:"patient,doctor,nurse,receptionist,admin" doc:"Only people with this role."`
		Name      string    `query:"name" maxLength:"200" doc:"Only people with a word in their name that starts with each of these words, ignoring case and accents." example:"mar sil"`
		BirthDate string    `query:"birthDate" format:"date" doc:"Only people with this birth date." example:"1984-03-14"`
		Number    string    `query:"number" maxLength:"64" doc:"Only the patient with this medical record number at the clinic." example:"A-10042"`
		httpapi.Paging
	}
	type listOutput struct{ Body directory.UserPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-users", Method: http.MethodGet, Path: usersPath, Tag: "users", Action: care.UserRead,
		Summary: "List people",
		Description: "The people with a role at the caller's clinics, without their contacts. " +
			"With `name`, `birthDate` or `number` it searches the people of one clinic; " +
			"`clinicId` selects it if the caller works at several. A search returns birth dates " +
			"and medical record numbers, and is audited.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := dir.ListUsers(ctx, httpapi.CommandOf(ctx), directory.UserFilter{
			ClinicID: in.ClinicID, Role: care.Role(in.Role), Name: in.Name, BirthDate: in.BirthDate, Number: in.Number, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{page}, err
	})

	type one struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-user", Method: http.MethodGet, Path: usersPath + "/{id}", Tag: "users", Action: care.UserRead,
		Summary: "Get a person",
		Description: "A person's details, with the memberships at clinics that the caller may " +
			"see. The read is audited.",
		Also:     map[int]string{http.StatusNotModified: "The version in If-None-Match is current."},
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *one) (*userOutput, error) {
		u, err := dir.GetUser(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, u.Version, u), err
	})
}
