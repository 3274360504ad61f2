package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/config"
	"carewire/internal/fhirimport"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
)

// ImportOptions say what to take in, and how.
type ImportOptions = fhirimport.Options

// ImportSummary is what an import did.
type ImportSummary = fhirimport.Summary

// ImportItem is a resource that was not taken in whole, and why.
type ImportItem = fhirimport.Item

// ImportFHIR takes files of FHIR resources in; the name "-" is what is read from in, which is kept in a file that only this
// user can read until the import ends. The service hears of what is written by its own poll.
func ImportFHIR(ctx context.Context, cfg config.Config, names []string, in io.Reader, o ImportOptions, begin func(total int64)) (sum ImportSummary, err error) {
	for _, name := range names {
		file, drop, err := importFile(name, in)
		if err != nil {
			return sum, err
		}
		defer drop()
		o.Files = append(o.Files, file)
	}
	if o.Source == "" {
		if o.Source, err = importSource(names); err != nil {
			return sum, err
		}
	}
	begin(o.Total())
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		writer := outbox.NewWriter(pool, outbox.NewWaker(pool, newLogger(cfg, os.Stderr)))
		sum, err = fhirimport.New(writer).Run(ctx, o)
		return err
	})
	return sum, importWords(err)
}

// importWords names the flag that an option came from, and leaves of what the database said no more than may be shown.
func importWords(err error) error {
	if refusal, ok := errors.AsType[*care.Error](err); ok {
		if len(refusal.Fields) > 0 {
			flags := map[string]string{"source": "--source", "clinic": "--clinic", "timeZone": "--time-zone"}
			if flag, ok := flags[refusal.Fields[0].Field]; ok {
				return fmt.Errorf("%s: %s", flag, refusal.Fields[0].Message)
			}
		}
		return refusal
	}
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return errors.New(postgres.SafeError(err))
	}
	return err
}

// importSource is the name of the directory that the first file lies in: one export of one system is one directory.
func importSource(names []string) (string, error) {
	if names[0] == "-" {
		return "stdin", nil
	}
	path, err := filepath.Abs(names[0])
	if err != nil {
		return "", err
	}
	if base := filepath.Base(filepath.Dir(path)); base != string(filepath.Separator) {
		return base, nil
	}
	return "root", nil
}

func importFile(name string, in io.Reader) (fhirimport.File, func(), error) {
	if name != "-" {
		file, err := fhirimport.OnDisk(name)
		return file, func() {}, err
	}
	spool, err := os.CreateTemp("", "carewire-import-*")
	if err != nil {
		return fhirimport.File{}, nil, err
	}
	drop := func() { _ = os.Remove(spool.Name()) }
	_, err = io.Copy(spool, in)
	if err = errors.Join(err, spool.Close()); err != nil {
		drop()
		return fhirimport.File{}, nil, fmt.Errorf("read the standard input: %w", err)
	}
	file, err := fhirimport.OnDisk(spool.Name())
	if err != nil {
		drop()
		return file, nil, err
	}
	file.Name = "-"
	return file, drop, nil
}
