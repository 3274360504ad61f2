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
		ID: "add-participant", Method: http.MethodPost, Path: conversationsPath + "/{id}/participants", Tag: "chat", Action: care.ConversationManage,
		Summary:     "Add somebody to a conversation",
		Description: "Lets a doctor or nurse on the patient's care team take part. They see what is written from now on; with `history` also what was written before, as far as the caller sees it. Who takes part from the clinic adds others. One who takes part already is fine, and is shown the history with `history`.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *addInput) (*addOutput, error) {
		c, err := service.AddParticipant(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return &addOutput{c}, err
	}, func(ctx context.Context, in *addInput, _ *care.ReplayError) (*addOutput, error) {
		c, err := service.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		return &addOutput{c}, err
	})

	type removeInput struct {
		ID     uuid.UUID `path:"id" format:"uuid"`
		UserID uuid.UUID `path:"userId" format:"uuid" doc:"Who takes part."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "remove-participant", Method: http.MethodDelete, Path: conversationsPath + "/{id}/participants/{userId}", Tag: "chat", Action: care.ConversationManage,
		Summary:     "Take somebody out of a conversation",
		Description: "Ends somebody's part. Everybody from the clinic ends their own. Who began the conversation is taken out by nobody else while they are on the patient's care team, and takes out anybody. Who takes part from the beginning takes out those who were added, and a doctor of them the others from the beginning too; who was added takes out only those whom they added themselves (else 403). The patient stays (409). Who leaves the patient's care team leaves by itself.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, func(ctx context.Context, in *removeInput) (*struct{}, error) {
		return nil, service.RemoveParticipant(ctx, httpapi.CommandOf(ctx), in.ID, in.UserID)
	})
}
