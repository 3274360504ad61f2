package people_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/fhirimport/fhir"
	"carewire/internal/fhirimport/people"
)

var now = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

func TestChooseName_SkipsEndedAndFormerNames(t *testing.T) {
	t.Parallel()
	given, family, found := people.ChooseName([]people.HumanName{
		{Use: "maiden", Family: "Byron", Given: []string{"Ada"}},
		{Use: "official", Family: "Gordon", Given: []string{"Ada"}, Period: &fhir.Period{End: "2020"}},
		{Use: "usual", Family: "King", Given: []string{"Ada"}, Period: &fhir.Period{End: "2026-03"}},
	}, now)
	require.True(t, found)
	require.Equal(t, "Ada King", given+" "+family)
}

func TestPhone_ReturnsTheFirstValidNumberAndWhyOthersAreNot(t *testing.T) {
	t.Parallel()
	phone, refused := people.Phone([]people.ContactPoint{
		{ContactPoint: fhir.ContactPoint{System: "phone", Value: "+49 30 901820", Use: "home"}, Rank: 2},
		{ContactPoint: fhir.ContactPoint{System: "phone", Value: "call me", Use: "home"}, Rank: 1},
	}, now, "")
	require.Len(t, refused, 1)
	require.NotNil(t, phone)
	require.Equal(t, "+4930901820", *phone)
}
