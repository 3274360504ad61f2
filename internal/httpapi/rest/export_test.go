package rest

import "carewire/internal/clinic/ehr"

// Kinds returns the kinds of records that are served.
func Kinds() []ehr.Spec {
	var all []ehr.Spec
	for _, kind := range recordKinds() {
		all = append(all, kind.spec)
	}
	return all
}
