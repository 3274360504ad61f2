package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/postgres/postgrestest"
)

// grown are the tables that grow. A sequential scan of one, or a sort or hash of it, takes
// increasingly long.
var grown = []string{
	"escalations", "events_from_1", "notifications_from_1", "deliveries_from_1", "decisions_from_1", "users", "memberships", "devices", "subject_cutoffs", "digests", "digest_items", "throttles", "river_job",
	"records", "appointments", "conversations", "conversation_participants",
}

// planCase is a statement whose plan is checked.
type planCase struct {
	name  string
	pool  *pgxpool.Pool
	actor care.Actor
	// most is the maximum number of touched rows; 0 means 1,000.
	most float64
	ask  func(ctx context.Context, q *db.Queries) error
}

func TestPlans_DoNotGrowWithTheTables(t *testing.T) {
	t.Parallel()
	base := filled(t)
	operator := care.Actor{UserID: uuid.New(), Memberships: []care.Membership{{Role: care.Operator}}}
	person := care.Actor{UserID: numbered('a', 7)}
	long, ago := care.AfterAll, time.Time{}
	first := care.BeforeAll
	// examined is the maximum number of rows that a list reads along its index, with those of a page.
	const page, examined = 51, 1200
	busy := numbered('a', 9)
	large := numbered('c', 1)
	carer := care.Actor{ID: busy.String(), UserID: busy, Memberships: []care.Membership{{Role: care.Doctor, ClinicID: &large}}}
	lesser := care.Actor{ID: numbered('a', 8).String(), UserID: numbered('a', 8), Memberships: carer.Memberships}
	clinics, none := []uuid.UUID{large}, []string{}
	reports := db.RecordListOfPatientParams{
		Kind: "lab_report", Status: new("cancelled"), Own: true, ActorID: busy, ActorText: carer.ID, DoctorClinics: clinics, AuthorClinics: clinics, TeamClinics: clinics,
		BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page,
	}
	diary := db.AppointmentListVisibleParams{
		Statuses: none, AnyVisitType: true, Own: true, ActorID: busy, Clinics: clinics, ToTime: long.Time, AfterTime: first.Time, RowLimit: page,
	}
	told := db.NotificationListParams{CreatedFrom: ago, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page}
	mails := []uuid.UUID{numbered('1', 90001), numbered('1', 90002), numbered('1', 99999)}
	lots := func(state, channel string) db.DeliveryListParams {
		return db.DeliveryListParams{State: state, Channel: channel, CreatedFrom: ago, BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page}
	}
	cases := []planCase{
		{"claim", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliveryClaim(ctx, db.DeliveryClaimParams{StaleSeconds: 30, Ids: mails, Channels: []string{"email", "email", "email"}, AddressKinds: []string{"email", "email", "email"}, RepeatSafe: make([]bool, 3), EventFields: []string{"startsAt", "dueOn", "count"}})
			return err
		}},
		{"settle", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliverySettle(ctx, settled(mails))
			return err
		}},
		{"fallback", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliveryFallback(ctx, db.DeliveryFallbackParams{ID: uuid.New(), Channel: "sms", AddressKind: "phone", Reason: "r", Fallback: []string{}, InsteadOf: mails[0]})
			return err
		}},
		{"lock the notifications of deliveries", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			return q.NotificationLockOf(ctx, mails)
		}},
		{"redrive", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliveryTakeForRedrive(ctx, db.DeliveryTakeForRedriveParams{ID: mails[0], Channels: []string{"email"}, AddressKinds: []string{"email"}})
			return err
		}},
		{"the end of a sweep's piece", base.Worker, care.Actor{}, 6000, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliveryQueuedPage(ctx, db.DeliveryQueuedPageParams{AfterTime: first.Time, RowSkip: 4999})
			return err
		}},
		{"sweep of a piece of a backlog", base.Worker, care.Actor{}, 12000, func(ctx context.Context, q *db.Queries) error {
			var until time.Time
			require.NoError(t, base.Owner.QueryRow(ctx, `SELECT created_at FROM deliveries WHERE event_position = 82500 AND channel = 'email'`).Scan(&until))
			_, err := q.DeliveryStranded(ctx, db.DeliveryStrandedParams{AfterTime: first.Time, LastTime: until, LastID: uuid.Max, GraceSeconds: 120, MaxRows: 500})
			return err
		}},
		{"take stranded", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliveryTakeStranded(ctx, db.DeliveryTakeStrandedParams{Ids: mails, GraceSeconds: 120})
			return err
		}},
		{"expired", base.Worker, care.Actor{}, 2500, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliveryExpired(ctx, 500)
			return err
		}},
		{"completed periodic jobs", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.PeriodicJobForget(ctx, db.PeriodicJobForgetParams{Queue: "sweep", Priority: 1, Kind: "delivery_sweep", ID: 1})
			return err
		}},
		{"plan notifications", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.NotificationPlan(ctx, db.NotificationPlanParams{
				Ids: []uuid.UUID{uuid.New()}, EventPositions: []int64{110000}, EventIds: []uuid.UUID{uuid.New()}, EventTypes: []string{"user.updated"}, Subjects: []string{"user/1"},
				RecipientIds: []uuid.UUID{person.UserID}, ClinicIds: []uuid.UUID{uuid.Nil}, Categories: []string{"account"}, Priorities: []string{"normal"}, Rules: []string{"r"},
				RuleVersions: []int32{1}, Templates: []string{"account"}, HeldUntils: make([]time.Time, 1), PlanKeys: []string{""}, Hidden: []bool{false},
			})
			return err
		}},
		{"open digests", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DigestOpen(ctx, db.DigestOpenParams{
				Ids: []uuid.UUID{uuid.New()}, RecipientIds: []uuid.UUID{person.UserID}, ClinicIds: []uuid.UUID{uuid.Nil}, Channels: []string{"email"},
				Keys: []string{"daily:clinical"}, Categories: []string{"clinical"}, Priorities: []string{"normal"}, MaxItems: []int32{50}, Items: []int32{1}, DueAts: []time.Time{time.Now()},
			})
			return err
		}},
		{"the next digest that is due", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DigestNextDue(ctx)
			return err
		}},
		{"due digests", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DigestTakeDue(ctx, 500)
			return err
		}},
		{"items of digests", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DigestItemList(ctx, []uuid.UUID{numbered('8', 7), numbered('8', 8)})
			return err
		}},
		{"a part of a digest", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			return q.DigestSplit(ctx, db.DigestSplitParams{ID: numbered('8', 7), PartID: uuid.New(), Items: 100})
		}},
		{"items that are left out", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			return q.DigestItemLeaveOutMany(ctx, db.DigestItemLeaveOutManyParams{NotificationIds: []uuid.UUID{numbered('f', 7)}, Channels: []string{"email"}, LeftOuts: []string{"read_in_app"}})
		}},
		{"close digests", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			return q.DigestCloseMany(ctx, db.DigestCloseManyParams{Ids: []uuid.UUID{numbered('8', 7)}, NotificationIds: []uuid.UUID{numbered('f', 7)}})
		}},
		{"the contents of a digest", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DigestContents(ctx, numbered('f', 30000))
			return err
		}},
		{"count throttled messages", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.ThrottleTake(ctx, db.ThrottleTakeParams{
				RecipientIds: []uuid.UUID{person.UserID}, Keys: []string{"rule:rule-1/email/5 per 1h"}, Messages: []int32{1}, MaxMessages: []int32{5}, PerSeconds: []float64{3600},
			})
			return err
		}},
		{"notifications that are due", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.NotificationTakeDue(ctx, 500)
			return err
		}},
		{"the next notification that is due", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.NotificationNextDue(ctx)
			return err
		}},
		{"suppressions", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).SuppressionList(ctx, db.SuppressionListParams{BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"suppressions of a person", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).SuppressionListOfPerson(ctx, db.SuppressionListOfPersonParams{UserID: person.UserID, BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		// The plan for any arguments reads the suppressions of each kind, of which there are few.
		{"planning directory", base.Worker, care.Actor{}, 25000, func(ctx context.Context, q *db.Queries) error {
			_, err := q.PlanningDirectory(ctx, db.PlanningDirectoryParams{
				ClinicIds: []uuid.UUID{numbered('c', 3), numbered('c', 4)}, Roles: []string{"doctor", "nurse"}, UserIds: []uuid.UUID{person.UserID, numbered('a', 8)},
				EventClinicIds: []uuid.UUID{numbered('c', 3), numbered('c', 4)}, TeamClinicIds: []uuid.UUID{numbered('c', 3)}, TeamPatientIds: []uuid.UUID{person.UserID},
				TeamTold: []bool{true}, ConversationIds: []uuid.UUID{numbered('7', 9)},
			})
			return err
		}},
		{"cut-offs of a batch", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.CutoffOf(ctx, []string{"user/7", "user/99999", "user/none"})
			return err
		}},
		{"cut-off of a subject for which nothing waits", base.App, person, 0, func(ctx context.Context, q *db.Queries) (err error) {
			q.CutoffRaise(ctx, []db.CutoffRaiseParams{{Subjects: []string{"patient/busy"}, RecipientIds: []uuid.UUID{uuid.Nil}, Versions: []int64{2}, CauseEventIds: []uuid.UUID{uuid.New()}, CauseTypes: []string{"user.updated"}}}).Query(func(_ int, _ []db.CutoffRaiseRow, failed error) { err = failed })
			return err
		}},
		{"what waits below a cut-off", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.CutoffApply(ctx, db.CutoffApplyParams{Subjects: []string{"user/7"}, CauseEventIds: []uuid.UUID{uuid.New()}})
			return err
		}},
		{"planning defaults", base.Worker, care.Actor{}, 3000, func(ctx context.Context, q *db.Queries) error {
			_, err := q.PlanningDefaults(ctx, []uuid.UUID{numbered('c', 3), numbered('c', 4)})
			return err
		}},
		{"preferences of a person", base.App, person, 20, func(ctx context.Context, q *db.Queries) error {
			_, err := q.PreferenceList(ctx, person.UserID)
			return err
		}},
		{"holds of records", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.RecordHolds(ctx, []uuid.UUID{uuid.New(), uuid.New()})
			return err
		}},
		{"held notifications of a record", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.NotificationHeldOf(ctx, db.NotificationHeldOfParams{RecipientID: person.UserID, Subject: "lab_report/" + uuid.NewString(), MaxRows: 500})
			return err
		}},
		{"held notifications that are due", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.NotificationHeldDue(ctx, 500)
			return err
		}},
		{"follower read", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EventList(ctx, db.EventListParams{FirstPosition: 60000, MaxEvents: 500})
			return err
		}},
		{"events of some types", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EventListTypes(ctx, db.EventListTypesParams{FirstPosition: 60000, EndPosition: 60500, Types: []string{"user.updated", "user.created"}})
			return err
		}},
		{"time of an event", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.LedgerTimeFrom(ctx, 60000)
			return err
		}},
		{"notifications to compare", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.BacktestNotifications(ctx, db.BacktestNotificationsParams{FirstPosition: 60000, EndPosition: 60500, MaxRows: 1000})
			return err
		}},
		{"deliveries to compare", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.BacktestDeliveries(ctx, db.BacktestDeliveriesParams{FirstPosition: 60000, EndPosition: 60100})
			return err
		}},
		{"decisions to compare", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.BacktestDecisions(ctx, []int64{60001, 60003})
			return err
		}},
		{"deliveries", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryList(ctx, lots("", ""))
			return err
		}},
		{"sent deliveries", base.App, operator, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryList(ctx, lots("sent", "")) // 40,000 newer ones wait.
			return err
		}},
		{"deliveries by email", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryList(ctx, lots("", "email"))
			return err
		}},
		{"deliveries of a rule", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryListOfRule(ctx, db.DeliveryListOfRuleParams{Rule: "rule-3", BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"deliveries of a rule on a channel without any", base.App, operator, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryListOfRule(ctx, db.DeliveryListOfRuleParams{Rule: "rule-3", Channel: "whatsapp", BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"deliveries of a time", base.App, operator, examined, func(ctx context.Context, q *db.Queries) error {
			p := lots("", "none")
			p.CreatedFrom, p.BeforeTime = time.Now().Add(-103000*time.Minute), time.Now().Add(-102000*time.Minute)
			_, err := anyValues(ctx, q).DeliveryList(ctx, p)
			return err
		}},
		{"failed deliveries", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryListInState(ctx, db.DeliveryListInStateParams{State: "failed", BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"delivered deliveries, of which there are none", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryListInState(ctx, db.DeliveryListInStateParams{State: "delivered", BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"deliveries by text message", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryListOnChannel(ctx, db.DeliveryListOnChannelParams{Channel: "sms", BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"deliveries of a person by a rule without any", base.App, operator, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryListOfRecipient(ctx, db.DeliveryListOfRecipientParams{RecipientID: busy, Rule: "none", BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"deliveries of a person", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).DeliveryListOfRecipient(ctx, db.DeliveryListOfRecipientParams{RecipientID: person.UserID, BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		// As carewire_worker, whose plan has no policy: that of carewire_app includes a scan of all
		// memberships, which is never executed for a part of carewire.
		{"staff", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.StaffList(ctx, db.StaffListParams{After: numbered('a', 25000), RowLimit: page})
			return err
		}},
		// The plan for any arguments sorts the roles of staff, of which there are few.
		{"roles of staff", base.Worker, care.Actor{}, 12000, func(ctx context.Context, q *db.Queries) error {
			_, err := q.StaffRoleList(ctx, db.StaffRoleListParams{AfterUser: numbered('a', 25000), After: numbered('b', 25000), RowLimit: page})
			return err
		}},
		{"inbox", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListOfRecipient(ctx, db.NotificationListOfRecipientParams{RecipientID: person.UserID, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"unread notifications of a busy person", base.App, operator, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListOfRecipient(ctx, db.NotificationListOfRecipientParams{RecipientID: busy, Unread: true, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"unread", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.NotificationUnread(ctx, db.NotificationUnreadParams{RecipientID: person.UserID, Most: 100})
			return err
		}},
		{"inbox page", base.App, person, 0, func(ctx context.Context, q *db.Queries) (err error) {
			anyValues(ctx, q).InboxList(ctx, []db.InboxListParams{{RecipientID: person.UserID, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page}}).Query(func(_ int, _ []db.InboxListRow, failed error) { err = failed })
			return err
		}},
		{"inbox page of a category without any", base.App, care.Actor{UserID: busy}, examined, func(ctx context.Context, q *db.Queries) (err error) {
			anyValues(ctx, q).InboxList(ctx, []db.InboxListParams{{RecipientID: busy, Category: "billing", BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page}}).Query(func(_ int, _ []db.InboxListRow, failed error) { err = failed })
			return err
		}},
		{"inbox page of unread", base.App, person, 0, func(ctx context.Context, q *db.Queries) (err error) {
			anyValues(ctx, q).InboxListUnread(ctx, []db.InboxListUnreadParams{{RecipientID: person.UserID, Unseen: true, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page}}).Query(func(_ int, _ []db.InboxListUnreadRow, failed error) { err = failed })
			return err
		}},
		{"inbox page of unacknowledged", base.App, person, 0, func(ctx context.Context, q *db.Queries) (err error) {
			anyValues(ctx, q).InboxListUnacknowledged(ctx, []db.InboxListUnacknowledgedParams{{RecipientID: person.UserID, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page}}).Query(func(_ int, _ []db.InboxListUnacknowledgedRow, failed error) { err = failed })
			return err
		}},
		{"unacknowledged", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListUnacknowledged(ctx, db.NotificationListUnacknowledgedParams{RecipientID: person.UserID, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"inbox acknowledge", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.InboxAcknowledge(ctx, db.InboxAcknowledgeParams{ID: numbered('f', 6), EventPosition: 6})
			return err
		}},
		{"the next due step", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EscalationNextDue(ctx)
			return err
		}},
		{"due steps", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EscalationTakeDue(ctx, 50)
			return err
		}},
		{"progress of steps", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EscalationProgress(ctx, db.EscalationProgressParams{EventPositions: []int64{99999, 100000}, Rules: []string{"rule-9", "rule-0"}, Steps: []int32{0, 0}, Counted: []string{"", ""}})
			return err
		}},
		{"people told by steps' rules", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EscalationTold(ctx, db.EscalationToldParams{EventPositions: []int64{99999, 100000}, Rules: []string{"rule-9", "rule-0"}})
			return err
		}},
		{"the next steps", base.Worker, care.Actor{}, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EscalationBegin(ctx, db.EscalationBeginParams{EventPositions: []int64{99999}, Rules: []string{"rule-9"}, Steps: []int32{0}, AtOnce: []bool{false}})
			return err
		}},
		{"steps of an event", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EscalationList(ctx, 99999)
			return err
		}},
		{"inbox page of archived", base.App, person, 0, func(ctx context.Context, q *db.Queries) (err error) {
			anyValues(ctx, q).InboxListArchived(ctx, []db.InboxListArchivedParams{{RecipientID: person.UserID, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page}}).Query(func(_ int, _ []db.InboxListArchivedRow, failed error) { err = failed })
			return err
		}},
		{"inbox counts", base.App, person, 0, func(ctx context.Context, q *db.Queries) (err error) {
			q.InboxCounts(ctx, []db.InboxCountsParams{{RecipientID: person.UserID, Most: 100}}).QueryRow(func(_ int, _ db.InboxCountsRow, failed error) { err = failed })
			return err
		}},
		{"inbox up to", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.InboxUnreadUpTo(ctx, db.InboxUnreadUpToParams{RecipientID: person.UserID, ToTime: long.Time, ToID: long.ID, RowLimit: page})
			return err
		}},
		{"inbox up to, with read ones", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.InboxUpTo(ctx, db.InboxUpToParams{RecipientID: person.UserID, ToTime: long.Time, ToID: long.ID, RowLimit: page})
			return err
		}},
		{"archive up to", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.InboxArchivedUpTo(ctx, db.InboxArchivedUpToParams{RecipientID: person.UserID, ToTime: long.Time, ToID: long.ID, RowLimit: page})
			return err
		}},
		{"inbox of ids", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.InboxOf(ctx, db.InboxOfParams{Ids: []uuid.UUID{numbered('f', 6)}, RecipientID: person.UserID})
			return err
		}},
		{"inbox mark", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.InboxMark(ctx, db.InboxMarkParams{Mark: "read", RecipientID: person.UserID, Ids: []uuid.UUID{numbered('f', 6)}, EventPositions: []int64{6}})
			return err
		}},
		{"inbox settle read", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.InboxSettleRead(ctx, db.InboxSettleReadParams{Ids: []uuid.UUID{numbered('f', 6)}, EventPositions: []int64{6}})
			return err
		}},
		{"deliveries of notifications", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.NotificationDeliveries(ctx, []uuid.UUID{numbered('f', 1), numbered('f', 50000), numbered('f', 90000)})
			return err
		}},
		{"notifications", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationList(ctx, told)
			return err
		}},
		{"notifications on a channel without any", base.App, operator, 3 * examined, func(ctx context.Context, q *db.Queries) error {
			p := told
			p.Channel = "whatsapp"
			_, err := anyValues(ctx, q).NotificationList(ctx, p)
			return err
		}},
		{"notifications to acknowledge", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListToAcknowledge(ctx, db.NotificationListToAcknowledgeParams(told))
			return err
		}},
		{"notifications with a failed delivery", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListInState(ctx, db.NotificationListInStateParams{State: "failed", CreatedBefore: long.Time, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"notifications with a queued delivery", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListInState(ctx, db.NotificationListInStateParams{State: "queued", CreatedBefore: long.Time, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"notifications with a queued delivery that have to be acknowledged", base.App, operator, 3 * examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListInState(ctx, db.NotificationListInStateParams{State: "queued", Unacknowledged: true, CreatedBefore: long.Time, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"notifications of a busy person with a delivery in a state without any", base.App, operator, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListOfRecipientInState(ctx, db.NotificationListOfRecipientInStateParams{
				RecipientID: busy, State: "unknown", CreatedBefore: long.Time, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page,
			})
			return err
		}},
		{"what is planned for a busy person", base.App, person, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).NotificationListPlans(ctx, db.NotificationListPlansParams{RecipientID: busy, State: "planned", BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"the audit trail's events of a page", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.AuditList(ctx, db.AuditListParams{ActorID: new("system:none"), Until: 120000, RowLimit: 101})
			return err
		}},
		{"clients of events", base.App, care.SystemActor("audit"), 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.AuditClients(ctx, []int64{1, 60000, 120000})
			return err
		}},
		{"old clients", base.Worker, care.Actor{}, 2000, func(ctx context.Context, q *db.Queries) error {
			_, err := q.EventClientsDeleteOld(ctx, db.EventClientsDeleteOldParams{MaxRows: 100, MaxAgeSeconds: 1})
			return err
		}},
		{"explain an event", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.ExplainEvent(ctx, db.ExplainEventParams{Follower: "dispatch", EventID: numbered('e', 50000)})
			return err
		}},
		{"explain decisions", base.App, operator, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.ExplainDecisions(ctx, 50001)
			return err
		}},
		{"records of a patient with a status without any", base.App, carer, examined, func(ctx context.Context, q *db.Queries) error {
			p := reports
			p.PatientID = new(numbered('a', 2))
			_, err := anyValues(ctx, q).RecordListOfPatient(ctx, p)
			return err
		}},
		{"records of a doctor with a status without any", base.App, carer, examined, func(ctx context.Context, q *db.Queries) error {
			p := reports
			p.DoctorID = new(numbered('a', 5))
			_, err := anyValues(ctx, q).RecordListOfDoctor(ctx, db.RecordListOfDoctorParams(p))
			return err
		}},
		{"records of an author with a status without any", base.App, carer, examined, func(ctx context.Context, q *db.Queries) error {
			p := reports
			p.AuthorID = &carer.ID
			_, err := anyValues(ctx, q).RecordListOfAuthor(ctx, db.RecordListOfAuthorParams(p))
			return err
		}},
		{"patients of a member of care teams", base.App, carer, 1200, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).RecordPatientCount(ctx, db.RecordPatientCountParams{ActorID: busy, TeamClinics: clinics})
			return err
		}},
		// Each of the 1,000 records of the clinic is looked up among the care teams, and each of the page by its id.
		{"records of clinics with a status without any", base.App, carer, 2*examined + 2*page, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).RecordListOfClinics(ctx, db.RecordListOfClinicsParams{
				Kind: "lab_report", Status: new("cancelled"), Own: true, ActorID: busy, ActorText: carer.ID, DoctorClinics: clinics, AuthorClinics: clinics, TeamClinics: clinics,
				BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page,
			})
			return err
		}},
		{"records of clinics", base.App, carer, 2 * examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).RecordListOfClinics(ctx, db.RecordListOfClinicsParams{
				Kind: "lab_report", Own: true, ActorID: busy, ActorText: carer.ID, DoctorClinics: clinics, AuthorClinics: clinics, TeamClinics: clinics,
				BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page,
			})
			return err
		}},
		// The newest record of each of the 900 patients, and the page's.
		{"records of 900 patients", base.App, lesser, 2*examined + 4*page, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).RecordListOfTeams(ctx, db.RecordListOfTeamsParams{
				Kind: "lab_report", Own: true, ActorID: lesser.UserID, ActorText: lesser.ID, DoctorClinics: clinics, AuthorClinics: clinics, TeamClinics: clinics,
				BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page, MaxPatients: page, MaxRecords: page,
			})
			return err
		}},
		{"records of 900 patients with a status without any", base.App, lesser, 3 * examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).RecordListOfTeams(ctx, db.RecordListOfTeamsParams{
				Kind: "lab_report", Status: new("cancelled"), Own: true, ActorID: lesser.UserID, ActorText: lesser.ID, DoctorClinics: clinics, AuthorClinics: clinics, TeamClinics: clinics,
				BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page, MaxPatients: 100, MaxRecords: page,
			})
			return err
		}},
		{"appointments of a patient with a status without any", base.App, carer, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).AppointmentListOfPatient(ctx, db.AppointmentListOfPatientParams{
				PatientID: busy, AnyDoctor: true, AnyClinic: true, Statuses: []string{"no_show"}, AnyVisitType: true, Own: true, ActorID: busy, Clinics: clinics,
				ToTime: long.Time, AfterTime: first.Time, RowLimit: page,
			})
			return err
		}},
		{"appointments of a doctor with a status without any", base.App, carer, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).AppointmentListOfDoctor(ctx, db.AppointmentListOfDoctorParams{
				DoctorID: numbered('a', 5), AnyClinic: true, Statuses: []string{"no_show"}, AnyVisitType: true, Own: true, ActorID: busy, Clinics: clinics,
				ToTime: long.Time, AfterTime: first.Time, RowLimit: page,
			})
			return err
		}},
		{"appointments", base.App, carer, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).AppointmentListVisible(ctx, diary)
			return err
		}},
		{"appointments of a month years ago", base.App, carer, 0, func(ctx context.Context, q *db.Queries) error {
			p := diary
			p.AfterTime, p.ToTime = time.Now().AddDate(-1, 0, 0), time.Now().AddDate(-1, 1, 0)
			_, err := anyValues(ctx, q).AppointmentListVisible(ctx, p)
			return err
		}},
		{"appointments of a visit type without any", base.App, carer, 2 * examined, func(ctx context.Context, q *db.Queries) error {
			p := diary
			p.AnyVisitType = false
			_, err := anyValues(ctx, q).AppointmentListVisible(ctx, p)
			return err
		}},
		{"requested appointments", base.App, carer, 2 * examined, func(ctx context.Context, q *db.Queries) error {
			p := db.AppointmentListVisibleInStatusParams(diary)
			p.Statuses = []string{"requested", "no_show"}
			_, err := anyValues(ctx, q).AppointmentListVisibleInStatus(ctx, p)
			return err
		}},
		{"conversations", base.App, carer, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.ConversationList(ctx, db.ConversationListParams{UserID: busy, Clinics: clinics, BeforeTime: long.Time, BeforeID: long.ID, RowLimit: page})
			return err
		}},
		{"participants of conversations", base.App, carer, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.ConversationParticipants(ctx, []uuid.UUID{numbered('7', 500), numbered('7', 1000)})
			return err
		}},
		{"the care team of a patient", base.App, carer, 0, func(ctx context.Context, q *db.Queries) error {
			_, err := q.CareTeamList(ctx, db.CareTeamListParams{PatientID: numbered('a', 500), ClinicIds: clinics})
			return err
		}},
		{"suppressions for a reason without any", base.Worker, care.Actor{}, examined, func(ctx context.Context, q *db.Queries) error {
			_, err := anyValues(ctx, q).SuppressionList(ctx, db.SuppressionListParams{Reason: "complaint", BeforeTime: long.Time, BeforeID: long.ID, MaxRows: page})
			return err
		}},
		{"open deliveries", base.Worker, care.Actor{}, 50000, func(ctx context.Context, q *db.Queries) error {
			_, err := q.DeliveriesOpen(ctx)
			return err
		}},
	}
	// Between two vacuums no page counts as visible to all, and the price of a random page is a matter of the disk: both
	// make other indexes cheaper.
	for _, command := range []string{"ANALYZE", "VACUUM (ANALYZE)"} {
		slowly(t, base, command+" "+strings.Join(analyzed, ", "))
		for _, pageCost := range []string{"4", "1.1"} {
			t.Run(command+", random_page_cost "+pageCost, func(t *testing.T) {
				requireAuditPlans(t, base, pageCost)
				for _, c := range cases {
					t.Run(c.name, func(t *testing.T) { c.check(t, base, pageCost) })
				}
			})
		}
	}
}

func (c planCase) check(t *testing.T, base *postgrestest.DB, pageCost string) {
	t.Helper()
	e := explainer{t: t, pageCost: pageCost}
	look := func(tx pgx.Tx) error {
		e.tx = tx
		if strings.HasPrefix(c.name, "the end of a sweep") {
			require.NoError(t, db.New(tx).SweepInOrder(t.Context()))
		}
		return c.ask(t.Context(), db.New(&e))
	}
	var err error
	if c.pool == base.App {
		err = postgres.InTxAs(t.Context(), c.pool, c.actor, look)
	} else {
		err = postgres.InTx(t.Context(), c.pool, look)
	}
	require.ErrorIs(t, err, errExplained)
	if c.most == 0 {
		c.most = 1000
	}
	plans := map[string]plan{"any": e.generic}
	if !e.anyValues {
		plans["these"] = e.custom
	}
	for kind, p := range plans {
		require.LessOrEqual(t, p.touched(), c.most, "rows that the plan for %s arguments reads", kind)
		require.LessOrEqual(t, p.sorted(), c.most, "rows that the plan for %s arguments sorts", kind)
		require.Empty(t, p.scanned(), "tables that the plan for %s arguments reads from beginning to end", kind)
	}
}

// anyValues returns q for the rest of a transaction that only has plans for any arguments.
func anyValues(ctx context.Context, q *db.Queries) *db.Queries {
	_ = q.PlanForAnyValues(ctx) // explainer.Exec notes it.
	return q
}

// settled ends the first attempt of each as sent, with an event.
func settled(ids []uuid.UUID) (p db.DeliverySettleParams) {
	for _, id := range ids {
		p.Ids = append(p.Ids, id)
		p.Attempts = append(p.Attempts, 1)
		p.FromStates = append(p.FromStates, "queued")
		p.States = append(p.States, "sent")
		p.Reasons = append(p.Reasons, "")
		p.Providers = append(p.Providers, "ses")
		p.ProviderIds = append(p.ProviderIds, "x")
		p.ErrorCodes = append(p.ErrorCodes, "")
		p.PossibleDuplicates = append(p.PossibleDuplicates, false)
		p.WaitSeconds = append(p.WaitSeconds, 0)
	}
	return p
}
