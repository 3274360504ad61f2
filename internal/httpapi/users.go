package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// userOutput is a person with their version.
type userOutput struct {
	ETag     string `header:"ETag"`
	Location string `header:"Location"`
	Status   int
	Body     directory.User
}

func (s *Server) addUsers() {
	dir := s.cfg.Directory
	type createInput struct{ Body directory.NewUser }
	register(s, operation{
		id: "create-user", method: http.MethodPost, path: "/api/users", tag: "users", summary: "Register a person", status: http.StatusCreated,
		description: "Registers a person with roles at a clinic of which the caller is an administrator; a receptionist registers patients. The person is sent a link by which they sign in first. An address that somebody at the clinic has is answered with 409; one that other clinics know is answered as one that nobody knows. Then there are two registrations of one person until they accept: from then on the one of this clinic is theirs (`user.merged`), with what was written about it. A patient may have no email address. Where a patient of the clinic has the same name and birth date, or the same phone or WhatsApp number, the answer is 409 with the code `possible_duplicate` and their ids, unless `allowDuplicate` is sent.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.UserCreate, once(func(ctx context.Context, in *createInput) (*userOutput, error) {
		u, err := dir.CreateUser(ctx, commandOf(ctx), in.Body)
		return &userOutput{etag(u.Version), location("/api/users", u.ID.String()), http.StatusCreated, u}, err
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*userOutput, error) {
		u, err := dir.GetUser(ctx, commandOf(ctx), idOf(done))
		return &userOutput{etag(u.Version), location("/api/users", u.ID.String()), http.StatusCreated, u}, err
	}))

	type listInput struct {
		ClinicID  uuid.UUID `query:"clinicId" format:"uuid" doc:"Only people with a role at this clinic."`
		Role      string    `query:"role" enum:"patient,doctor,nurse,receptionist,admin" doc:"Only people with this role."`
		Name      string    `query:"name" maxLength:"200" doc:"Only people in whose name each of these words begins one, whatever the case and the accents." example:"mar sil"`
		BirthDate string    `query:"birthDate" format:"date" doc:"Only people with this birth date." example:"1984-03-14"`
		Number    string    `query:"number" maxLength:"64" doc:"Only the patient with this medical record number at the clinic." example:"A-10042"`
		Paging
	}
	type listOutput struct{ Body directory.UserPage }
	register(s, operation{
		id: "list-users", method: http.MethodGet, path: "/api/users", tag: "users", summary: "List people",
		description: "The people with a role at the caller's clinics, without their contacts. With `name`, `birthDate` or `number` it is a search of one clinic's people, which `clinicId` names where the caller works at several: it shows birth dates and medical record numbers, and is audited.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.UserRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := dir.ListUsers(ctx, commandOf(ctx), directory.UserFilter{
			ClinicID: in.ClinicID, Role: care.Role(in.Role), Name: in.Name, BirthDate: in.BirthDate, Number: in.Number, Cursor: in.Cursor, Limit: in.Limit,
		})
		return &listOutput{page}, err
	})

	type one struct {
		ID          uuid.UUID `path:"id" format:"uuid"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of the version that one has."`
	}
	register(s, operation{
		id: "get-user", method: http.MethodGet, path: "/api/users/{id}", tag: "users", summary: "Read a person",
		also:        map[int]string{http.StatusNotModified: "The version in If-None-Match is still the current one."},
		description: "A person's details. Memberships are those at clinics that the caller may see. It is audited.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.UserRead, func(ctx context.Context, in *one) (*userOutput, error) {
		u, err := dir.GetUser(ctx, commandOf(ctx), in.ID)
		out := &userOutput{ETag: etag(u.Version), Status: http.StatusOK, Body: u}
		if matchesETag(in.IfNoneMatch, u.Version) {
			out.Status = http.StatusNotModified
		}
		return out, err
	})

	type replaceInput struct {
		ID      uuid.UUID `path:"id" format:"uuid"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the version that is replaced. Required."`
		Body    directory.UserInput
	}
	register(s, operation{
		id: "replace-user", method: http.MethodPut, path: "/api/users/{id}", tag: "users", summary: "Replace a person's details",
		description: "Replaces all of a person's details. An administrator of the clinic does; a receptionist those of patients who do not work there, but for email and status. A person who is disabled cannot sign in any more, and their sessions end at once.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, care.UserUpdate, func(ctx context.Context, in *replaceInput) (*userOutput, error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		u, err := dir.UpdateUser(ctx, commandOf(ctx), in.ID, version, in.Body)
		return &userOutput{ETag: etag(u.Version), Status: http.StatusOK, Body: u}, err
	})
	s.addDeaths()
	s.addSignIns()
}

func (s *Server) addDeaths() {
	const path = "/api/users/{id}/deceased"
	dir := s.cfg.Directory
	again := func(ctx context.Context, id uuid.UUID) (*userOutput, error) {
		u, err := dir.ReplayDeath(ctx, commandOf(ctx), id)
		return &userOutput{ETag: etag(u.Version), Status: http.StatusOK, Body: u}, err
	}
	type recordInput struct {
		ID   uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Body directory.Death
	}
	register(s, operation{
		id: "record-death", method: http.MethodPost, path: path, tag: "users", summary: "Record that a patient has died",
		description: "For receptionists, doctors and administrators of a clinic where the person is a patient or was one. Nobody signs in as the person any more, their sessions end, and nothing is sent to them; late results and final invoices are still entered. The status of the account stays. The same day again changes nothing, another one is answered with 409. A person who works at a clinic is left to the administrator of every clinic where they hold a role (403).",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.DeathRecord, once(func(ctx context.Context, in *recordInput) (*userOutput, error) {
		u, err := dir.RecordDeath(ctx, commandOf(ctx), in.ID, in.Body)
		return &userOutput{ETag: etag(u.Version), Status: http.StatusOK, Body: u}, err
	}, func(ctx context.Context, in *recordInput, _ *care.ReplayError) (*userOutput, error) {
		return again(ctx, in.ID)
	}))

	type withdrawInput struct {
		ID   uuid.UUID `path:"id" format:"uuid" doc:"The patient." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		Body directory.DeathWithdrawal
	}
	register(s, operation{
		id: "withdraw-death", method: http.MethodPost, path: path + "/withdraw", tag: "users", summary: "Withdraw a death that was recorded by mistake",
		description: "With the reason, which is kept for the audit. The person may sign in and is sent messages again; what was not sent meanwhile is not sent later. Where no death is recorded the answer is 409.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.DeathRecord, once(func(ctx context.Context, in *withdrawInput) (*userOutput, error) {
		u, err := dir.WithdrawDeath(ctx, commandOf(ctx), in.ID, in.Body)
		return &userOutput{ETag: etag(u.Version), Status: http.StatusOK, Body: u}, err
	}, func(ctx context.Context, in *withdrawInput, _ *care.ReplayError) (*userOutput, error) {
		return again(ctx, in.ID)
	}))
}

// SignInList is how a person signs in.
type SignInList struct {
	Items []directory.SignIn `json:"items"`
}

func (s *Server) addSignIns() {
	const path = "/api/users/{id}/sign-ins"
	dir := s.cfg.Directory
	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
	}
	type list struct{ Body SignInList }
	register(s, operation{
		id: "list-sign-ins", method: http.MethodGet, path: path, tag: "users", summary: "List a person's sign-ins",
		description: "The sign-ins at identity providers that are linked to the person, the first linked first. For administrators of every clinic where the person holds a role, and for operators. It is audited.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.SignInManage, func(ctx context.Context, in *listInput) (*list, error) {
		items, err := dir.ListSignIns(ctx, commandOf(ctx), in.ID)
		return &list{SignInList{items}}, err
	})

	type one struct {
		ID       uuid.UUID `path:"id" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"`
		SignInID uuid.UUID `path:"signInId" format:"uuid" doc:"The sign-in." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5f"`
	}
	register(s, operation{
		id: "unlink-sign-in", method: http.MethodDelete, path: path + "/{signInId}", tag: "users", summary: "Take a sign-in from a person",
		description: "Takes back the link between a sign-in and a person, where it was the wrong one: it is refused from the next request on, and the person's sessions and sockets end. Its email address does not link it to the person again; another sign-in with the person's verified address is linked at its next use, and an invitation links any. For administrators of every clinic where the person holds a role, and for operators; nobody takes their own (409).",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, care.SignInManage, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, dir.UnlinkSignIn(ctx, commandOf(ctx), in.ID, in.SignInID)
	})
}

// Paging is how lists are read page by page.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"500" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most."`
}
