package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"

	"carewire/internal/care"
	"carewire/internal/fhirimport"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// ImportOptions configure an import.
type ImportOptions = fhirimport.Options

// ImportSummary counts the outcomes of an import.
type ImportSummary = fhirimport.Summary

// ImportItem is a resource that was skipped or refused, and the reason.
type ImportItem = fhirimport.Item

// ImportFHIR imports files of FHIR resources. The name "-" reads from in, through a temporary file
// that only this user can read and that is removed when the import ends. It calls begin with the
// total size in bytes before it starts.
func (o *Operator) ImportFHIR(ctx context.Context, names []string, in io.Reader, opts ImportOptions, begin func(total int64)) (sum ImportSummary, err error) {
	for _, name := range names {
		files, remove, err := importFiles(name, in)
		if err != nil {
			return sum, err
		}
		defer remove()
		opts.Files = append(opts.Files, files...)
	}
	opts.Files = fhirimport.Unique(opts.Files)
	if opts.Source == "" {
		if opts.Source, err = importSource(names); err != nil {
			return sum, err
		}
	}
	begin(opts.Total())
	pool, err := o.app.get(ctx)
	if err == nil {
		// The service learns of these writes from its own poll.
		writer := outbox.NewWriter(pool, outbox.NewWaker(pool, o.logger))
		sum, err = fhirimport.New(writer).Run(ctx, opts)
		err = o.oneLine(err)
	}
	return sum, importError(err)
}

// importError names the flag of an invalid option, and drops the text of a database error, which
// can quote protected health information.
func importError(err error) error {
	if invalid, ok := errors.AsType[*care.Error](err); ok {
		if len(invalid.Fields) > 0 {
			flags := map[string]string{"source": "--source", "clinic": "--clinic", "doctor": "--doctor", "timeZone": "--time-zone", "baseUrl": "--base-url", "phoneRegion": "--phone-region"}
			if flag, ok := flags[invalid.Fields[0].Field]; ok {
				return fmt.Errorf("%s: %s", flag, invalid.Fields[0].Message)
			}
		}
		return invalid
	}
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return errors.New(postgres.SafeError(err))
	}
	return err
}

// importSource returns the name of the first directory, or of the first file's directory: an export
// of a system is one directory.
func importSource(names []string) (string, error) {
	if names[0] == "-" {
		return "stdin", nil
	}
	path, err := filepath.Abs(names[0])
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		path = filepath.Dir(path)
	}
	if base := filepath.Base(path); base != string(filepath.Separator) {
		return base, nil
	}
	return "root", nil
}

// importFiles returns the file, or the files of the directory, and a function that removes the
// temporary copy.
func importFiles(name string, in io.Reader) ([]fhirimport.File, func(), error) {
	if name != "-" {
		files, err := fhirimport.Find(name)
		return files, func() {}, err
	}
	spool, err := os.CreateTemp("", "carewire-import-*")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.Remove(spool.Name()) }
	_, err = io.Copy(spool, in)
	if err = errors.Join(err, spool.Close()); err != nil {
		remove()
		return nil, nil, fmt.Errorf("read standard input: %w", err)
	}
	files, err := fhirimport.Find(spool.Name())
	if err != nil {
		remove()
		return nil, nil, err
	}
	files[0].Name = "-"
	return files, remove, nil
}
