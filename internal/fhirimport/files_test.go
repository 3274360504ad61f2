package fhirimport_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport"
)

func TestFiles_ThatCannotBeReadDoNotAffectTheOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stu3 := bundle("collection", entry("urn:uuid:1", line("Patient", "old", named("Old"))),
		entry("urn:uuid:2", line("Condition", "c", `"clinicalStatus":"active","assertedDate":"2010-01-01"`)), entry("urn:uuid:3", line("Observation", "o", `"context":{}`)))
	sum := b.run(t, fhirimport.Options{},
		text("empty.json", " \n"), text("array.json", `[`+visit[0]+`]`), text("a.xml", "\ufeff<Patient/>"), text("utf16.json", "\xff\xfe{\x00"), text("a.zip", "PK\x03\x04"),
		text("cut.json", `{"resourceType":"Patient","id":"cut`), text("two.json", visit[1]+visit[2]), text("stu3.json", stu3),
		text("manifest.json", `{"transactionTime":"2024-01-01T00:00:00Z","request":"x","output":[]}`), text("bom.json", "\ufeff"+visit[0]), text("unnamed", "\ufeff"+lines(visit[1:])),
		text("A.NDJSON", "\ufeff"+problem("upper", "Patient/p", ref("encounter", "Encounter/e"))), text("a.jsonl", bundle("collection", entry("", problem("inner", "Patient/p", ref("encounter", "Encounter/e"))))))
	require.Equal(t, []string{
		"refused: f: is empty",
		"refused: f: is a JSON array; write one resource on each line (NDJSON), as with jq -c '.[]', or make them the entries of a Bundle",
		"refused: f: is XML; export it as JSON or NDJSON instead",
		"refused: f: is in UTF-16; convert it to UTF-8, as with iconv -f UTF-16 -t UTF-8",
		"refused: f: is a ZIP archive; extract its files first",
		"refused: f: incomplete JSON: the file ends at byte 31",
		"refused: f: contains more than one JSON document; write one resource on each line (NDJSON), or make them the entries of a Bundle",
		"refused: f: is FHIR STU3; export it as FHIR R4, or convert it to R4 first",
		"skipped: f[0] resource: is the manifest of a bulk export",
	}, listed(sum))
	require.Equal(t, [3]int{6, 0, 8}, [3]int{sum.Imported, sum.Refused, sum.UnreadFiles}, sum.Counts)
	require.Equal(t, 2, one[int](t, b, `SELECT count(*) FROM users`), "nobody of the STU3 file")

	_, err := b.importer.Run(t.Context(), fhirimport.Options{Source: "test", FailFast: true, Files: []fhirimport.File{text("empty.json", ""), text("bom.json", visit[0])}})
	require.EqualError(t, err, "empty.json: is empty")
}

func TestFiles_ThatChangeDuringTheImportAreListedAndCompletedByTheNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	whole := text("a.ndjson", lines(visit, []string{problem("c", "Patient/p", ref("encounter", "Encounter/e"))}))
	reads := 0
	changing := whole
	changing.Open = func() (io.ReadCloser, error) {
		if reads++; reads > 1 {
			return io.NopCloser(strings.NewReader(visit[0])), nil
		}
		return whole.Open()
	}
	sum := b.run(t, fhirimport.Options{}, changing)
	require.Equal(t, []string{"refused: f: has changed since this import read it first; import it again"}, listed(sum))
	require.Equal(t, [2]int{2, 1}, [2]int{sum.Imported, sum.UnreadFiles}, "the first stage was imported: %v", sum.Counts)
	again := b.run(t, fhirimport.Options{}, whole)
	require.Equal(t, [2]int{3, 2}, [2]int{again.Imported, again.Unchanged}, again.Counts)
}

func TestFiles_OneResourceOfAnotherReleaseIsRefusedAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sum := b.run(t, fhirimport.Options{}, text("a.ndjson", lines(visit, []string{
		problem("good", "Patient/p", ref("encounter", "Encounter/e")),
		line("Condition", "old", `"clinicalStatus":"active","code":{"text":"old"},`+ref("subject", "Patient/p")+`,`+ref("encounter", "Encounter/e")),
	})))
	require.Equal(t, []string{"refused: f[6] Condition/old: Condition: is FHIR STU3; export it as FHIR R4, or convert it to R4 first"}, listed(sum))
	require.Equal(t, 5, sum.Imported)
}

func TestFiles_OfTypesThatAreSkippedNeedNoID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sum := b.run(t, fhirimport.Options{}, text("a.json", bundle("searchset", `{"resource":{"resourceType":"OperationOutcome"},"search":{"mode":"outcome"}}`, `{"resource":{"resourceType":"Goal"}}`,
		`{"resource":{"resourceType":"Patient"}}`)))
	require.Equal(t, [2]int{2, 1}, [2]int{sum.Skipped, sum.Refused}, sum.Listed)
}

func TestFind_WalksADirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "b", ".git"), 0o700))
	for _, name := range []string{"b/Patient.NDJSON.gz", "a.json", "log.ndjson", "readme.txt", "b/.git/x.json", ".hidden.json", "c.jsonl"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600))
	}
	files, err := fhirimport.Find(dir)
	require.NoError(t, err)
	var found []string
	for _, f := range append(files, files...) {
		name, err := filepath.Rel(dir, f.Name)
		require.NoError(t, err)
		found = append(found, name+": "+f.Ignored)
	}
	require.Equal(t, []string{"a.json: ", "b/Patient.NDJSON.gz: ", "c.jsonl: ", "log.ndjson: is the log of a bulk export", "readme.txt: is not a .json, .ndjson or .jsonl file"}, found[:5])
	require.Len(t, fhirimport.Unique(append(files, files...)), 5)
	_, err = fhirimport.Find(t.TempDir())
	require.ErrorContains(t, err, "contains no .json, .ndjson or .jsonl file")
}
