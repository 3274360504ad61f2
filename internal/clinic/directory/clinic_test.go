package directory_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

// cli is the command of a run of the command line.
var cli = care.Command{Actor: care.SystemActor("cli"), CorrelationID: "cli:ada:1"}

func newClinic(name, zone string) directory.NewClinic {
	return directory.NewClinic{ClinicInput: directory.ClinicInput{Name: name, TimeZone: zone}}
}

func TestClinic_IsCreatedByOperatorsAndCommands(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, cmd := range map[string]care.Command{"North": by(b.Person(t, care.Operator, nil)), "South": cli} {
		n := b.Mark(t)
		c, err := b.dir.CreateClinic(t.Context(), cmd, newClinic(name, "Europe/Lisbon"))
		require.NoError(t, err)
		require.Equal(t, directory.Clinic{ID: c.ID, Version: 1, Name: name, TimeZone: "Europe/Lisbon"}, c)
		e := b.EventsSince(t, n)
		require.Equal(t, []string{"clinic.created"}, types(e))
		require.Equal(t, "clinic/"+c.ID.String(), e[0].Subject)
		require.Equal(t, cmd.Actor.ID, e[0].ActorID)
		require.Equal(t, map[string]any{"clinicId": c.ID.String()}, e[0].Data, "no name")
	}
	n := b.Mark(t)
	for _, actor := range []care.Actor{b.admin, b.doctor, b.Person(t, care.Auditor, nil)} {
		_, err := b.dir.CreateClinic(t.Context(), by(actor), newClinic("Mine", "UTC"))
		requireCode(t, err, care.Forbidden)
	}
	require.Equal(t, []string{"access.denied", "access.denied", "access.denied"}, types(b.EventsSince(t, n)))
	_, err := b.dir.CreateClinic(t.Context(), cli, newClinic("", "Mars"))
	requireCode(t, err, care.Invalid, "name", "timeZone")
}

func TestClinic_NameIsTakenOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() { _, errs[i] = b.dir.CreateClinic(t.Context(), cli, newClinic("Harbour", "UTC")) })
	}
	all.Wait()
	conflicts := 0
	for _, err := range errs {
		if err != nil {
			requireCode(t, err, care.Conflict, "name")
			conflicts++
		}
	}
	require.Equal(t, len(errs)-1, conflicts)
	c, found, err := b.dir.FindClinic(t.Context(), cli.Actor, "harbOUR")
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "Harbour", c.Name)
	_, found, err = b.dir.FindClinic(t.Context(), b.admin, "Harbour")
	require.NoError(t, err)
	require.False(t, found, "the clinic of others")
}

func TestClinic_IsUpdatedAtItsVersion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, err := b.dir.CreateClinic(t.Context(), cli, newClinic("Harbour", "UTC"))
	require.NoError(t, err)
	n := b.Mark(t)
	same, err := b.dir.UpdateClinic(t.Context(), cli, c.ID, 1, directory.ClinicInput{Name: "Harbour", TimeZone: "UTC"})
	require.NoError(t, err)
	require.Equal(t, c, same)
	require.Empty(t, b.EventsSince(t, n))

	moved, err := b.dir.UpdateClinic(t.Context(), cli, c.ID, 1, directory.ClinicInput{Name: "HARBOUR", TimeZone: "Europe/Lisbon"})
	require.NoError(t, err)
	require.Equal(t, directory.Clinic{ID: c.ID, Version: 2, Name: "HARBOUR", TimeZone: "Europe/Lisbon"}, moved)
	e := b.Last(t)
	require.Equal(t, "clinic.updated", e.Type)
	require.Equal(t, int64(2), *e.Version)
	require.Equal(t, []any{"name", "timeZone"}, e.Data["changed"])

	_, err = b.dir.UpdateClinic(t.Context(), cli, c.ID, 1, directory.ClinicInput{Name: "X", TimeZone: "UTC"})
	requireCode(t, err, care.PreconditionFailed)
	_, err = b.dir.UpdateClinic(t.Context(), cli, uuid.New(), 1, directory.ClinicInput{Name: "X", TimeZone: "UTC"})
	requireCode(t, err, care.NotFound)
	_, err = b.dir.UpdateClinic(t.Context(), by(b.admin), b.here, 1, directory.ClinicInput{Name: "X", TimeZone: "UTC"})
	requireCode(t, err, care.Forbidden)
}
