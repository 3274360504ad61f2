package fhir

import (
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readFrom reads a file that write writes, compressed by its name, and returns the errors of its
// resources.
func readFrom(t *testing.T, name string, write func(w io.Writer)) (faults []string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	require.NoError(t, err)
	if strings.HasSuffix(name, ".gz") {
		w := gzip.NewWriter(f)
		write(w)
		require.NoError(t, w.Close())
	} else {
		write(f)
	}
	require.NoError(t, f.Close())
	files, err := Find(path)
	require.NoError(t, err)
	require.Len(t, files, 1)
	err = files[0].Read(context.Background(), &Marks{}, func(int) {}, func(_ Resource, err error) error {
		if err != nil {
			faults = append(faults, err.Error())
		}
		return nil
	})
	return faults, err
}

func say(texts ...string) func(io.Writer) {
	return func(w io.Writer) {
		for _, text := range texts {
			_, _ = io.WriteString(w, text)
		}
	}
}

// Reading stops before a file fills the memory, if its values or its decompressed content are
// larger than a resource may be. The error has the file's name, the position and the limit.
func TestRead_StopsAtDecompressionBombs(t *testing.T) {
	mib := strings.Repeat("x", 1<<20)
	fields := func(w io.Writer) {
		say(`{"resourceType":"Patient","id":"a"`)(w)
		for i := range 40 {
			say(`,"f`, strings.Repeat("i", i+1), `":"`)(w)
			for range 3 {
				say(mib)(w)
			}
			say(`"`)(w)
		}
		say(`}`)(w)
	}
	besides := func(w io.Writer) {
		say(`{"resourceType":"Bundle","type":"collection"`)(w)
		for i := range 40 {
			say(`,"f`, strings.Repeat("i", i+1), `":"`, mib, `"`)(w)
		}
		say(`,"entry":[]}`)(w)
	}
	entry := func(w io.Writer) {
		say(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"a"}},{"resource":{"text":"`)(w)
		for range 33 {
			say(mib)(w)
		}
		say(`"}}]}`)(w)
	}
	lines := func(w io.Writer) {
		for range 100 {
			say(`{"resourceType":"Patient","id":"a","text":"`, mib, "\"}\n")(w)
		}
	}
	for name, row := range map[string]struct {
		write func(io.Writer)
		want  string
	}{
		"a.json":      {fields, "larger than 32 MiB"},
		"b.json.gz":   {fields, "larger than 32 MiB"},
		"c.json.gz":   {besides, "larger than 32 MiB"},
		"d.json":      {entry, "entry 1: at byte 83: a resource, or the fields of a bundle without its entries, is larger than 32 MiB"},
		"e.ndjson.gz": {lines, "decompresses to more than 200 times its size"},
		"f.ndjson":    {func(w io.Writer) { lines(w); entry(w) }, "line 101: resource is larger than 32 MiB"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := readFrom(t, name, row.write)
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, row.want, name)
		require.ErrorContains(t, err, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(500<<20), "%s: bytes allocated", name)
	}
}

// A resource that parsers interpret differently is refused; the rest of the file is read.
func TestRead_RefusesAmbiguousResources(t *testing.T) {
	t.Parallel()
	deep := `{"resourceType":"Patient","id":"a","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}\n"
	faults, err := readFrom(t, "a.ndjson", say(
		deep, `{"resourceType":"Patient","id":"a","id":"b"}`+"\n", `{"resourceType":"Patient","id":"a","name":[{"text":"x","text":"y"}]}`+"\n",
		`{"resourceType":"Patient","id":"a","x":"`+"\xff"+`"}`+"\n", `{"resourceType":"Patient","id":"good"}`+"\n"))
	require.NoError(t, err)
	require.Equal(t, []string{
		": nested deeper than 64 levels", ": a name is given twice in one object", ": a name is given twice in one object", ": not valid UTF-8",
	}, faults)
	_, err = readFrom(t, "b.json", say(`{"resourceType":"Patient","id":"a","id":"b"}`))
	require.ErrorContains(t, err, "duplicate field")
}
