package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/chat"
)

const conversationsPath = "/api/conversations"

// ConversationPage is one page of a list of conversations.
type ConversationPage chat.Page

// MessagePage is one page of a conversation's messages, the newest first.
type MessagePage struct {
	Items []chat.Message `json:"items"`
	Next  string         `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

type conversationOutput struct {
	Location string `header:"Location"`
	Body     chat.Conversation
}

func newConversationOutput(c chat.Conversation) *conversationOutput {
	return &conversationOutput{location(conversationsPath, c.ID.String()), c}
}

func (s *Server) addChat() {
	s.collections["conversation"] = conversationsPath
	s.addConversations()
	s.addParticipants()
	s.addMessages()
	s.addOneMessage()
	s.addConversationRead()
}

func (s *Server) addConversations() {
	type createInput struct{ Body chat.NewConversation }
	register(s, operation{
		id: "create-conversation", method: http.MethodPost, path: conversationsPath, tag: "chat", status: http.StatusCreated,
		summary:     "Begin a conversation",
		description: "A patient begins one for themselves, with their whole care team at the clinic (409 where they have none); a doctor or nurse on the team begins one with the patient, and adds others.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.ConversationCreate, once(func(ctx context.Context, in *createInput) (*conversationOutput, error) {
		c, err := s.cfg.Chat.Create(ctx, commandOf(ctx), in.Body)
		return newConversationOutput(c), err
	}, func(ctx context.Context, _ *createInput, done *care.ReplayError) (*conversationOutput, error) {
		c, err := s.cfg.Chat.Get(ctx, commandOf(ctx), idOf(done))
		return newConversationOutput(c), err
	}))

	type listInput struct{ Paging }
	type listOutput struct{ Body ConversationPage }
	register(s, operation{
		id: "list-conversations", method: http.MethodGet, path: conversationsPath, tag: "chat",
		summary:     "List conversations",
		description: "Those in which the caller takes part, the newest activity first. Being shown a list is audited, for each patient in it.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.ConversationRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		page, err := s.cfg.Chat.List(ctx, commandOf(ctx), in.Cursor, in.Limit)
		return &listOutput{ConversationPage(page)}, err
	})

	type getInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	type getOutput struct{ Body chat.Conversation }
	register(s, operation{
		id: "get-conversation", method: http.MethodGet, path: conversationsPath + "/{id}", tag: "chat",
		summary:     "Read a conversation",
		description: "Who takes part, and how far the caller has read. One in which the caller does not take part is answered like one that is not there. Both are audited.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.ConversationRead, func(ctx context.Context, in *getInput) (*getOutput, error) {
		c, err := s.cfg.Chat.Get(ctx, commandOf(ctx), in.ID)
		return &getOutput{c}, err
	})
}

func (s *Server) addParticipants() {
	type addInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body chat.NewParticipant
	}
	type addOutput struct{ Body chat.Conversation }
	register(s, operation{
		id: "add-participant", method: http.MethodPost, path: conversationsPath + "/{id}/participants", tag: "chat",
		summary:     "Add somebody to a conversation",
		description: "Lets a doctor or nurse on the patient's care team take part. They see what is written from now on; with `history` also what was written before, as far as the caller sees it. Who takes part from the clinic adds others. One who takes part already is fine, and is shown the history with `history`.",
		refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, care.ConversationManage, once(func(ctx context.Context, in *addInput) (*addOutput, error) {
		c, err := s.cfg.Chat.AddParticipant(ctx, commandOf(ctx), in.ID, in.Body)
		return &addOutput{c}, err
	}, func(ctx context.Context, in *addInput, _ *care.ReplayError) (*addOutput, error) {
		c, err := s.cfg.Chat.Get(ctx, commandOf(ctx), in.ID)
		return &addOutput{c}, err
	}))

	type removeInput struct {
		ID     uuid.UUID `path:"id" format:"uuid"`
		UserID uuid.UUID `path:"userId" format:"uuid" doc:"Who takes part."`
	}
	register(s, operation{
		id: "remove-participant", method: http.MethodDelete, path: conversationsPath + "/{id}/participants/{userId}", tag: "chat",
		summary:     "Take somebody out of a conversation",
		description: "Ends somebody's part. Everybody from the clinic ends their own. Who began the conversation is taken out by nobody else while they are on the patient's care team, and takes out anybody. Who takes part from the beginning takes out those who were added, and a doctor of them the others from the beginning too; who was added takes out only those whom they added themselves (else 403). The patient stays (409). Who leaves the patient's care team leaves by itself.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict, care.Invalid},
	}, care.ConversationManage, func(ctx context.Context, in *removeInput) (*struct{}, error) {
		return nil, s.cfg.Chat.RemoveParticipant(ctx, commandOf(ctx), in.ID, in.UserID)
	})
}

type messageOutput struct{ Body chat.Message }

// writtenOutput is a message that was written.
type writtenOutput struct {
	Location string `header:"Location"`
	Body     chat.Message
}

func newWrittenOutput(m chat.Message) *writtenOutput {
	return &writtenOutput{location(location(conversationsPath, m.ConversationID.String())+"/messages", m.ID.String()), m}
}

func (s *Server) addMessages() {
	type writeInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body chat.NewMessage
	}
	register(s, operation{
		id: "write-message", method: http.MethodPost, path: conversationsPath + "/{id}/messages", tag: "chat", status: http.StatusCreated,
		summary:     "Write a message",
		description: "It is shown to those who take part. Whoever has not read it within two minutes is told that there is something to read, once until they have read something. A patient's message that nobody of the clinic would read is refused with 409.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Conflict},
	}, care.MessageWrite, once(func(ctx context.Context, in *writeInput) (*writtenOutput, error) {
		m, err := s.cfg.Chat.CreateMessage(ctx, commandOf(ctx), in.ID, in.Body)
		return newWrittenOutput(m), err
	}, func(ctx context.Context, in *writeInput, done *care.ReplayError) (*writtenOutput, error) {
		// What was written then is the message of that number.
		list, _, err := s.cfg.Chat.ListMessages(ctx, commandOf(ctx), in.ID, done.Version+1, 1)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return nil, care.Errorf(care.NotFound, "the message that was written under this key is not there any more")
		}
		return newWrittenOutput(list[0]), nil
	}))

	type listInput struct {
		ID uuid.UUID `path:"id" format:"uuid"`
		Paging
	}
	type listOutput struct{ Body MessagePage }
	register(s, operation{
		id: "list-messages", method: http.MethodGet, path: conversationsPath + "/{id}/messages", tag: "chat",
		summary:     "Read messages",
		description: "The conversation's messages, the newest first. Being shown them is audited, and marks nothing as read.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.ConversationRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		before, err := parseNumberMark(in.Cursor)
		if err != nil {
			return nil, err
		}
		list, next, err := s.cfg.Chat.ListMessages(ctx, commandOf(ctx), in.ID, before, in.Limit)
		page := MessagePage{Items: list}
		if next != 0 {
			page.Next = numberMark(next)
		}
		return &listOutput{page}, err
	})
}

func (s *Server) addOneMessage() {
	type oneInput struct {
		ID        uuid.UUID `path:"id" format:"uuid"`
		MessageID uuid.UUID `path:"messageId" format:"uuid" doc:"The message's id."`
	}
	register(s, operation{
		id: "get-message", method: http.MethodGet, path: conversationsPath + "/{id}/messages/{messageId}", tag: "chat",
		summary:     "Read a message",
		description: "One message, such as an event on a socket names. Being shown it is audited, and marks nothing as read.",
		refusals:    []care.Code{care.NotFound, care.Invalid},
	}, care.ConversationRead, func(ctx context.Context, in *oneInput) (*messageOutput, error) {
		m, err := s.cfg.Chat.GetMessage(ctx, commandOf(ctx), in.ID, in.MessageID)
		return &messageOutput{m}, err
	})

	withdraw := func(ctx context.Context, in *oneInput) (*messageOutput, error) {
		m, err := s.cfg.Chat.WithdrawMessage(ctx, commandOf(ctx), in.ID, in.MessageID)
		return &messageOutput{m}, err
	}
	register(s, operation{
		id: "withdraw-message", method: http.MethodPost, path: conversationsPath + "/{id}/messages/{messageId}/withdraw", tag: "chat",
		summary:     "Withdraw a message",
		description: "Hides the text of one's own message from everybody; that there was one stays visible, and the text is kept for the audit. Withdrawing it again changes nothing.",
		refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, care.MessageWrite, once(withdraw, func(ctx context.Context, in *oneInput, _ *care.ReplayError) (*messageOutput, error) {
		return withdraw(ctx, in) // A withdrawn message is given as it is.
	}))
}

func (s *Server) addConversationRead() {
	type readInput struct {
		ID   uuid.UUID `path:"id" format:"uuid"`
		Body chat.ReadMark
	}
	register(s, operation{
		id: "mark-conversation-read", method: http.MethodPut, path: conversationsPath + "/{id}/read", tag: "chat", status: http.StatusNoContent,
		summary:     "Mark messages as read",
		description: "Says that the caller has read up to this message. The mark only moves forward: an older message changes nothing.",
		refusals:    []care.Code{care.NotFound},
	}, care.ConversationRead, func(ctx context.Context, in *readInput) (*struct{}, error) {
		return nil, s.cfg.Chat.MarkRead(ctx, commandOf(ctx), in.ID, in.Body)
	})
}
