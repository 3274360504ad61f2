package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/notify/template"
	"carewire/internal/outbox"
	"carewire/internal/templateset"
)

// TemplateSet is a published version of the templates.
type TemplateSet = templateset.TemplateSet

// TemplateDifference is the difference between two template sets.
type TemplateDifference = templateset.TemplateDifference

// TemplatePreviewRequest selects the messages of a preview.
type TemplatePreviewRequest = templateset.TemplatePreviewRequest

// TemplatePreview has the messages of a template on every channel.
type TemplatePreview = templateset.TemplatePreview

// TemplateMistake is a mistake in a template file; see template.Error.
type TemplateMistake struct {
	Line     int    `json:"line"`
	Template string `json:"template,omitempty"`
	Field    string `json:"field,omitempty"`
	Message  string `json:"message"`
}

// TemplateMistakes returns the mistakes of a template file in the error of CheckTemplates or
// PublishTemplates; never nil.
func TemplateMistakes(err error) []TemplateMistake {
	all := []TemplateMistake{}
	mistakes, _ := errors.AsType[template.Errors](err)
	for _, m := range mistakes {
		all = append(all, TemplateMistake{m.Line, m.Template, m.Field, m.Message})
	}
	return all
}

// CheckTemplates returns the number of templates in a template file, or every error in it with its
// line. channels are those of messages, imageHosts the hosts of images. It needs no database, and
// does not check that the published rules find their templates.
func CheckTemplates(channels care.Channels, imageHosts []string, file string, src []byte) (int, error) {
	set, err := templateset.New(template.Options{Channels: channels, ImageHosts: imageHosts}).Parse(src)
	if err != nil {
		return 0, inTemplateFile(file, err)
	}
	return len(set.Names()), nil
}

// DefaultTemplates returns the template file of a new database.
func DefaultTemplates() []byte { return template.Source() }

// PublishTemplates checks a template file, publishes it and returns its version.
func (o *Operator) PublishTemplates(ctx context.Context, cmd care.Command, file string, src []byte, note string) (version int32, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return 0, err
	}
	err = o.withWriter(ctx, func(writer *outbox.Writer) error {
		version, err = known.Templates.Publish(ctx, writer, cmd, src, note)
		return inTemplateFile(file, err)
	})
	return version, err
}

// RollBackTemplates publishes the source of an earlier version again and returns the new version.
func (o *Operator) RollBackTemplates(ctx context.Context, cmd care.Command, version int32, note string) (published int32, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return 0, err
	}
	err = o.withWriter(ctx, func(writer *outbox.Writer) error {
		published, err = known.Templates.Rollback(ctx, writer, cmd, version, note)
		if mistakes, ok := errors.AsType[template.Errors](err); ok {
			return fmt.Errorf("%w:\n%w", userError(err), mistakes.In(fmt.Sprintf("version %d", version)))
		}
		return o.safe(err)
	})
	return published, err
}

// ListTemplateSets returns at most limit published template sets below a version (0 for all), the
// newest first.
func (o *Operator) ListTemplateSets(ctx context.Context, before, limit int32) (all []TemplateSet, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		all, err = templateset.List(ctx, pool, before, limit)
		return err
	})
	return all, err
}

// GetTemplateSet returns a published template set with its source; version 0 is the newest.
func (o *Operator) GetTemplateSet(ctx context.Context, version int32) (set TemplateSet, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		set, err = templateset.Get(ctx, pool, version)
		return err
	})
	return set, err
}

// CompareTemplateSets returns the difference between two versions; version 0 is the newest.
func (o *Operator) CompareTemplateSets(ctx context.Context, from, to int32) (TemplateDifference, error) {
	return o.compareTemplates(ctx, func(sets *templateset.Sets, pool *pgxpool.Pool) (TemplateDifference, error) {
		return sets.Compare(ctx, pool, from, to)
	})
}

// CompareWithPreviousTemplates returns the difference between a version and the one before; version
// 0 is the newest.
func (o *Operator) CompareWithPreviousTemplates(ctx context.Context, version int32) (TemplateDifference, error) {
	return o.compareTemplates(ctx, func(sets *templateset.Sets, pool *pgxpool.Pool) (TemplateDifference, error) {
		return sets.CompareWithPrevious(ctx, pool, version)
	})
}

func (o *Operator) compareTemplates(ctx context.Context, compare func(*templateset.Sets, *pgxpool.Pool) (TemplateDifference, error)) (d TemplateDifference, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return d, err
	}
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		d, err = compare(known.Templates, pool)
		return err
	})
	return d, err
}

// PreviewTemplate renders a template on every channel. A source with the example of an event type
// needs no database.
func (o *Operator) PreviewTemplate(ctx context.Context, file string, in TemplatePreviewRequest) (p TemplatePreview, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return p, err
	}
	if in.Source != "" && in.EventID == uuid.Nil && in.ClinicID == uuid.Nil {
		p, err = known.Templates.Preview(ctx, nil, in)
		return p, inTemplateFile(file, err)
	}
	err = o.readAsOperator(ctx, func(tx pgx.Tx) error {
		p, err = known.Templates.Preview(ctx, tx, in)
		return inTemplateFile(file, err)
	})
	return p, err
}

// inTemplateFile adds the file's name to each error of a template set.
func inTemplateFile(file string, err error) error {
	if errs, ok := errors.AsType[template.Errors](err); ok {
		return errs.In(file)
	}
	return err
}
