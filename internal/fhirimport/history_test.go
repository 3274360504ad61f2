package fhirimport_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport"
	"carewire/internal/outbox/outboxtest"
)

// sortedByIndex returns the listed items in the order of the file.
func sortedByIndex(sum fhirimport.Summary) []string {
	slices.SortStableFunc(sum.Listed, func(a, b fhirimport.Item) int { return a.Index - b.Index })
	return listed(sum)
}

// change is an entry of a history: a version of the condition c, or its deletion.
func change(method, status, version, updated string) string {
	response := `"response":{"status":"200","etag":"W/\"` + version + `\"","lastModified":"` + updated + `"}`
	if method == "DELETE" {
		return `{"fullUrl":"http://a.example/Condition/c","request":{"method":"DELETE","url":"Condition/c"},` + response + `}`
	}
	meta := `"meta":{"versionId":"` + version + `","lastUpdated":"` + updated + `"}`
	if updated == "" {
		meta = `"meta":{"versionId":"` + version + `"}`
	}
	resource := strings.Replace(problem("c", "Patient/p", ref("encounter", "Encounter/e")+`,`+meta), `"active"`, `"`+status+`"`, 1)
	return `{"fullUrl":"http://a.example/Condition/c","resource":` + resource + `,"request":{"method":"` + method + `","url":"Condition/c"},` + response + `}`
}

func (b *testBundle) condition(t *testing.T) string {
	t.Helper()
	return one[string](t, b, `SELECT concat_ws(' ', version, status, nullif(reason, '')) FROM records WHERE kind = 'condition'`)
}

func TestHistory_EndsAtTheNewestVersionInAnyOrder(t *testing.T) {
	t.Parallel()
	first, second, third := change("POST", "active", "1", "2020-01-01T00:00:00Z"), change("PUT", "resolved", "2", "2020-02-01T00:00:00Z"), change("PUT", "inactive", "10", "2020-03-01T00:00:00Z")
	for name, entries := range map[string][]string{
		"newest first": {third, second, first},
		"oldest first": {first, second, third},
		"mixed":        {second, third, first},
		"by number":    {change("PUT", "inactive", "10", ""), change("PUT", "resolved", "9", "")},
		"by order":     {strings.ReplaceAll(change("PUT", "inactive", "x", ""), `"etag"`, `"e"`), strings.ReplaceAll(change("PUT", "resolved", "y", ""), `"etag"`, `"e"`)},
	} {
		b := setup(t)
		b.run(t, fhirimport.Options{}, text("visit.ndjson", lines(visit)))
		file := text("a.json", bundle("history", entries...))
		sum := b.run(t, fhirimport.Options{}, file)
		require.Equal(t, [4]int{1, 0, 0, len(entries) - 1}, [4]int{sum.Imported, sum.Updated, sum.Refused, sum.Skipped}, name)
		require.Equal(t, "1 inactive", b.condition(t), name)
		again := b.run(t, fhirimport.Options{}, file)
		require.Equal(t, [2]int{1, 0}, [2]int{again.Unchanged, again.Updated}, name)
	}
}

func TestDeletion_RetractsWhatWasImported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, fhirimport.Options{}, text("visit.ndjson", lines(visit)))
	b.run(t, fhirimport.Options{}, text("a.json", bundle("history", change("POST", "active", "1", "2020-01-01T00:00:00Z"))))
	file := text("b.json", bundle("history", change("DELETE", "", "2", "2020-02-01T00:00:00Z"), change("POST", "active", "1", "2020-01-01T00:00:00Z"),
		`{"request":{"method":"DELETE","url":"Patient/p"}}`, `{"request":{"method":"DELETE","url":"Condition/never"}}`,
		`{"request":{"method":"DELETE","url":"Encounter/e"}}`, `{"request":{"method":"DELETE","url":"Condition?code=x"}}`))
	sum := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, []string{
		"skipped: f[1] Condition/c: a newer version of the resource is in the same files",
		"skipped: f[2] Patient/p: was deleted; an import does not delete people: disable their account if they have left",
		"skipped: f[3] Condition/never: was deleted, and was not imported before",
		"refused: f[5] resource: Bundle.entry.request.url: must be the type and the id of a resource, such as Condition/1",
	}, sortedByIndex(sum))
	require.Equal(t, [2]int{2, 0}, [2]int{sum.Retracted, sum.Imported}, sum.Counts)
	require.Equal(t, "2 entered-in-error deleted in the system that it was imported from", b.condition(t))
	require.Equal(t, "cancelled", one[string](t, b, `SELECT status FROM appointments`))
	outboxtest.Require(t, b.db.Owner, "ehr.condition.retracted", outboxtest.Version(2))
	again := b.run(t, fhirimport.Options{}, file)
	require.Equal(t, [2]int{0, 2}, [2]int{again.Retracted, again.Unchanged}, again.Counts)
}

func TestRun_CountsEachResourceOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", lines(visit)), text("b.ndjson", lines(visit)),
		text("c.ndjson", strings.Replace(visit[2], `"A"`, `"B"`, 1)+"\n"+line("Goal", "g", "")+"\n"+line("Goal", "g", "")))
	require.Equal(t, [4]int{4, 0, 0, 3}, [4]int{sum.Imported, sum.Updated, sum.Unchanged, sum.Skipped}, sum.Counts)
	require.Contains(t, sum.Counts, fhirimport.Count{Type: "Encounter", Outcome: fhirimport.Repeated, Count: 1})
	require.Equal(t, "B", one[string](t, b, `SELECT given_name FROM users WHERE family_name = 'Patient'`), "the last one in the files")
}
