package rest

import (
	"context"
	"net/http"

	"carewire/internal/httpapi"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// ContactList is where the caller can be reached.
type ContactList struct {
	Items []directory.Contact `json:"items"`
}

// Code is what a message carried to an address.
type Code struct {
	Code string `json:"code" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"The six digits." example:"204816"`
}

func registerContacts(api *httpapi.Server, dir *directory.Service) {
	const path = "/api/me/contacts"
	type list struct{ Body ContactList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-contacts", Method: http.MethodGet, Path: path, Tag: "me", Action: care.SelfManage,
		Summary:     "List one's contacts",
		Description: "Where the caller can be reached, and which of it proved to be theirs. Messages go to verified addresses only.",
		Refusals:    []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		contacts, err := dir.ListContacts(ctx, httpapi.CommandOf(ctx))
		return &list{ContactList{contacts}}, err
	})

	type channelInput struct {
		Channel string `path:"channel" doc:"Where the code goes; sms and whatsapp are the numbers for those." enum:"email,sms,whatsapp" example:"email"`
	}
	type output struct{ Body directory.Contact }
	// again gives the contact as it is now.
	again := func(ctx context.Context, channel string) (*output, error) {
		contacts, err := dir.ListContacts(ctx, httpapi.CommandOf(ctx))
		for _, c := range contacts {
			if c.Channel == channel {
				return &output{c}, err
			}
		}
		return nil, err
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "request-verification", Method: http.MethodPost, Path: path + "/{channel}/verification", Tag: "me", Action: care.SelfManage,
		Status:      http.StatusAccepted,
		Summary:     "Ask for a code",
		Description: "Sends a code of six digits to the caller's address on the channel, good for ten minutes and five attempts. One a minute and five an hour can be asked for (429). A channel that is not configured, no address, and one that is verified are answered with 409.",
		Refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *channelInput) (*output, error) {
		c, err := dir.RequestVerification(ctx, httpapi.CommandOf(ctx), in.Channel)
		return &output{c}, err
	}, func(ctx context.Context, in *channelInput, _ *care.ReplayError) (*output, error) {
		return again(ctx, in.Channel)
	})

	type confirmInput struct {
		Channel string `path:"channel" doc:"Where the code goes; sms and whatsapp are the numbers for those." enum:"email,sms,whatsapp" example:"email"`
		Body    Code
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "confirm-verification", Method: http.MethodPost, Path: path + "/{channel}/verification/confirm", Tag: "me", Action: care.SelfManage,
		Status:      http.StatusOK,
		Summary:     "Confirm a code",
		Description: "Proves that the address is the caller's. A wrong code is answered with 422 and counted; without one that is good, and for a number that another person has proved, with 409.",
		Refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *confirmInput) (*output, error) {
		c, err := dir.ConfirmVerification(ctx, httpapi.CommandOf(ctx), in.Channel, in.Body.Code)
		return &output{c}, err
	}, func(ctx context.Context, in *confirmInput, _ *care.ReplayError) (*output, error) {
		return again(ctx, in.Channel)
	})
}
