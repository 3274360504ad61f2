package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/outbox"
	"carewire/internal/postgres"
	"carewire/internal/rule"
)

// RuleSet is a published version of the rules.
type RuleSet = dispatch.RuleSet

// Difference is the difference between two rule sets.
type Difference = dispatch.Difference

// FailedCondition is a condition of a rule that could not be evaluated for some events.
type FailedCondition = dispatch.FailedCondition

// RuleMistake is a mistake in a rule file; see rule.Error.
type RuleMistake struct {
	Line    int    `json:"line"`
	Rule    string `json:"rule,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// RuleMistakes returns the mistakes of a rule file in the error of CheckRules or PublishRules; never
// nil.
func RuleMistakes(err error) []RuleMistake {
	all := []RuleMistake{}
	mistakes, _ := errors.AsType[rule.Errors](err)
	for _, m := range mistakes {
		all = append(all, RuleMistake{m.Line, m.Rule, m.Field, m.Message})
	}
	return all
}

// SourceFile is a file of rules or templates, and its name in errors.
type SourceFile struct {
	Name   string
	Source []byte
}

// CheckRules returns the number of rules in a rule file, or every error in it with its line. The
// rules may name the channels, and the templates of a template file; nil means the built-in ones.
// imageHosts are the hosts of images in templates. It needs no database.
func CheckRules(channels care.Channels, imageHosts []string, rules SourceFile, templates *SourceFile) (int, error) {
	known, err := KnownToRules(channels, imageHosts)
	if err != nil {
		return 0, err
	}
	if templates != nil {
		set, err := known.Templates.Parse(templates.Source)
		if err != nil {
			return 0, inTemplateFile(templates.Name, err)
		}
		known.Template = set.Has
	}
	set, err := rule.Parse(rules.Source, known.Known)
	if err != nil {
		return 0, inFile(rules.Name, err)
	}
	return len(set.Rules), nil
}

// DefaultRules returns the rule file of a new database.
func DefaultRules() []byte { return rule.Default() }

// PublishRules checks a rule file, publishes it and returns its version.
func (o *Operator) PublishRules(ctx context.Context, cmd care.Command, file string, src []byte, note string) (version int32, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return 0, err
	}
	err = o.withWriter(ctx, func(writer *outbox.Writer) error {
		version, err = dispatch.Publish(ctx, writer, cmd, src, note, known)
		return inFile(file, err)
	})
	return version, err
}

// ListRuleSets returns at most limit published rule sets below a version (0 for all), the newest
// first.
func (o *Operator) ListRuleSets(ctx context.Context, before, limit int32) (all []RuleSet, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		all, err = dispatch.Versions(ctx, pool, before, limit)
		return err
	})
	return all, err
}

// GetRuleSet returns a published rule set with its source; version 0 is the newest.
func (o *Operator) GetRuleSet(ctx context.Context, version int32) (set RuleSet, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		if version == 0 {
			set, err = dispatch.Current(ctx, pool)
		} else {
			set, err = dispatch.AtVersion(ctx, pool, version)
		}
		return err
	})
	return set, err
}

// CompareRuleSets returns the difference between two versions; version 0 is the newest.
func (o *Operator) CompareRuleSets(ctx context.Context, from, to int32) (d Difference, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		d, err = dispatch.Compare(ctx, pool, from, to)
		return err
	})
	return d, err
}

// CompareWithPreviousRules returns the difference between a version and the one before; version 0 is
// the newest.
func (o *Operator) CompareWithPreviousRules(ctx context.Context, version int32) (d Difference, err error) {
	err = o.read(ctx, func(pool *pgxpool.Pool) error {
		d, err = dispatch.CompareWithPrevious(ctx, pool, version)
		return err
	})
	return d, err
}

// RollBackRules publishes the source of an earlier version again and returns the new version.
func (o *Operator) RollBackRules(ctx context.Context, cmd care.Command, version int32, note string) (published int32, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return 0, err
	}
	err = o.withWriter(ctx, func(writer *outbox.Writer) error {
		published, err = dispatch.Rollback(ctx, writer, cmd, version, note, known)
		if mistakes, ok := errors.AsType[rule.Errors](err); ok {
			return fmt.Errorf("%w:\n%w", userError(err), mistakes.In(fmt.Sprintf("version %d", version)))
		}
		return o.safe(err)
	})
	return published, err
}

// DryRunRequest is a draft of the rules and an event.
type DryRunRequest = dispatch.DryRunRequest

// MadeUpEvent is an event that did not happen.
type MadeUpEvent = dispatch.MadeUpEvent

// DryRun is what a rule set decides about an event.
type DryRun = dispatch.DryRun

// DryRunRules returns what a draft of the rules decides about an event. It writes nothing. file is
// the draft's name in errors; empty leaves it out.
func (o *Operator) DryRunRules(ctx context.Context, file string, in DryRunRequest) (run DryRun, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return run, err
	}
	j, err := o.jobs.get(ctx)
	if err != nil {
		return run, err
	}
	err = postgres.InTx(ctx, j.writer.Pool(), func(tx pgx.Tx) (err error) {
		run, err = j.planner.DryRun(ctx, tx, in, known)
		return err
	})
	return run, o.safeInFile(file, err)
}

// BacktestRequest is a draft of the rules and a part of the ledger.
type BacktestRequest = dispatch.BacktestRequest

// BacktestBound is a place in the ledger: a position or a time.
type BacktestBound = dispatch.Bound

// BacktestProgress is how far a backtest is.
type BacktestProgress = dispatch.BacktestProgress

// Backtest is the comparison of a draft of the rules with what was planned.
type Backtest = dispatch.Backtest

// BacktestDifference is a difference for one person on one channel.
type BacktestDifference = dispatch.BacktestDifference

// BacktestMessage is a message, or the reason why there is none.
type BacktestMessage = dispatch.BacktestMessage

// BacktestRules compares a draft of the rules with what was planned; see dispatch.Planner.Backtest.
// It writes nothing. file is the draft's name in errors.
func (o *Operator) BacktestRules(ctx context.Context, file string, in BacktestRequest, progress func(BacktestProgress)) (result Backtest, err error) {
	known, err := o.known.get(ctx)
	if err != nil {
		return result, err
	}
	j, err := o.jobs.get(ctx)
	if err != nil {
		return result, err
	}
	result, err = j.planner.Backtest(ctx, j.writer.Pool(), in, known, progress)
	return result, o.safeInFile(file, err)
}

// safeInFile is safe, except that each error of a rule set is returned with the file's name, unless
// that is empty.
func (o *Operator) safeInFile(file string, err error) error {
	if mistakes, ok := errors.AsType[rule.Errors](err); ok && file != "" {
		return mistakes.In(file)
	}
	return o.safe(err)
}

// inFile adds the file's name to each error of a rule set.
func inFile(file string, err error) error {
	if errs, ok := errors.AsType[rule.Errors](err); ok {
		return errs.In(file)
	}
	return err
}
