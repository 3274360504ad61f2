package rest

import (
	"context"
	"math"
	"net/http"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
)

const rulesPath = "/api/rules"

// RuleSetPage is one page of rule sets.
type RuleSetPage struct {
	Items []dispatch.RuleSet `json:"items"`
	Next  string             `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

// ruleSetOutput is one version of the rules.
type ruleSetOutput struct{ Body dispatch.RuleSet }

// RuleSource is the source of a rule set.
type RuleSource struct {
	Source string `json:"source" minLength:"1" doc:"The rule set, in YAML." example:"rules: []"`
}

// RulePublication is a rule set to publish.
type RulePublication struct {
	Source string `json:"source" minLength:"1" doc:"The rule set, in YAML." example:"rules: []"`
	Note   string `json:"note,omitempty" maxLength:"500" doc:"The reason, for the history."`
}

// RuleRollback is the reason of a rollback.
type RuleRollback struct {
	Note string `json:"note,omitempty" maxLength:"500" doc:"The reason; the default has the version that is restored."`
}

// RuleCount is the number of rules in a source.
type RuleCount struct {
	Rules int `json:"rules"`
}

// registerRules adds the routes of the notification rules.
func registerRules(api *httpapi.Server, writer *outbox.Writer, known dispatch.Known, operations Operations) {
	registerRuleReads(api, writer)
	registerRuleDiff(api, writer)
	registerRuleWrites(api, writer, known)
	registerRuleDryRun(api, operations)
}

func registerRuleReads(api *httpapi.Server, writer *outbox.Writer) {
	type listInput struct{ httpapi.Paging }
	type listOutput struct{ Body RuleSetPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-rule-sets", Method: http.MethodGet, Path: rulesPath, Tag: "operate", Action: care.RulesRead,
		Summary:     "List rule sets",
		Description: "Every published version of the rules, newest first, without its source.",
		Refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		before, err := httpapi.ParseIDCursor(in.Cursor)
		if err != nil || before > math.MaxInt32 {
			return nil, care.InvalidCursor()
		}
		all, err := dispatch.Versions(ctx, writer.Pool(), int32(before), int32(in.Limit)+1)
		if err != nil {
			return nil, err
		}
		var page RuleSetPage
		page.Items, page.Next = care.Paginate(all, in.Limit, func(v dispatch.RuleSet) string {
			return httpapi.EncodeIDCursor(int64(v.Version))
		})
		return &listOutput{page}, nil
	})

	httpapi.Register(api, httpapi.Operation{
		ID: "get-current-rules", Method: http.MethodGet, Path: rulesPath + "/current",
		Tag: "operate", Action: care.RulesRead,
		Summary: "Get the current rules",
		Description: "The newest version, with its source. It applies to the events after its " +
			"position; without a position, the planner has not reached it yet.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, _ *struct{}) (*ruleSetOutput, error) {
		v, err := dispatch.Current(ctx, writer.Pool())
		return &ruleSetOutput{v}, err
	})

	type getInput struct {
		Version int32 `path:"version" minimum:"1" doc:"The version of the rules."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-rule-set", Method: http.MethodGet, Path: rulesPath + "/{version}",
		Tag: "operate", Action: care.RulesRead,
		Summary:     "Get a version of the rules",
		Description: "One version, with its source as the author wrote it.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*ruleSetOutput, error) {
		v, err := dispatch.AtVersion(ctx, writer.Pool(), in.Version)
		return &ruleSetOutput{v}, err
	})
}

func registerRuleDiff(api *httpapi.Server, writer *outbox.Writer) {
	type input struct {
		From int32 `query:"from" required:"true" minimum:"1" doc:"The version to compare with."`
		To   int32 `query:"to" minimum:"1" doc:"The version to compare; the default is the newest."`
	}
	type output struct{ Body dispatch.Difference }
	httpapi.Register(api, httpapi.Operation{
		ID: "diff-rule-sets", Method: http.MethodGet, Path: rulesPath + "/diff",
		Tag: "operate", Action: care.RulesRead,
		Summary: "Compare two versions of the rules",
		Description: "A unified diff of the sources, and the names of the rules that were added, " +
			"removed or changed.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		d, err := dispatch.Compare(ctx, writer.Pool(), in.From, in.To)
		return &output{d}, err
	})
}

func registerRuleWrites(api *httpapi.Server, writer *outbox.Writer, known dispatch.Known) {
	type checkInput struct{ Body RuleSource }
	type checkOutput struct{ Body RuleCount }
	httpapi.Register(api, httpapi.Operation{
		ID: "check-rules", Method: http.MethodPost, Path: rulesPath + "/check",
		Tag: "operate", Action: care.RulesPublish,
		Status: http.StatusOK, Repeatable: true,
		Summary: "Check rules",
		Description: "Returns the number of rules in a source, or 422 with every mistake in it, " +
			"each with its line. It stores nothing.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *checkInput) (*checkOutput, error) {
		n, err := dispatch.Check(ctx, writer.Pool(), []byte(in.Body.Source), known)
		return &checkOutput{RuleCount{n}}, err
	})

	type publishInput struct{ Body RulePublication }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "publish-rules", Method: http.MethodPost, Path: rulesPath, Tag: "operate", Action: care.RulesPublish,
		Status:  http.StatusOK,
		Summary: "Publish rules",
		Description: "Checks a source like `/api/rules/check` and publishes it as the next " +
			"version, which applies to the events after its own. A source that is identical to " +
			"the newest version changes nothing and returns that version.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *publishInput) (*ruleSetOutput, error) {
		version, err := dispatch.Publish(ctx, writer, httpapi.CommandOf(ctx), []byte(in.Body.Source), in.Body.Note, known)
		return publishedRules(ctx, writer, version, err)
	}, func(ctx context.Context, _ *publishInput, done *care.ReplayError) (*ruleSetOutput, error) {
		return publishedRules(ctx, writer, int32(done.Version), nil)
	})

	type rollbackInput struct {
		Version int32 `path:"version" minimum:"1" doc:"The version of the rules."`
		Body    RuleRollback
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "roll-back-rules", Method: http.MethodPost, Path: rulesPath + "/{version}/rollback",
		Tag: "operate", Action: care.RulesPublish,
		Status:  http.StatusOK,
		Summary: "Roll back to a version of the rules",
		Description: "Publishes the source of that version as a new version. A source that does " +
			"not pass the current checks returns 422 with every mistake in it. If it is " +
			"identical to the newest version, nothing changes and that version is returned.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *rollbackInput) (*ruleSetOutput, error) {
		version, err := dispatch.Rollback(ctx, writer, httpapi.CommandOf(ctx), in.Version, in.Body.Note, known)
		return publishedRules(ctx, writer, version, err)
	}, func(ctx context.Context, _ *rollbackInput, done *care.ReplayError) (*ruleSetOutput, error) {
		return publishedRules(ctx, writer, int32(done.Version), nil)
	})
}

func registerRuleDryRun(api *httpapi.Server, operations Operations) {
	type input struct{ Body dispatch.DryRunRequest }
	type output struct{ Body dispatch.DryRun }
	httpapi.Register(api, httpapi.Operation{
		ID: "dry-run-rules", Method: http.MethodPost, Path: rulesPath + "/dry-run",
		Tag: "operate", Action: care.RulesPublish,
		Status: http.StatusOK, Repeatable: true,
		Summary: "Try rules on an event",
		Description: "Checks a source like `/api/rules/check`, and returns what it decides about an " +
			"event of the ledger or a made-up one: who gets a message on which channel and why, " +
			"with the addresses, preferences and roles that people have now. It stores and sends " +
			"nothing.",
		Refusals: []care.Code{care.Forbidden, care.Invalid, care.NotFound, care.Conflict},
	}, func(ctx context.Context, in *input) (*output, error) {
		run, err := operations.DryRunRules(ctx, "", in.Body)
		return &output{run}, err
	})
}

// publishedRules returns the version that was just published.
func publishedRules(ctx context.Context, writer *outbox.Writer, version int32, err error) (*ruleSetOutput, error) {
	if err != nil {
		return nil, err
	}
	v, err := dispatch.AtVersion(ctx, writer.Pool(), version)
	return &ruleSetOutput{v}, err
}
