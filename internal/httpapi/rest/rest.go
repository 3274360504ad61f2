package rest

import (
	"fmt"
	"reflect"
	"strings"

	"carewire/internal/audit"
	"carewire/internal/clinic/appointment"
	"carewire/internal/clinic/billing"
	"carewire/internal/clinic/chat"
	"carewire/internal/clinic/directory"
	"carewire/internal/clinic/ehr"
	"carewire/internal/clinic/intake"
	"carewire/internal/dispatch"
	"carewire/internal/httpapi"
	"carewire/internal/inbox"
	"carewire/internal/notify"
	"carewire/internal/outbox"
	"carewire/internal/realtime"
	"carewire/internal/templateset"
)

// Services are the services that the resources call. All but Hub and Rules are required.
type Services struct {
	Directory    *directory.Service
	Appointments *appointment.Service
	Billing      *billing.Service
	Chat         *chat.Service
	Intake       *intake.Service
	Audit        *audit.Reader
	// Writer writes records. Rules, followers and counts are read from its pool.
	Writer *outbox.Writer
	// Operations are the operations of operators that need more than the API's own database role.
	Operations Operations
	// Rules is what a rule set is checked against.
	Rules dispatch.Known
	// Templates are the template sets.
	Templates *templateset.Sets
	// Hub serves sockets; without it GET /api/socket answers 503.
	Hub *realtime.Hub
}

// Validate reports the services that are missing.
func (s Services) Validate() error {
	var missing []string
	for _, service := range []struct {
		name string
		set  bool
	}{
		{"Directory", s.Directory != nil},
		{"Appointments", s.Appointments != nil},
		{"Billing", s.Billing != nil},
		{"Chat", s.Chat != nil},
		{"Intake", s.Intake != nil},
		{"Audit", s.Audit != nil},
		{"Writer", s.Writer != nil},
		{"Operations", s.Operations != nil},
		{"Templates", s.Templates != nil},
	} {
		if !service.set {
			missing = append(missing, service.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("rest: not set: %s", strings.Join(missing, ", "))
	}
	return nil
}

// Register adds the routes of all resources to the server.
func Register(api *httpapi.Server, s Services) error {
	if err := s.Validate(); err != nil {
		return err
	}
	schemas := api.OpenAPI().Components.Schemas
	schemas.RegisterTypeAlias(reflect.TypeFor[ehr.Decimal](), reflect.TypeFor[numberSchema]())
	schemas.RegisterTypeAlias(reflect.TypeFor[ehr.Time](), reflect.TypeFor[timeSchema]())
	schemas.RegisterTypeAlias(reflect.TypeFor[ehr.Value](), reflect.TypeFor[valueSchema]())
	schemas.RegisterTypeAlias(reflect.TypeFor[audit.Entry](), reflect.TypeFor[Event]())
	registerPeople(api, s.Directory)
	registerRecords(api, s.Writer)
	registerCriticalLimits(api, s.Writer)
	registerAppointments(api, s.Appointments)
	registerInvoices(api, s.Billing)
	registerConversations(api, s.Chat)
	registerEvents(api, s.Intake)
	own := inbox.New(s.Writer)
	registerInbox(api, own)
	registerNotifications(api, notify.NewInbox(s.Writer), own)
	registerExplain(api, s.Writer, s.Rules)
	registerRules(api, s.Writer, s.Rules, s.Operations)
	registerTemplates(api, s.Writer, s.Templates)
	registerFollowers(api, s.Writer, s.Operations)
	registerDeliveries(api, s.Writer, s.Operations, s.Directory.Channels())
	registerSuppressions(api, s.Operations, s.Directory.Channels())
	registerDeadLetters(api, s.Operations)
	registerAudit(api, s.Audit)
	registerStats(api, s.Writer)
	registerDeliveryStats(api, s.Writer, s.Directory.Channels())
	registerSocket(api, s.Directory, s.Hub)
	return nil
}

// registerPeople adds the resources of the directory.
func registerPeople(api *httpapi.Server, dir *directory.Service) {
	registerMe(api, dir)
	registerDevices(api, dir)
	registerPreferences(api, dir)
	registerNotificationDefaults(api, dir)
	registerContacts(api, dir)
	registerUsers(api, dir)
	registerClinics(api, dir)
	registerInvitations(api, dir)
	registerServiceAccounts(api, dir)
}
