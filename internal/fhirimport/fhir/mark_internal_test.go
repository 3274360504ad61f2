package fhir

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fileOf(name string, content []byte) File {
	return File{Name: name, Size: int64(len(content)), Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }}
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(content)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// isMarked reports whether a resource of the tests is marked: those with an even number in their id.
func isMarked(r Resource) bool { return r.ID != "" && strings.Contains("02468", r.ID[len(r.ID)-1:]) }

// place is all that Read and ReadMarked report of a resource.
func place(r Resource) string {
	return fmt.Sprint(r.File, r.Ordinal, r.Index, r.Type, r.ID, r.FullURL, r.Deleted, string(r.Raw))
}

// readTwice reads the file, marks resources with the tag 3, and returns the places of the marked ones
// by both ways of reading.
func readTwice(t *testing.T, f File) (first, again []string) {
	t.Helper()
	var marks Marks
	left := f.Size
	require.NoError(t, f.Read(t.Context(), &marks, func(int) {}, func(r Resource, err error) error {
		if isMarked(r) {
			marks.Add(3)
			first = append(first, place(r))
		}
		return nil
	}))
	require.NoError(t, f.ReadMarked(t.Context(), &marks, 3, func(n int) { left -= int64(n) }, func(r Resource, err error) error {
		if isMarked(r) {
			require.NoError(t, err)
			again = append(again, place(r))
		}
		return nil
	}))
	require.Zero(t, left, "progress adds up to the size of the file")
	require.NoError(t, f.ReadMarked(t.Context(), &marks, 2, func(int) {}, func(Resource, error) error {
		require.Fail(t, "another tag")
		return nil
	}))
	return first, again
}

func TestReadMarked_FindsTheMarkedResourcesOfEveryForm(t *testing.T) {
	t.Parallel()
	resource := func(id string) string { return `{"resourceType":"Patient","id":"` + id + `","x":"{[\"\\"}` }
	bundle := func(of ...string) string {
		for i := range of {
			of[i] = ` { "fullUrl" : "urn:x:` + fmt.Sprint(i) + `", "resource" : ` + of[i] + "}"
		}
		return `{"resourceType":"Bundle","type":"history","entry": [` + strings.Join(of, ", ") + `]}`
	}
	deleted := `null, "request": {"method": "DELETE", "url": "Patient/a8"}`
	nested := bundle(resource("b1"), resource("b2"), resource("b4"))
	for name, c := range map[string]struct {
		content string
		marked  int
	}{
		"bundle.json":       {bundle(resource("a1"), resource("a2"), `1`, nested, resource("a3"), deleted, resource("a4")), 5},
		"two-lists.json":    {`{"entry":[{"resource":` + resource("a2") + `}],"id":"x","entry":[{"resource":` + resource("a4") + `}]}`, 2},
		"lines.ndjson":      {resource("a1") + "\r\n\n\n" + resource("a2") + "\n{\n" + nested + "\n\ufeff " + resource("a4"), 4},
		"one.json":          {resource("a2"), 1},
		"lines.json":        {resource("a2") + "\n" + resource("a1") + "\n" + resource("a4"), 2},
		"bundle-lines.json": {nested + "\n" + resource("a1") + "\n" + resource("a4"), 3},
		"nothing.json":      {bundle(resource("a1")), 0},
	} {
		for _, content := range [][]byte{[]byte(c.content), []byte("\ufeff" + c.content), zipped(t, []byte(c.content))} {
			first, again := readTwice(t, fileOf(name, content))
			require.Len(t, first, c.marked, name)
			require.Equal(t, first, again, name)
		}
	}
}

func TestReadMarked_ReportsThatAFileHasChanged(t *testing.T) {
	t.Parallel()
	content := []byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a2"}},{"resource":{"resourceType":"Patient","id":"a4"}}]}`)
	var marks Marks
	require.NoError(t, fileOf("a.json", content).Read(t.Context(), &marks, func(int) {}, func(Resource, error) error {
		marks.Add(0)
		return nil
	}))
	const changed = "a.json: has changed since this import read it first; import it again"
	ignore := func(Resource, error) error { return nil }
	for _, now := range [][]byte{content[:100], bytes.Replace(content, []byte(`"id":`), []byte(`    `), 1), []byte(strings.Repeat(" ", 2) + string(content))} {
		require.EqualError(t, fileOf("a.json", now).ReadMarked(t.Context(), &marks, 0, func(int) {}, ignore), changed)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, fileOf("a.json", content).ReadMarked(stopped, &marks, 0, func(int) {}, ignore), context.Canceled)
}
