package rest

import (
	"context"
	"math"
	"net/http"

	"carewire/internal/httpapi"

	"carewire/internal/care"
	"carewire/internal/dispatch"
	"carewire/internal/outbox"
	"carewire/internal/rule"
)

const rulesPath = "/api/rules"

// RuleSetPage is one page of the versions of the rules.
type RuleSetPage struct {
	Items []dispatch.RuleSet `json:"items"`
	Next  string             `json:"next,omitempty" doc:"The cursor of the page after this one; left out on the last."`
}

// ruleSetOutput is one version.
type ruleSetOutput struct{ Body dispatch.RuleSet }

// RuleSource is a rule set as somebody wrote it.
type RuleSource struct {
	Source string `json:"source" minLength:"1" doc:"The rule set, in YAML." example:"rules: []"`
}

// RulePublication is a rule set that is to be put in force.
type RulePublication struct {
	Source string `json:"source" minLength:"1" doc:"The rule set, in YAML." example:"rules: []"`
	Note   string `json:"note,omitempty" maxLength:"500" doc:"Why, for those who read the history."`
}

// RuleRollback says why one goes back.
type RuleRollback struct {
	Note string `json:"note,omitempty" maxLength:"500" doc:"Why; by default it says which version this goes back to."`
}

// RuleCount is how many rules a source holds.
type RuleCount struct {
	Rules int `json:"rules"`
}

// addRules adds the routes of the notification rules.
func registerRules(api *httpapi.Server, writer *outbox.Writer, known rule.Known) {
	registerRuleReads(api, writer, known)
	registerRuleDiff(api, writer, known)
	registerRuleWrites(api, writer, known)
}

func registerRuleReads(api *httpapi.Server, writer *outbox.Writer, known rule.Known) {
	type listInput struct{ httpapi.Paging }
	type listOutput struct{ Body RuleSetPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-rule-sets", Method: http.MethodGet, Path: rulesPath, Tag: "operate", Action: care.RulesRead,
		Summary:     "List the versions of the rules",
		Description: "Every rule set that was published, the newest first, without its source.",
		Refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		before, err := httpapi.ParseIDCursor(in.Cursor)
		if err != nil || before > math.MaxInt32 {
			return nil, httpapi.InvalidCursor()
		}
		all, err := dispatch.Versions(ctx, writer.Pool(), int32(before), int32(in.Limit)+1)
		if err != nil {
			return nil, err
		}
		var page RuleSetPage
		page.Items, page.Next = httpapi.Paginate(all, in.Limit, func(v dispatch.RuleSet) string { return httpapi.EncodeIDCursor(int64(v.Version)) })
		return &listOutput{page}, nil
	})

	httpapi.Register(api, httpapi.Operation{
		ID: "get-current-rules", Method: http.MethodGet, Path: rulesPath + "/current", Tag: "operate", Action: care.RulesRead,
		Summary:     "Read the newest rules",
		Description: "The newest version, with its source. It is in force for the events after its position; while it has none, the planner has not come to it yet.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, _ *struct{}) (*ruleSetOutput, error) {
		v, err := dispatch.Current(ctx, writer.Pool())
		return &ruleSetOutput{v}, err
	})

	type getInput struct {
		Version int32 `path:"version" minimum:"1" doc:"The version of the rules."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-rule-set", Method: http.MethodGet, Path: rulesPath + "/{version}", Tag: "operate", Action: care.RulesRead,
		Summary:     "Read a version of the rules",
		Description: "One version, with its source as its author wrote it.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*ruleSetOutput, error) {
		v, err := dispatch.AtVersion(ctx, writer.Pool(), in.Version)
		return &ruleSetOutput{v}, err
	})
}

func registerRuleDiff(api *httpapi.Server, writer *outbox.Writer, known rule.Known) {
	type input struct {
		From int32 `query:"from" required:"true" minimum:"1" doc:"The version that is compared with."`
		To   int32 `query:"to" minimum:"1" doc:"The version that is compared; by default the newest."`
	}
	type output struct{ Body dispatch.Difference }
	httpapi.Register(api, httpapi.Operation{
		ID: "diff-rule-sets", Method: http.MethodGet, Path: rulesPath + "/diff", Tag: "operate", Action: care.RulesRead,
		Summary:     "Compare two versions of the rules",
		Description: "A unified diff of the sources, and the names of the rules that were added, removed or changed.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		d, err := dispatch.Compare(ctx, writer.Pool(), in.From, in.To)
		return &output{d}, err
	})
}

func registerRuleWrites(api *httpapi.Server, writer *outbox.Writer, known rule.Known) {
	type checkInput struct{ Body RuleSource }
	type checkOutput struct{ Body RuleCount }
	httpapi.Register(api, httpapi.Operation{
		ID: "check-rules", Method: http.MethodPost, Path: rulesPath + "/check", Tag: "operate", Action: care.RulesPublish,
		Status: http.StatusOK, Repeatable: true,
		Summary:     "Check rules",
		Description: "Says how many rules a source holds, or with 422 every mistake in it, each with its line. It stores nothing.",
		Refusals:    []care.Code{care.Forbidden},
	}, func(_ context.Context, in *checkInput) (*checkOutput, error) {
		n, err := dispatch.Check([]byte(in.Body.Source), known)
		return &checkOutput{RuleCount{n}}, err
	})

	type publishInput struct{ Body RulePublication }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "publish-rules", Method: http.MethodPost, Path: rulesPath, Tag: "operate", Action: care.RulesPublish,
		Status:      http.StatusOK,
		Summary:     "Publish rules",
		Description: "Checks a source as /api/rules/check does and puts it in force as the next version: for the events after the one that tells of it. A source that is the newest version's changes nothing and gives that version.",
		Refusals:    []care.Code{care.Forbidden},
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
		ID: "roll-back-rules", Method: http.MethodPost, Path: rulesPath + "/{version}/rollback", Tag: "operate", Action: care.RulesPublish,
		Status:      http.StatusOK,
		Summary:     "Go back to a version of the rules",
		Description: "Publishes that version's source again, as a new version. A source that no longer passes this binary's checks is refused with 422 and every mistake in it. Going back to what the newest version says changes nothing and gives that version.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *rollbackInput) (*ruleSetOutput, error) {
		version, err := dispatch.Rollback(ctx, writer, httpapi.CommandOf(ctx), in.Version, in.Body.Note, known)
		return publishedRules(ctx, writer, version, err)
	}, func(ctx context.Context, _ *rollbackInput, done *care.ReplayError) (*ruleSetOutput, error) {
		return publishedRules(ctx, writer, int32(done.Version), nil)
	})
}

// publishedRules gives the version that was just published.
func publishedRules(ctx context.Context, writer *outbox.Writer, version int32, err error) (*ruleSetOutput, error) {
	if err != nil {
		return nil, err
	}
	v, err := dispatch.AtVersion(ctx, writer.Pool(), version)
	return &ruleSetOutput{v}, err
}
