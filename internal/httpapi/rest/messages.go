package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
	"carewire/internal/httpapi"
)

// MessagePage is one page of a conversation's messages, newest first.
type MessagePage struct {
	Items []chat.Message `json:"items"`
	Next  string         `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

type messageOutput struct{ Body chat.Message }

// writtenOutput is a new message.
type writtenOutput struct {
	Location string `header:"Location"`
	Body     chat.Message
}

func newWrittenOutput(m chat.Message) *writtenOutput {
	return &writtenOutput{httpapi.Location(httpapi.Location(conversationsPath, m.ConversationID.String())+"/messages", m.ID.String()), m}
}

func registerMessages(api *httpapi.Server, service *chat.Service) {
	type writeInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body chat.NewMessage
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "write-message", Method: http.MethodPost, Path: conversationsPath + "/{id}/messages",
		Tag: "chat", Action: care.MessageWrite,
		Status:  http.StatusCreated,
		Summary: "Write a message",
		Description: "Shown to all participants. Participants who have not read it within two " +
			"minutes get one notification, until they have read something. A patient's message " +
			"that nobody at the clinic would read returns 409.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *writeInput) (*writtenOutput, error) {
		m, err := service.CreateMessage(ctx, httpapi.CommandOf(ctx), in.ID, in.Body)
		return newWrittenOutput(m), err
	}, func(ctx context.Context, in *writeInput, done *care.ReplayError) (*writtenOutput, error) {
		// The first request wrote the message with this number.
		list, _, err := service.ListMessages(ctx, httpapi.CommandOf(ctx), in.ID, done.Version+1, 1)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, care.Errorf(care.NotFound, "the message that was written under this key does not exist any more")
		}
		return newWrittenOutput(list[0]), nil
	})

	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
		httpapi.Paging
	}
	type listOutput struct{ Body MessagePage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-messages", Method: http.MethodGet, Path: conversationsPath + "/{id}/messages",
		Tag: "chat", Action: care.ConversationRead,
		Summary: "List messages",
		Description: "The conversation's messages, newest first. The read is audited. It does " +
			"not mark anything as read.",
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		before, err := httpapi.ParseIDCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		list, next, err := service.ListMessages(ctx, httpapi.CommandOf(ctx), in.ID, before, in.Limit)
		page := MessagePage{Items: list}
		if next != 0 {
			page.Next = httpapi.EncodeIDCursor(next)
		}
		return &listOutput{page}, err
	})
}

func registerOneMessage(api *httpapi.Server, service *chat.Service) {
	type oneInput struct {
		ID        uuid.UUID `path:"id" format:"uuid"`
		MessageID uuid.UUID `path:"messageId" format:"uuid" doc:"The message's id."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-message", Method: http.MethodGet, Path: conversationsPath + "/{id}/messages/{messageId}",
		Tag: "chat", Action: care.ConversationRead,
		Summary: "Get a message",
		Description: "For example a message from a socket event. The read is audited. It does " +
			"not mark anything as read.",
		Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *oneInput) (*messageOutput, error) {
		m, err := service.GetMessage(ctx, httpapi.CommandOf(ctx), in.ID, in.MessageID)
		return &messageOutput{m}, err
	})

	withdraw := func(ctx context.Context, in *oneInput) (*messageOutput, error) {
		m, err := service.WithdrawMessage(ctx, httpapi.CommandOf(ctx), in.ID, in.MessageID)
		return &messageOutput{m}, err
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "withdraw-message", Method: http.MethodPost, Path: conversationsPath + "/{id}/messages/{messageId}/withdraw",
		Tag: "chat", Action: care.MessageWrite,
		Summary: "Withdraw a message",
		Description: "Hides the text of the caller's own message from everybody. The message " +
			"remains visible as withdrawn, and its text is kept for audits. Withdrawing it again " +
			"changes nothing.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, withdraw, func(ctx context.Context, in *oneInput, _ *care.ReplayError) (*messageOutput, error) {
		return withdraw(ctx, in) // A withdrawn message does not change.
	})
}
