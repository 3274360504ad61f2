package postgres_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// plannedElsewhere are the statements that return many rows and that TestPlans_DoNotGrowWithTheTables
// does not explain, by what bounds their plans.
var plannedElsewhere = map[string]string{
	"TestQueries_UseIndexesInAFullDiary of appointment": "AppointmentTaken",
	"TestQueries_UseIndexes of billing":                 "InvoiceListOfPatient InvoiceListVisible InvoiceListInStatus StatementCurrencyList StatementRead InvoiceMarkOverdue",
	"TestQueries_UseIndexesAmongManyConversations":      "MessageList ParticipantRemind ParticipantLeftTell",
	"TestListUsers_UsesIndexesAmongManyPeople":          "UserList UserSearch PatientDuplicates",
	"TestPlans_OfReceiptsReadIndexes of notify":         "ReceiptInsert ReceiptLock ReceiptDelivery ReceiptWaiting ReceiptWaitingPage",

	"rows of keys that are given": `AppointmentPeopleLock AppointmentReversalList AppointmentBusy AppointmentStartList AuditPeople AccountListOf ActorByIdentities
		CareTeamLeave CareTeamClinics ClinicListOf ConversationTeam CreditNoteList CreditNoteLineList DeliveryPlan
		DeliveryWaiting DeliveryDecide DeviceListOfUser DeviceRelease DeviceEvict DoctorClinics EventsAt EventKnown EventTraces ImportIdentifierList ImportAliasList
		ImportPartList InvoiceLineList LedgerLeaves MedicalRecordNumberList MembershipListOfUser MembershipListAt NotificationDefaultsOf NotificationHoldEnd
		NotificationHoldDefer ParticipantJoin PatientClinics PatientEverAt PaymentList PersonClinics PersonMerge PlannedRecipients PlannedDecisions PreferenceChanges
		RecordVersionList SessionDeleteOfUser SignInList SuppressionRaise UserByEmail UserEmailTaken AppointmentDepartureList AppointmentDepartureTake`,
	"rows that are inserted": `AcceptedEventInsertMany AppointmentInsertMany DeathInsertMany InvoiceInsertMany MembershipGrantMany MembershipInsertMany MessageImport
		RecordInsertMany StandInInsertMany`,
	"tables of what operators write, or of open work": `AbsenceList ClinicList ClinicTimeZoneList CriticalLimitList FollowerList FailureList InvoiceTimeZoneList JobsOpen
		RejectedList RuleSetSources RuleSetList RuleFailureTotals RuleFailureList ServiceAccountList TemplateSetSources TemplateSetList VisitTypeList SessionDeleteExpired
		AcceptedEventList`,
	"sums of days": "DeliveryCountList EventCountList",
}

// TestPlans_CoverEveryStatementThatReturnsManyRows fails for a new list until its plan is checked.
func TestPlans_CoverEveryStatementThatReturnsManyRows(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../sql/queries/*.sql")
	require.NoError(t, err)
	many := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^-- name: (\w+) :(?:many|batchmany)$`).FindAllStringSubmatch(string(text), -1) {
			many[m[1]] = true
		}
	}
	require.NotEmpty(t, many)
	test, err := os.ReadFile("plans_test.go")
	require.NoError(t, err)
	covered := map[string]bool{}
	for name := range many {
		covered[name] = regexp.MustCompile(`\.` + name + `\(`).Match(test)
	}
	for _, names := range plannedElsewhere {
		for name := range strings.FieldsSeq(names) {
			require.True(t, many[name], "%s returns no rows, or does not exist", name)
			require.False(t, covered[name], "%s is covered twice", name)
			covered[name] = true
		}
	}
	missing := slices.DeleteFunc(slices.Sorted(maps.Keys(covered)), func(name string) bool { return covered[name] })
	require.Empty(t, missing, "explain these in TestPlans_DoNotGrowWithTheTables, or say in plannedElsewhere what bounds their plans")
}
