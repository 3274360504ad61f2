package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// appointment returns a valid appointment of the demo patient with the demo doctor, on a working
// day at least two days from now, within the default hours.
func (c *clinic) appointment() map[string]any {
	c.t.Helper()
	patientID, clinicID := c.me(patient)
	doctorID, _ := c.me(doctor)
	at := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 2).Add(10 * time.Hour)
	for at.Weekday() == time.Saturday || at.Weekday() == time.Sunday {
		at = at.AddDate(0, 0, 1)
	}
	return map[string]any{
		"patientId": patientID, "clinicId": clinicID, "doctorId": doctorID,
		"startsAt": at.Format(time.RFC3339), "endsAt": at.Add(30 * time.Minute).Format(time.RFC3339),
	}
}

func TestAppointment_BookingAndConfirmationNotifyPatientAndDoctorByEmailAndPush(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	a := c.do(receptionist, http.MethodPost, "/api/appointments", c.appointment())
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	id := a.decode(t)["id"].(string)
	path, subject := "/api/appointments/"+id, "appointment/"+id
	people := map[string]string{patient: "demo-device-patient", doctor: "demo-device-doctor"}
	told := func(n int) {
		for who, device := range people {
			c.eventually(who+" is notified by email and push", func() bool {
				return len(c.sandboxMessages("email", who)) == n && len(c.sandboxMessages("push", device)) == n
			})
		}
		c.eventually("the ledger has it", func() bool { return len(ofType(c.story(subject), "notification.sent")) == 4*n })
		require.Len(t, c.sandboxMessages("email", ""), 2*n, "nobody else is notified")
		require.Len(t, c.sandboxMessages("push", ""), 2*n, "nobody else is notified")
	}
	told(1)
	for _, channel := range []string{"email", "push"} {
		for _, m := range c.sandboxMessages(channel, "") {
			text := fmt.Sprint(m)
			require.Contains(t, text, "booked")
			for _, phi := range []string{"Winter", "Paula", c.appointment()["startsAt"].(string)[:10] + "T"} {
				require.NotContains(t, text, phi, "day and time are read after signing in")
			}
		}
	}

	a = c.do(patient, http.MethodPost, path+"/confirm", nil, "If-Match", a.header.Get("ETag"))
	require.Equal(t, http.StatusOK, a.status, "%s", a.body)
	told(2)
	require.Equal(t, http.StatusNotFound, c.do(otherDoctor, http.MethodGet, path, nil).status)
	require.Equal(t, http.StatusConflict, c.do(doctor, http.MethodPost, "/api/appointments", c.appointment()).status)

	versions := 0
	for _, e := range c.story(subject) {
		if typ := e["type"].(string); e["subject"] == subject && strings.HasPrefix(typ, "appointment.") {
			versions++
			require.Equal(t, []string{"appointment.booked", "appointment.confirmed"}[versions-1], typ)
			require.InDelta(t, versions, e["subjectversion"], 0)
		}
	}
	require.Equal(t, 2, versions)
}

func TestAppointment_AppearsOnTheSocketsOfPatientAndClinicOnly(t *testing.T) {
	t.Parallel()
	c := openClinic(t)
	mine, desk, other := c.dial(patient, ""), c.dial(receptionist, ""), c.dial("patient@other.example", "")
	a := c.do(patient, http.MethodPost, "/api/appointments", c.appointment())
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	require.Equal(t, "requested", a.decode(t)["status"])
	subject := "appointment/" + a.decode(t)["id"].(string)
	require.Len(t, mine.await("appointment.requested", subject), 1)
	require.Len(t, desk.await("appointment.requested", subject), 1)

	device := c.do("patient@other.example", http.MethodPost, "/api/me/devices", map[string]any{"platform": "android", "token": "marker"})
	require.Less(t, device.status, 300, "%s", device.body)
	other.await("device.registered", "device/"+device.decode(t)["id"].(string))
	require.Empty(t, other.about("appointment.requested", subject))
}
