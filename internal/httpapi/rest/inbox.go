package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/inbox"
	"carewire/internal/outbox"
	"carewire/internal/realtime"
)

// InboxPage is one page of the caller's inbox.
type InboxPage struct {
	Items []inbox.Item `json:"items"`
	inbox.Counts
	Next string `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

type inboxInput struct {
	Unread         bool      `query:"unread" doc:"true returns only unread notifications."`
	Unseen         bool      `query:"unseen" doc:"true returns only notifications that were neither seen nor read."`
	Archived       bool      `query:"archived" doc:"true returns the archived notifications instead of those in the inbox."`
	Unacknowledged bool      `query:"unacknowledged" doc:"true returns only notifications that still have to be acknowledged, also archived ones."`
	Category       string    `query:"category" enum:"clinical,appointment,billing,account,chat,system" doc:"Only those of this category."`
	ClinicID       uuid.UUID `query:"clinicId" format:"uuid" doc:"Only those of this clinic."`
	httpapi.Paging
}

// InboxTarget selects the notifications to mark: either ids or upTo.
type InboxTarget struct {
	IDs  []uuid.UUID `json:"ids,omitempty" format:"uuid" maxItems:"200" doc:"The ids of notifications. Those that are not in the caller's inbox are ignored."`
	UpTo string      `json:"upTo,omitempty" maxLength:"36" doc:"The id of a notification in the caller's inbox, or a position of the ledger, as text: selects it and all older ones. Notifications that arrive meanwhile are not marked." example:"1042"`
}

func (t InboxTarget) target() (inbox.Target, error) {
	target := inbox.Target{IDs: t.IDs}
	if t.UpTo == "" {
		return target, nil
	}
	if position, err := strconv.ParseInt(t.UpTo, 10, 64); err == nil && position > 0 {
		target.UpToPosition = position
		return target, nil
	}
	id, err := uuid.Parse(t.UpTo)
	if err != nil || id == uuid.Nil {
		return target, care.InvalidField("upTo", "must be the id of a notification or a position of at least 1")
	}
	target.UpTo = id
	return target, nil
}

// InboxCounts returns the function that reads the counts of a person's inbox for their sockets.
func InboxCounts(writer *outbox.Writer) func(ctx context.Context, person uuid.UUID) (realtime.InboxCounts, error) {
	service := inbox.New(writer)
	return func(ctx context.Context, person uuid.UUID) (realtime.InboxCounts, error) {
		counts, err := service.GetCounts(ctx, care.Actor{ID: person.String(), UserID: person})
		return realtime.InboxCounts(counts), err
	}
}

func registerInbox(api *httpapi.Server, service *inbox.Service) {
	type output struct{ Body InboxPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-inbox", Method: http.MethodGet, Path: "/api/inbox", Tag: "me", Action: care.SelfManage, CachedActor: true,
		Summary: "List the inbox",
		Description: "The caller's own notifications, newest first, without archived ones. `unread` " +
			"and `unseen` count the whole inbox, regardless of the filters. They are exact up to " +
			"500 unread notifications. " + shortPages,
		Refusals: []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *inboxInput) (*output, error) {
		before, err := httpapi.ParseCursor(in.Cursor, care.AfterAll)
		if err != nil {
			return nil, err
		}
		page, err := service.List(ctx, httpapi.ActorOf(ctx), inbox.Filter{
			Unread: in.Unread, Unseen: in.Unseen, Archived: in.Archived, Unacknowledged: in.Unacknowledged, Category: in.Category, ClinicID: in.ClinicID, Before: before, Limit: in.Limit,
		})
		return &output{InboxPage{Items: page.Items, Counts: page.Counts, Next: page.Next}}, err
	})
	for _, mark := range inbox.Marks {
		registerInboxMark(api, service, mark)
	}
}

// inboxMarks are the descriptions of the marks.
var inboxMarks = map[inbox.Mark]string{
	inbox.Seen: "Records that the caller was shown notifications in a list.",
	inbox.Read: "Records that the caller has read notifications. Messages that no provider was called for yet are cancelled, " +
		"and delivered ones become `read`.",
	inbox.Unread:    "Marks notifications as unread again. They stay seen.",
	inbox.Archive:   "Moves notifications to the archive, where they count as neither unread nor unseen.",
	inbox.Unarchive: "Moves notifications from the archive back to the inbox.",
}

func registerInboxMark(api *httpapi.Server, service *inbox.Service, mark inbox.Mark) {
	type input struct{ Body InboxTarget }
	type output struct{ Body inbox.Marked }
	httpapi.Register(api, httpapi.Operation{
		ID: "mark-inbox-" + string(mark), Method: http.MethodPost, Path: "/api/inbox/" + string(mark), Tag: "me", Action: care.SelfManage,
		Repeatable: true,
		Summary:    strings.ToUpper(string(mark[:1])) + string(mark[1:]) + ": mark notifications in the inbox",
		Description: inboxMarks[mark] + " Answers with the counts afterwards, which the caller's sockets receive too. " +
			"Repeating it changes nothing.",
		Refusals: []care.Code{care.Forbidden, care.Invalid, care.NotFound},
	}, func(ctx context.Context, in *input) (*output, error) {
		target, err := in.Body.target()
		if err != nil {
			return nil, err
		}
		marked, err := service.Mark(ctx, httpapi.CommandOf(ctx), mark, target)
		return &output{marked}, err
	})
}
