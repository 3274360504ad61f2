package httpapi

import (
	"context"
	"net/http"

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

func (s *Server) addContacts() {
	const path = "/api/me/contacts"
	dir := s.cfg.Directory
	type list struct{ Body ContactList }
	register(s, operation{
		id: "list-contacts", method: http.MethodGet, path: path, tag: "me", summary: "List one's contacts",
		description: "Where the caller can be reached, and which of it proved to be theirs. Messages go to verified addresses only.",
		refusals:    []care.Code{care.Forbidden},
	}, care.SelfManage, func(ctx context.Context, _ *struct{}) (*list, error) {
		contacts, err := dir.ListContacts(ctx, commandOf(ctx))
		return &list{ContactList{contacts}}, err
	})

	type channelInput struct {
		Channel string `path:"channel" doc:"Where the code goes; sms and whatsapp are the numbers for those." enum:"email,sms,whatsapp" example:"email"`
	}
	type output struct{ Body directory.Contact }
	// again gives the contact as it is now.
	again := func(ctx context.Context, channel string) (*output, error) {
		contacts, err := dir.ListContacts(ctx, commandOf(ctx))
		for _, c := range contacts {
			if c.Channel == channel {
				return &output{c}, err
			}
		}
		return nil, err
	}
	register(s, operation{
		id: "request-verification", method: http.MethodPost, path: path + "/{channel}/verification", tag: "me", summary: "Ask for a code", status: http.StatusAccepted,
		description: "Sends a code of six digits to the caller's address on the channel, good for ten minutes and five attempts. One a minute and five an hour can be asked for (429). A channel that is not configured, no address, and one that is verified are answered with 409.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.SelfManage, once(func(ctx context.Context, in *channelInput) (*output, error) {
		c, err := dir.RequestVerification(ctx, commandOf(ctx), in.Channel)
		return &output{c}, err
	}, func(ctx context.Context, in *channelInput, _ *care.ReplayError) (*output, error) {
		return again(ctx, in.Channel)
	}))

	type confirmInput struct {
		Channel string `path:"channel" doc:"Where the code goes; sms and whatsapp are the numbers for those." enum:"email,sms,whatsapp" example:"email"`
		Body    Code
	}
	register(s, operation{
		id: "confirm-verification", method: http.MethodPost, path: path + "/{channel}/verification/confirm", tag: "me", summary: "Confirm a code", status: http.StatusOK,
		description: "Proves that the address is the caller's. A wrong code is answered with 422 and counted; without one that is good, and for a number that another person has proved, with 409.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.SelfManage, once(func(ctx context.Context, in *confirmInput) (*output, error) {
		c, err := dir.ConfirmVerification(ctx, commandOf(ctx), in.Channel, in.Body.Code)
		return &output{c}, err
	}, func(ctx context.Context, in *confirmInput, _ *care.ReplayError) (*output, error) {
		return again(ctx, in.Channel)
	}))
}
