package httpapi

import (
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
)

func TestCheckRoutes_RefusesARouteThatNobodyDecidedAbout(t *testing.T) {
	t.Parallel()
	nothing := func(*echo.Context) error { return nil }
	for name, row := range map[string]struct {
		path   string
		access Access
		demo   bool
		want   string
	}{
		"no action":          {"/api/x", Access{}, false, `GET /api/x needs action "", which is not in the access table`},
		"an unknown action":  {"/api/x", Access{Action: "x.y"}, false, `"x.y"`},
		"public by mistake":  {"/api/x", Access{Public: true}, false, "not on the list of public routes"},
		"public in the demo": {"/metrics", Access{Public: true}, false, "not on the list of public routes"},
		"a demo":             {"/metrics", Access{Public: true}, true, ""},
		"a known action":     {"/api/x", Access{Action: care.RecordRead}, false, ""},
		"public":             {"/livez", Access{Public: true}, false, ""},
	} {
		s := &Server{cfg: Config{Demo: row.demo}, echo: echo.New(), routes: map[string]Access{}}
		s.Handle("GET", row.path, row.access, nothing)
		err := s.checkRoutes()
		if row.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, row.want, name)
	}
	s := &Server{echo: echo.New()}
	s.echo.GET("/behind", nothing)
	require.ErrorContains(t, s.checkRoutes(), "GET /behind has no access")
}

func TestClientOf_HasTheAgentServiceForAServiceAccount(t *testing.T) {
	t.Parallel()
	i := &requestInfo{client: care.Client{Agent: care.AgentOther}, actor: care.ServiceActor(uuid.New(), nil)}
	require.Equal(t, care.AgentService, i.clientOf().Agent)
}
