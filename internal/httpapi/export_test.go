package httpapi

import "carewire/internal/care/ehr"

// Kinds are the kinds of records that the server serves.
func (s *Server) Kinds() []ehr.Spec { return s.kinds }
