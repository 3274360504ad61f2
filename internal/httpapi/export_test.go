package httpapi

import (
	"github.com/danielgtaylor/huma/v2"

	"carewire/internal/care/ehr"
)

// Kinds are the kinds of records that the server serves.
func (s *Server) Kinds() []ehr.Spec { return s.kinds }

// OpenAPI is the document with its schemas, for tests that check values against them.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.api.OpenAPI() }
