package rest

import (
	"context"
	"net/http"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// ContactList lists the caller's addresses.
type ContactList struct {
	Items []directory.Contact `json:"items"`
}

// Code is the code that was sent to an address.
type Code struct {
	Code string `json:"code" minLength:"6" maxLength:"6" pattern:"^[0-9]{6}$" doc:"The six digits." example:"204816"`
}

const contactsPath = "/api/me/contacts"

func registerContacts(api *httpapi.Server, dir *directory.Service) {
	registerContactList(api, dir)
	registerContactSet(api, dir)
	registerVerificationRequest(api, dir)
	registerVerificationConfirm(api, dir)
}

func registerContactList(api *httpapi.Server, dir *directory.Service) {
	type list struct{ Body ContactList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-contacts", Method: http.MethodGet, Path: contactsPath, Tag: "me", Action: care.SelfManage,
		Summary: "List own contacts",
		Description: "The caller's addresses, and which of them are verified. Messages are sent " +
			"to verified addresses only.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		contacts, err := dir.ListContacts(ctx, httpapi.CommandOf(ctx))
		return &list{ContactList{contacts}}, err
	})
}

// contactOutput is a contact.
type contactOutput struct{ Body directory.Contact }

// currentContact returns the caller's contact on the channel.
func currentContact(ctx context.Context, dir *directory.Service, channel string) (*contactOutput, error) {
	contacts, err := dir.ListContacts(ctx, httpapi.CommandOf(ctx))
	for _, c := range contacts {
		if c.Channel == channel {
			return &contactOutput{c}, err
		}
	}
	return nil, err
}

func registerContactSet(api *httpapi.Server, dir *directory.Service) {
	type setInput struct {
		Channel string `path:"channel" doc:"The channel of the number." enum:"sms,whatsapp" example:"sms"`
		Body    directory.ContactInput
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "set-contact", Method: http.MethodPut, Path: contactsPath + "/{channel}", Tag: "me", Action: care.SelfManage,
		Summary: "Set own number",
		Description: "Replaces the caller's number for SMS or WhatsApp. A changed number must be " +
			"verified before messages are sent to it; the same number stays verified. Returns 422 " +
			"for a number that is not a mobile phone's. The clinic changes email addresses.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *setInput) (*contactOutput, error) {
		c, err := dir.SetContact(ctx, httpapi.CommandOf(ctx), in.Channel, in.Body)
		return &contactOutput{c}, err
	})
}

func registerVerificationRequest(api *httpapi.Server, dir *directory.Service) {
	type channelInput struct {
		Channel string `path:"channel" doc:"The channel that the code is sent on; sms and whatsapp use their own numbers." enum:"email,sms,whatsapp" example:"email"`
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "request-verification", Method: http.MethodPost, Path: contactsPath + "/{channel}/verification",
		Tag: "me", Action: care.SelfManage,
		Status:  http.StatusAccepted,
		Summary: "Request a verification code",
		Description: "Sends a code of six digits to the caller's address on the channel. It is " +
			"valid for ten minutes and five attempts. Limited for each channel to one a minute and " +
			"five an hour, and over all channels to ten an hour for a person, five for an address " +
			"and 30 for the network of the caller (429 with Retry-After). Returns 409 if the channel " +
			"is not configured, has no address, is already verified, or has a number that is not a " +
			"mobile phone's.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *channelInput) (*contactOutput, error) {
		c, err := dir.RequestVerification(ctx, httpapi.CommandOf(ctx), in.Channel, httpapi.NetworkOf(ctx))
		return &contactOutput{c}, err
	}, func(ctx context.Context, in *channelInput, _ *care.ReplayError) (*contactOutput, error) {
		return currentContact(ctx, dir, in.Channel)
	})
}

func registerVerificationConfirm(api *httpapi.Server, dir *directory.Service) {
	type confirmInput struct {
		Channel string `path:"channel" doc:"The channel that the code is sent on; sms and whatsapp use their own numbers." enum:"email,sms,whatsapp" example:"email"`
		Body    Code
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "confirm-verification", Method: http.MethodPost, Path: contactsPath + "/{channel}/verification/confirm",
		Tag: "me", Action: care.SelfManage,
		Status:  http.StatusOK,
		Summary: "Confirm a verification code",
		Description: "Verifies the address. A wrong code returns 422 and counts as an attempt. " +
			"Returns 409 if no code is valid, or if another person has verified the number.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *confirmInput) (*contactOutput, error) {
		c, err := dir.ConfirmVerification(ctx, httpapi.CommandOf(ctx), in.Channel, in.Body.Code)
		return &contactOutput{c}, err
	}, func(ctx context.Context, in *confirmInput, _ *care.ReplayError) (*contactOutput, error) {
		return currentContact(ctx, dir, in.Channel)
	})
}
