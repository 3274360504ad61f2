package event

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestSubjectID_IsTheUUIDAfterTheKind(t *testing.T) {
	t.Parallel()
	want := uuid.New()
	id, ok := SubjectID("lab_report/" + want.String())
	require.True(t, ok)
	require.Equal(t, want, id)
	for _, subject := range []string{"", "rules/live", want.String()} {
		id, ok = SubjectID(subject)
		require.False(t, ok, subject)
		require.Zero(t, id)
	}
}
