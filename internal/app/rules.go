package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/config"
	"carewire/internal/dispatch"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/rule"
)

// RulesCheck says all that is wrong with a rule file, each with its line, or how many rules it holds.
func RulesCheck(file string, src []byte) (int, error) {
	known, err := knownToRules()
	if err != nil {
		return 0, err
	}
	set, err := rule.Parse(src, known)
	if err != nil {
		return 0, inFile(file, err)
	}
	return len(set.Rules), nil
}

// RulesDefault is the rule file that a new database begins with.
func RulesDefault() []byte { return rule.Default() }

// RulesPublish checks a rule file and puts it in force.
func RulesPublish(ctx context.Context, cfg config.Config, file string, src []byte, note string) (int32, error) {
	known, err := knownToRules()
	if err != nil {
		return 0, err
	}
	var version int32
	err = withWriter(ctx, cfg, func(writer *outbox.Writer) error {
		version, err = dispatch.Publish(ctx, writer, byCommand, src, note, known)
		return inFile(file, err)
	})
	return version, err
}

// Rules lists at most limit published rule sets below a version (0: all), the newest first.
func Rules(ctx context.Context, cfg config.Config, before, limit int32) (all []dispatch.RuleSet, err error) {
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		all, err = dispatch.Versions(ctx, pool, before, limit)
		return inWords(err)
	})
	return all, err
}

// RulesAt gives one published rule set with its source; version 0 is the newest.
func RulesAt(ctx context.Context, cfg config.Config, version int32) (set dispatch.RuleSet, err error) {
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		if version == 0 {
			set, err = dispatch.Current(ctx, pool)
		} else {
			set, err = dispatch.AtVersion(ctx, pool, version)
		}
		return inWords(err)
	})
	return set, err
}

// RulesDiff tells how a version differs from another; version 0 is the newest.
func RulesDiff(ctx context.Context, cfg config.Config, from, to int32) (d dispatch.Difference, err error) {
	err = withPool(ctx, cfg, postgres.App, func(pool *pgxpool.Pool) error {
		d, err = dispatch.Compare(ctx, pool, from, to)
		return inWords(err)
	})
	return d, err
}

// RulesRollback publishes an earlier version's source again and gives the new version.
func RulesRollback(ctx context.Context, cfg config.Config, version int32, note string) (published int32, err error) {
	known, err := knownToRules()
	if err != nil {
		return 0, err
	}
	err = withWriter(ctx, cfg, func(writer *outbox.Writer) error {
		published, err = dispatch.Rollback(ctx, writer, byCommand, version, note, known)
		if mistakes, ok := errors.AsType[rule.Errors](err); ok {
			return fmt.Errorf("%w:\n%w", inWords(err), mistakes.In(fmt.Sprintf("version %d", version)))
		}
		return inWords(err)
	})
	return published, err
}

// inFile puts the file's name before each error of a rule set.
func inFile(file string, err error) error {
	if errs, ok := errors.AsType[rule.Errors](err); ok {
		return errs.In(file)
	}
	return err
}
