package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/httpapi"
)

func registerParticipants(api *httpapi.Server, service *chat.Service) {
	type addInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body chat.NewParticipant
	}
	type addOutput struct{ Body chat.Conversation }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "add-participant", Method: http.MethodPost, Path: conversationsPath + "/{id}/participants",
		Tag: "chat", Action: care.ConversationManage,
		Summary: "Add a participant",
		Description: "Adds a doctor or nurse on the patient's care team. They see messages from " +
			"now on; with `history` also earlier ones, as far as the caller sees them. For " +
			"participants from the clinic. Adding a participant again is not an error; with " +
			"`history` it shows them the history.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *addInput) (*addOutput, error) {
		c, err := service.AddParticipant(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &addOutput{c}, err
	}, func(ctx context.Context, in *addInput, _ *care.ReplayError) (*addOutput, error) {
		c, err := service.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		return &addOutput{c}, err
	})

	type removeInput struct {
		ID     uuid.UUID `path:"id" format:"uuid"`
		UserID uuid.UUID `path:"userId" format:"uuid" doc:"The participant."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "remove-participant", Method: http.MethodDelete, Path: conversationsPath + "/{id}/participants/{userId}",
		Tag: "chat", Action: care.ConversationManage,
		Summary: "Remove a participant",
		Description: "Participants from the clinic can leave. The person who started the " +
			"conversation can remove anybody, and nobody else can remove them while they are on " +
			"the patient's care team. Initial participants can remove those who were added " +
			"later; a doctor among them can remove the other initial participants too. A " +
			"participant who was added can remove only those whom they added (otherwise 403). " +
			"The patient cannot be removed (409). People who leave the patient's care team leave " +
			"the conversation automatically.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, func(ctx context.Context, in *removeInput) (*struct{}, error) {
		return nil, service.RemoveParticipant(ctx, httpapi.CommandOf(ctx), in.ID, in.UserID)
	})
}
