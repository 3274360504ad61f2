package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/httpapi"
)

const conversationsPath = "/api/conversations"

// ConversationPage is one page of a list of conversations.
type ConversationPage chat.Page

type conversationOutput struct {
	Location string `header:"Location"`
	Body     chat.Conversation
}

func newConversationOutput(c chat.Conversation) *conversationOutput {
	return &conversationOutput{httpapi.Location(conversationsPath, c.ID.String()), c}
}

func registerConversations(api *httpapi.Server, service *chat.Service) {
	api.AddCollection(conversationCollection(service))
	registerConversationRoutes(api, service)
	registerParticipants(api, service)
	registerMessages(api, service)
	registerOneMessage(api, service)
	registerConversationRead(api, service)
}

func registerConversationRoutes(api *httpapi.Server, service *chat.Service) {
	type createInput struct{ Body chat.NewConversation }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "create-conversation", Method: http.MethodPost, Path: conversationsPath,
		Tag: "chat", Action: care.ConversationCreate,
		Status:  http.StatusCreated,
		Summary: "Start a conversation",
		Description: "A patient starts one for themselves, with their whole care team at the " +
			"clinic (409 if they have none). A doctor or nurse on the care team starts one with " +
			"the patient, and can add others.",
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *createInput) (*conversationOutput, error) {
		c, err := service.Create(ctx, httpapi.CommandOf(ctx), in.Body)
		return newConversationOutput(c), err
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*conversationOutput, error) {
		c, err := service.Get(ctx, httpapi.CommandOf(ctx), httpapi.ReplayedID(done))
		return newConversationOutput(c), err
	})

	type listInput struct{ httpapi.Paging }
	type listOutput struct{ Body ConversationPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-conversations", Method: http.MethodGet, Path: conversationsPath,
		Tag: "chat", Action: care.ConversationRead,
		Summary: "List conversations",
		Description: "The caller's conversations, latest activity first. The list is audited for " +
			"each patient in it.",
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := service.List(ctx, httpapi.CommandOf(ctx), in.Cursor, in.Limit)
		return &listOutput{ConversationPage(page)}, err
	})

	type getInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	type getOutput struct{ Body chat.Conversation }
	httpapi.Register(api, httpapi.Operation{
		ID: "get-conversation", Method: http.MethodGet, Path: conversationsPath + "/{id}",
		Tag: "chat", Action: care.ConversationRead,
		Summary: "Get a conversation",
		Description: "The participants, and the position up to which the caller has read. " +
			"Returns 404 if the caller does not participate. Both are audited.",
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*getOutput, error) {
		c, err := service.Get(ctx, httpapi.CommandOf(ctx), in.ID)
		return &getOutput{c}, err
	})
}

func registerConversationRead(api *httpapi.Server, service *chat.Service) {
	type readInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body chat.ReadMark
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "mark-conversation-read", Method: http.MethodPut, Path: conversationsPath + "/{id}/read",
		Tag: "chat", Action: care.ConversationRead,
		Status:  http.StatusNoContent,
		Summary: "Mark messages as read",
		Description: "Sets the last message that the caller has read. The mark only moves " +
			"forward: an older message changes nothing.",
		Refusals: []care.Code{care.NotFound},
	}, func(ctx context.Context, in *readInput) (*struct{}, error) {
		return nil, service.MarkRead(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
	})
}
