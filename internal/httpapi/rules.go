package httpapi

import (
	"context"
	"math"
	"net/http"

	"carewire/internal/care"
	"carewire/internal/dispatch"
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
func (s *Server) addRules() {
	s.addRuleReads()
	s.addRuleDiff()
	s.addRuleWrites()
}

func (s *Server) addRuleReads() {
	type listInput struct{ Paging }
	type listOutput struct{ Body RuleSetPage }
	register(s, operation{
		id: "list-rule-sets", method: http.MethodGet, path: rulesPath, tag: "operate", summary: "List the versions of the rules",
		description: "Every rule set that was published, the newest first, without its source.",
		refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, care.RulesRead, func(ctx context.Context, in *listInput) (*listOutput, error) {
		before, err := parseNumberMark(in.Cursor)
		if err != nil || before > math.MaxInt32 {
			return nil, wrongCursor()
		}
		all, err := dispatch.Versions(ctx, s.cfg.Writer.Pool(), int32(before), int32(in.Limit)+1)
		if err != nil {
			return nil, err
		}
		var page RuleSetPage
		page.Items, page.Next = cut(all, in.Limit, func(v dispatch.RuleSet) string { return numberMark(int64(v.Version)) })
		return &listOutput{page}, nil
	})

	register(s, operation{
		id: "get-current-rules", method: http.MethodGet, path: rulesPath + "/current", tag: "operate", summary: "Read the newest rules",
		description: "The newest version, with its source. It is in force for the events after its position; while it has none, the planner has not come to it yet.",
		refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, care.RulesRead, func(ctx context.Context, _ *struct{}) (*ruleSetOutput, error) {
		v, err := dispatch.Current(ctx, s.cfg.Writer.Pool())
		return &ruleSetOutput{v}, err
	})

	type getInput struct {
		Version int32 `path:"version" minimum:"1" doc:"The version of the rules."`
	}
	register(s, operation{
		id: "get-rule-set", method: http.MethodGet, path: rulesPath + "/{version}", tag: "operate", summary: "Read a version of the rules",
		description: "One version, with its source as its author wrote it.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.RulesRead, func(ctx context.Context, in *getInput) (*ruleSetOutput, error) {
		v, err := dispatch.AtVersion(ctx, s.cfg.Writer.Pool(), in.Version)
		return &ruleSetOutput{v}, err
	})
}

func (s *Server) addRuleDiff() {
	type input struct {
		From int32 `query:"from" required:"true" minimum:"1" doc:"The version that is compared with."`
		To   int32 `query:"to" minimum:"1" doc:"The version that is compared; by default the newest."`
	}
	type output struct{ Body dispatch.Difference }
	register(s, operation{
		id: "diff-rule-sets", method: http.MethodGet, path: rulesPath + "/diff", tag: "operate", summary: "Compare two versions of the rules",
		description: "A unified diff of the sources, and the names of the rules that were added, removed or changed.",
		refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, care.RulesRead, func(ctx context.Context, in *input) (*output, error) {
		d, err := dispatch.Compare(ctx, s.cfg.Writer.Pool(), in.From, in.To)
		return &output{d}, err
	})
}

func (s *Server) addRuleWrites() {
	type checkInput struct{ Body RuleSource }
	type checkOutput struct{ Body RuleCount }
	register(s, operation{
		id: "check-rules", method: http.MethodPost, path: rulesPath + "/check", tag: "operate", status: http.StatusOK, summary: "Check rules",
		repeatable:  true,
		description: "Says how many rules a source holds, or with 422 every mistake in it, each with its line. It stores nothing.",
		refusals:    []care.Code{care.Forbidden},
	}, care.RulesPublish, func(_ context.Context, in *checkInput) (*checkOutput, error) {
		n, err := dispatch.Check([]byte(in.Body.Source), s.cfg.Rules)
		return &checkOutput{RuleCount{n}}, err
	})

	type publishInput struct{ Body RulePublication }
	register(s, operation{
		id: "publish-rules", method: http.MethodPost, path: rulesPath, tag: "operate", status: http.StatusOK, summary: "Publish rules",
		description: "Checks a source as /api/rules/check does and puts it in force as the next version: for the events after the one that tells of it. A source that is the newest version's changes nothing and gives that version.",
		refusals:    []care.Code{care.Forbidden},
	}, care.RulesPublish, once(func(ctx context.Context, in *publishInput) (*ruleSetOutput, error) {
		version, err := dispatch.Publish(ctx, s.cfg.Writer, commandOf(ctx), []byte(in.Body.Source), in.Body.Note, s.cfg.Rules)
		return s.published(ctx, version, err)
	}, func(ctx context.Context, _ *publishInput, done *care.ReplayError) (*ruleSetOutput, error) {
		return s.published(ctx, int32(done.Version), nil)
	}))

	type rollbackInput struct {
		Version int32 `path:"version" minimum:"1" doc:"The version of the rules."`
		Body    RuleRollback
	}
	register(s, operation{
		id: "roll-back-rules", method: http.MethodPost, path: rulesPath + "/{version}/rollback", tag: "operate", status: http.StatusOK, summary: "Go back to a version of the rules",
		description: "Publishes that version's source again, as a new version. A source that no longer passes this binary's checks is refused with 422 and every mistake in it. Going back to what the newest version says changes nothing and gives that version.",
		refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, care.RulesPublish, once(func(ctx context.Context, in *rollbackInput) (*ruleSetOutput, error) {
		version, err := dispatch.Rollback(ctx, s.cfg.Writer, commandOf(ctx), in.Version, in.Body.Note, s.cfg.Rules)
		return s.published(ctx, version, err)
	}, func(ctx context.Context, _ *rollbackInput, done *care.ReplayError) (*ruleSetOutput, error) {
		return s.published(ctx, int32(done.Version), nil)
	}))
}

// published gives the version that was just published.
func (s *Server) published(ctx context.Context, version int32, err error) (*ruleSetOutput, error) {
	if err != nil {
		return nil, err
	}
	v, err := dispatch.AtVersion(ctx, s.cfg.Writer.Pool(), version)
	return &ruleSetOutput{v}, err
}
