package fhirimport_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport"
	"carewire/internal/outbox/outboxtest"
)

// talk returns the authors and texts of all messages, by conversation, in the order of their
// numbers.
func (b *testBundle) talk(t *testing.T) string {
	t.Helper()
	return one[string](t, b, `SELECT string_agg(concat_ws(' ', p.resource_id, m.number, a.resource_id, m.written_at::date, m.text), E'\n' ORDER BY p.resource_id, m.number)
		FROM conversation_messages AS m
		JOIN conversations AS c ON c.id = m.conversation_id
		JOIN import_identifiers AS p ON p.domain_id = c.patient_id
		JOIN import_identifiers AS a ON a.domain_id = m.author_id`)
}

func TestImport_OfMessagesMakesAConversationPerPatientAndClinic(t *testing.T) {
	t.Parallel()
	b := setup(t)
	file := text("messages.ndjson", testdata(t, "messages.ndjson"))
	var listed []string
	sum := b.run(t, fhirimport.Options{List: func(i fhirimport.Item) { listed = append(listed, i.String()) }}, file)
	require.Equal(t, [3]int{9, 3, 3}, [3]int{sum.Imported, sum.Skipped, sum.Refused}, listed)
	require.ElementsMatch(t, []string{
		"partly: messages.ndjson[8] Communication/question: Communication.payload[1]: is not text",
		"refused: messages.ndjson[10] Communication/mixed-up: Communication.sender: is not the patient that the message is about",
		"refused: messages.ndjson[11] Communication/nobody: Communication.sender: does not refer to an imported person",
		"skipped: messages.ndjson[12] Communication/alert: the sender is not a patient or a practitioner",
		"skipped: messages.ndjson[13] Communication/scan: contains no text; attachments are not imported",
		"skipped: messages.ndjson[14] Communication/mistake: was entered in error",
		"refused: messages.ndjson[15] Communication/ahead: Communication.sent: must be from 1900 on, and in the past",
	}, listed)
	require.Equal(t, "pat-1 1 pat-1 2024-03-01 May I drink before the test?\npat-1 2 nurse-1 2024-03-02 Yes.\n\nWater only.\npat-2 1 doc-1 2024-03-03 Please call us.", b.talk(t))
	require.Equal(t, 2, one[int](t, b, `SELECT count(*) FROM conversation_participants`), "only the patients, who have no care team")
	require.Zero(t, one[int](t, b, `SELECT count(*) FROM memberships WHERE role = 'doctor'`), "a message grants no role")
	require.Zero(t, one[int](t, b, `SELECT count(*) FROM conversation_participants AS p JOIN conversations AS c ON c.id = p.conversation_id
		WHERE p.unread_since IS NOT NULL OR p.read_number <> c.last_number`), "imported messages are read, and cause no reminders")
	for _, e := range outboxtest.Appended(t, b.db.Owner) {
		require.True(t, e.Imported, e.Type)
		require.NotContains(t, string(e.Data), "Water")
	}
	outboxtest.RequireCount(t, b.db.Owner, 3, "chat.message_created")
	outboxtest.RequireCount(t, b.db.Owner, 2, "chat.participant_joined")

	before := b.talk(t)
	again := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, [3]int{0, 0, 9}, [3]int{again.Imported, again.Updated, again.Unchanged}, again.Counts)
	require.Equal(t, before, b.talk(t))
}

func TestImport_OfMoreMessagesContinuesTheConversation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	content := testdata(t, "messages.ndjson")
	b.run(t, fhirimport.Options{}, text("messages.ndjson", content))
	patient := one[uuid.UUID](t, b, `SELECT domain_id FROM import_identifiers WHERE resource_id = 'pat-1'`)
	doctor := one[uuid.UUID](t, b, `SELECT domain_id FROM import_identifiers WHERE resource_id = 'doc-1'`)
	// The conversation has a message that the patient has not read.
	_, err := b.db.Owner.Exec(t.Context(), `WITH c AS (UPDATE conversations SET last_number = 3 WHERE patient_id = $1 RETURNING id)
		INSERT INTO conversation_messages (id, conversation_id, number, author_id, text, written_at) SELECT gen_random_uuid(), id, 3, $2, 'New', now() FROM c`, patient, doctor)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(content), "\n")
	more := strings.NewReplacer(`"id":"answer"`, `"id":"more"`, "Water only.", "And tea.").Replace(lines[6])
	changed := strings.Replace(lines[7], "May I drink", "May I eat", 1)
	sum := b.run(t, fhirimport.Options{}, text("more.ndjson", more+"\n"+changed+"\n"))
	require.Equal(t, [2]int{1, 1}, [2]int{sum.Imported, sum.Refused}, sum.Listed)
	require.Equal(t, "messages cannot change", sum.Listed[1].Reason, sum.Listed)
	require.Contains(t, b.talk(t), "pat-1 4 nurse-1 2024-03-02 Yes.\n\nAnd tea.")
	require.Equal(t, int64(2), one[int64](t, b, `SELECT read_number FROM conversation_participants WHERE user_id = $1`, patient), "unread messages stay unread")
}
