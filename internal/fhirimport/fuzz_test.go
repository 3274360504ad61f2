package fhirimport

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/mapping"
)

// FuzzImport reads and maps arbitrary bytes. Nothing may panic, every error has a path, and the
// number of resources is bounded by the size of the file.
func FuzzImport(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.*json")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, path := range seeds {
		content, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, strings.HasSuffix(path, ".ndjson"))
		for line := range strings.Lines(string(content)) {
			if line = strings.TrimSuffix(strings.TrimSpace(line), ","); json.Valid([]byte(line)) {
				f.Add([]byte(line), false)
			}
		}
	}
	byType := map[string]*mapping.Row{}
	for _, m := range mapping.Table() {
		byType[m.Type] = &m
	}
	f.Fuzz(func(t *testing.T, content []byte, lines bool) {
		name := "a.json"
		if lines {
			name = "a.ndjson"
		}
		file := fhir.File{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(content))), nil }}
		made := 0
		_ = file.Read(context.Background(), &fhir.Marks{}, func(int) {}, func(r fhir.Resource, err error) error {
			made++
			if err == nil {
				fuzzOne(t, byType[r.Type], &r)
			} else if !isFault(err) {
				t.Errorf("%v is neither a fhir.Error nor a fhir.SkippedError", err)
			}
			return nil
		})
		if made > len(content) {
			t.Errorf("%d resources of %d bytes", made, len(content))
		}
	})
}

func isFault(err error) bool {
	_, fault := errors.AsType[*fhir.Error](err)
	_, skipped := errors.AsType[*fhir.SkippedError](err)
	return fault || skipped
}

func fuzzOne(t *testing.T, m *mapping.Row, r *fhir.Resource) {
	t.Helper()
	var parts stagedParts
	parts.add(r)
	if m == nil || m.Read == nil {
		return
	}
	d, err := m.Read(&mapping.Options{TimeZone: "UTC"}, r)
	if err == nil && d.Finish != nil {
		err = d.Finish(d)
	}
	var f *fhir.Error
	switch {
	case err == nil:
		d.Resource = r
		c := &candidate{Draft: d}
		c.finalize()
		if _, err := c.hashChanged(nil); err != nil {
			t.Errorf("hash %s: %v", r.Type, err)
		}
	case errors.As(err, &f) && f.Path == "":
		t.Errorf("%s: %v has no path", r.Type, err)
	}
}
