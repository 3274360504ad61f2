package rest

import (
	"context"
	"math"
	"net/http"

	"github.com/jackc/pgx/v5"

	"carewire/internal/care"
	"carewire/internal/httpapi"
	"carewire/internal/outbox"
	"carewire/internal/templateset"
)

const templatesPath = "/api/templates"

// TemplateSetPage is one page of template sets.
type TemplateSetPage struct {
	Items []templateset.TemplateSet `json:"items"`
	Next  string                    `json:"next,omitempty" doc:"The cursor of the next page; left out on the last one."`
}

// templateSetOutput is one version of the templates.
type templateSetOutput struct{ Body templateset.TemplateSet }

// TemplateSource is the source of a template set.
type TemplateSource struct {
	Source string `json:"source" minLength:"1" doc:"The template set, in YAML." example:"templates: {}"`
}

// TemplatePublication is a template set to publish.
type TemplatePublication struct {
	Source string `json:"source" minLength:"1" doc:"The template set, in YAML." example:"templates: {}"`
	Note   string `json:"note,omitempty" maxLength:"500" doc:"The reason, for the history."`
}

// TemplateRollback is the reason of a rollback.
type TemplateRollback struct {
	Note string `json:"note,omitempty" maxLength:"500" doc:"The reason; the default has the version that is restored."`
}

// TemplateCount is the number of templates in a source.
type TemplateCount struct {
	Templates int `json:"templates"`
}

// registerTemplates adds the routes of the templates.
func registerTemplates(api *httpapi.Server, writer *outbox.Writer, sets *templateset.Sets) {
	registerTemplateReads(api, writer)
	registerTemplateDiff(api, writer, sets)
	registerTemplateWrites(api, writer, sets)
	registerTemplatePreview(api, writer, sets)
}

func registerTemplateReads(api *httpapi.Server, writer *outbox.Writer) {
	type listInput struct{ httpapi.Paging }
	type listOutput struct{ Body TemplateSetPage }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-template-sets", Method: http.MethodGet, Path: templatesPath, Tag: "operate", Action: care.TemplatesRead,
		Summary:     "List template sets",
		Description: "Every published version of the templates, newest first, without its source.",
		Refusals:    []care.Code{care.Forbidden, care.Invalid},
	}, func(ctx context.Context, in *listInput) (*listOutput, error) {
		before, err := httpapi.ParseIDCursor(in.Cursor)
		if err != nil || before > math.MaxInt32 {
			return nil, care.InvalidCursor()
		}
		all, err := templateset.List(ctx, writer.Pool(), int32(before), int32(in.Limit)+1)
		if err != nil {
			return nil, err
		}
		var page TemplateSetPage
		page.Items, page.Next = care.Paginate(all, in.Limit, func(v templateset.TemplateSet) string {
			return httpapi.EncodeIDCursor(int64(v.Version))
		})
		return &listOutput{page}, nil
	})

	httpapi.Register(api, httpapi.Operation{
		ID: "get-current-templates", Method: http.MethodGet, Path: templatesPath + "/current",
		Tag: "operate", Action: care.TemplatesRead,
		Summary: "Get the current templates",
		Description: "The newest version, with its source. The messages about the events after its " +
			"position are rendered from it; without a position, the planner has not reached it yet.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, _ *struct{}) (*templateSetOutput, error) {
		v, err := templateset.Get(ctx, writer.Pool(), 0)
		return &templateSetOutput{v}, err
	})

	type getInput struct {
		Version int32 `path:"version" minimum:"1" doc:"The version of the templates."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-template-set", Method: http.MethodGet, Path: templatesPath + "/{version}",
		Tag: "operate", Action: care.TemplatesRead,
		Summary:     "Get a version of the templates",
		Description: "One version, with its source as the author wrote it.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *getInput) (*templateSetOutput, error) {
		v, err := templateset.Get(ctx, writer.Pool(), in.Version)
		return &templateSetOutput{v}, err
	})
}

func registerTemplateDiff(api *httpapi.Server, writer *outbox.Writer, sets *templateset.Sets) {
	type input struct {
		From int32 `query:"from" required:"true" minimum:"1" doc:"The version to compare with."`
		To   int32 `query:"to" minimum:"1" doc:"The version to compare; the default is the newest."`
	}
	type output struct {
		Body templateset.TemplateDifference
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "diff-template-sets", Method: http.MethodGet, Path: templatesPath + "/diff",
		Tag: "operate", Action: care.TemplatesRead,
		Summary: "Compare two versions of the templates",
		Description: "A unified diff of the sources, and the names of the templates that were added, " +
			"removed or changed.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *input) (*output, error) {
		d, err := sets.Compare(ctx, writer.Pool(), in.From, in.To)
		return &output{d}, err
	})
}

func registerTemplateWrites(api *httpapi.Server, writer *outbox.Writer, sets *templateset.Sets) {
	type checkInput struct{ Body TemplateSource }
	type checkOutput struct{ Body TemplateCount }
	httpapi.Register(api, httpapi.Operation{
		ID: "check-templates", Method: http.MethodPost, Path: templatesPath + "/check",
		Tag: "operate", Action: care.TemplatesPublish,
		Status: http.StatusOK, Repeatable: true,
		Summary: "Check templates",
		Description: "Returns the number of templates in a source, or 422 with every mistake in it, " +
			"each with its line. A set without a template that the newest rules need is a mistake too. It stores nothing.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *checkInput) (*checkOutput, error) {
		n, err := sets.Check(ctx, writer.Pool(), []byte(in.Body.Source))
		return &checkOutput{TemplateCount{n}}, err
	})

	type publishInput struct{ Body TemplatePublication }
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "publish-templates", Method: http.MethodPost, Path: templatesPath, Tag: "operate", Action: care.TemplatesPublish,
		Status:  http.StatusOK,
		Summary: "Publish templates",
		Description: "Checks a source like `/api/templates/check` and publishes it as the next " +
			"version, which the messages about the events after its own are rendered from. A source that is identical to " +
			"the newest version changes nothing and returns that version.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *publishInput) (*templateSetOutput, error) {
		version, err := sets.Publish(ctx, writer, httpapi.CommandOf(ctx), []byte(in.Body.Source), in.Body.Note)
		return publishedTemplates(ctx, writer, version, err)
	}, func(ctx context.Context, _ *publishInput, done *care.ReplayError) (*templateSetOutput, error) {
		return publishedTemplates(ctx, writer, int32(done.Version), nil)
	})

	type rollbackInput struct {
		Version int32 `path:"version" minimum:"1" doc:"The version of the templates."`
		Body    TemplateRollback
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "roll-back-templates", Method: http.MethodPost, Path: templatesPath + "/{version}/rollback",
		Tag: "operate", Action: care.TemplatesPublish,
		Status:  http.StatusOK,
		Summary: "Roll back to a version of the templates",
		Description: "Publishes the source of that version as a new version. A source that does " +
			"not pass the current checks returns 422 with every mistake in it. If it is " +
			"identical to the newest version, nothing changes and that version is returned.",
		Refusals: []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *rollbackInput) (*templateSetOutput, error) {
		version, err := sets.Rollback(ctx, writer, httpapi.CommandOf(ctx), in.Version, in.Body.Note)
		return publishedTemplates(ctx, writer, version, err)
	}, func(ctx context.Context, _ *rollbackInput, done *care.ReplayError) (*templateSetOutput, error) {
		return publishedTemplates(ctx, writer, int32(done.Version), nil)
	})
}

// publishedTemplates returns the version that was just published.
func publishedTemplates(ctx context.Context, writer *outbox.Writer, version int32, err error) (*templateSetOutput, error) {
	if err != nil {
		return nil, err
	}
	v, err := templateset.Get(ctx, writer.Pool(), version)
	return &templateSetOutput{v}, err
}

func registerTemplatePreview(api *httpapi.Server, writer *outbox.Writer, sets *templateset.Sets) {
	type input struct {
		Body templateset.TemplatePreviewRequest
	}
	type output struct{ Body templateset.TemplatePreview }
	httpapi.Register(api, httpapi.Operation{
		ID: "preview-templates", Method: http.MethodPost, Path: templatesPath + "/preview",
		Tag: "operate", Action: care.TemplatesRead,
		Status: http.StatusOK, Repeatable: true,
		Summary: "Preview a template",
		Description: "Renders a template on every channel, of a published version or of a source, " +
			"with the example of the event catalog or with an event of the ledger. Events have " +
			"no protected health information. It stores and sends nothing.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid, care.Unavailable},
	}, func(ctx context.Context, in *input) (*output, error) {
		var out output
		err := writer.Read(ctx, httpapi.ActorOf(ctx), func(tx pgx.Tx) (err error) {
			out.Body, err = sets.Preview(ctx, tx, in.Body)
			return err
		})
		return &out, err
	})
}
