package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// PreferenceChanges has the preferences to change. What is left out is kept.
type PreferenceChanges struct {
	Items      []PreferenceItem `json:"items,omitempty" maxItems:"200" doc:"The settings to change."`
	QuietHours QuietHoursChange `json:"quietHours,omitzero" doc:"Replaces the quiet hours. With null, the default applies again; with an empty list, messages never wait."`
	DigestHour *int             `json:"digestHour,omitempty" minimum:"0" maximum:"23" doc:"The hour of the daily digest, in the person's time zone." example:"18"`
	TimeZone   *string          `json:"timeZone,omitempty" minLength:"1" maxLength:"64" doc:"An IANA time zone." example:"Europe/Berlin"`
	Locale     *string          `json:"locale,omitempty" minLength:"2" maxLength:"35" doc:"A BCP 47 language tag." example:"en-GB"`

	Category string `json:"category,omitempty" enum:"clinical,appointment,billing,account,chat,system" doc:"With channel and enabled, instead of items: one setting for all clinics."`
	Channel  string `json:"channel,omitempty"` // As in PreferenceItem.
	Enabled  *bool  `json:"enabled,omitempty" doc:"Whether the person wants these messages: on or off."`
}

// PreferenceItem is a change of one setting.
type PreferenceItem struct {
	Category string     `json:"category" enum:"clinical,appointment,billing,account,chat,system"`
	Channel  string     `json:"channel"` // One of Service.Channels; the OpenAPI document lists them.
	ClinicID *uuid.UUID `json:"clinicId,omitempty" format:"uuid" doc:"The clinic for whose events the setting is; left out for all clinics."`
	Setting  *string    `json:"setting" nullable:"true" maxLength:"10" doc:"on, off or digest; null or default removes the person's own setting." example:"digest"`
}

// QuietHoursChange tells quiet hours that are null from quiet hours that are left out.
type QuietHoursChange struct {
	Given bool
	Hours care.QuietHours
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *QuietHoursChange) UnmarshalJSON(data []byte) error {
	c.Given = true
	return json.Unmarshal(data, &c.Hours)
}

// Schema implements huma.SchemaProvider: a list of windows, or null.
func (QuietHoursChange) Schema(r huma.Registry) *huma.Schema {
	most := care.MaxQuietWindows
	return &huma.Schema{
		Type: huma.TypeArray, Nullable: true, MaxItems: &most,
		Items: r.Schema(reflect.TypeFor[care.QuietWindow](), true, ""),
	}
}

// input returns the directory's input.
func (c PreferenceChanges) input() directory.PreferencesInput {
	in := directory.PreferencesInput{DigestHour: c.DigestHour, TimeZone: c.TimeZone, Locale: c.Locale}
	if c.QuietHours.Given {
		in.QuietHours = &c.QuietHours.Hours
	}
	for _, item := range c.Items {
		in.Items = append(in.Items, directory.PreferenceChange{
			Category: item.Category, Channel: item.Channel, ClinicID: item.ClinicID, Setting: care.OrZero(item.Setting),
		})
	}
	return in
}

// update stores the changes. A body with category, channel or enabled is one switch, which is all
// that earlier releases accept.
func (c PreferenceChanges) update(ctx context.Context, dir *directory.Service) error {
	if c.Category == "" && c.Channel == "" && c.Enabled == nil {
		return dir.UpdatePreferences(ctx, httpapi.CommandOf(ctx), c.input())
	}
	var errs care.FieldErrors
	if c.Enabled == nil {
		errs.Add("enabled", "is required with category and channel; use items for other settings")
	}
	if c.Items != nil || c.QuietHours.Given || c.DigestHour != nil || c.TimeZone != nil || c.Locale != nil {
		errs.Add("category", "must be omitted with other fields; put it into items")
	}
	if len(errs) > 0 {
		return errs.Err()
	}
	return dir.UpdatePreference(ctx, httpapi.CommandOf(ctx), directory.Preference{Category: c.Category, Channel: c.Channel, Enabled: *c.Enabled})
}

func registerPreferences(api *httpapi.Server, dir *directory.Service) {
	type output struct{ Body directory.Preferences }
	current := func(ctx context.Context) (*output, error) {
		preferences, err := dir.GetPreferences(ctx, httpapi.ActorOf(ctx))
		return &output{preferences}, err
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "list-preferences", Method: http.MethodGet, Path: "/api/me/preferences",
		Tag: "me", Action: care.SelfManage,
		Summary: "List own preferences",
		Description: "The setting of each category on each channel for all clinics, and those that " +
			"the caller chose for one clinic; their quiet hours, the hour of their daily digest, " +
			"their time zone and locale.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*output, error) { return current(ctx) })

	type input struct{ Body PreferenceChanges }
	httpapi.Register(api, httpapi.Operation{
		ID: "set-preference", Method: http.MethodPut, Path: "/api/me/preferences", Tag: "me", Action: care.SelfManage,
		Summary: "Set preferences",
		Description: "Changes the given preferences and keeps the others; if one is invalid, it " +
			"changes nothing. They apply from the next event on, and notifications that wait are " +
			"decided again. A category that the clinic has made essential cannot be off. A body " +
			"with `category`, `channel` and `enabled` alone changes one setting.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *input) (*output, error) {
		if err := in.Body.update(ctx, dir); err != nil {
			return nil, err
		}
		return current(ctx)
	})

	type userInput struct {
		ID uuid.UUID `path:"id" format:"uuid" doc:"The person." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-user-preferences", Method: http.MethodGet, Path: usersPath + "/{id}/preferences", Tag: "users", Action: care.PreferenceRead,
		Summary: "Get a person's preferences",
		Description: "For administrators of a clinic of the person: the preferences for all clinics " +
			"and for those of the caller. Only the person changes them. The read is audited.",
		Refusals: []care.Code{care.Forbidden, care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *userInput) (*output, error) {
		preferences, err := dir.GetUserPreferences(ctx, httpapi.CommandOf(ctx), in.ID)
		return &output{preferences}, err
	})
	schemas := api.OpenAPI().Components.Schemas.Map()
	for _, name := range []string{"Preference", "PreferenceItem", "PreferenceChanges"} {
		restrict(schemas[name].Properties["channel"], dir.Channels())
	}
}

// setsDefaults describes the replacement of defaults.
const setsDefaults = "Replaces the defaults for people who chose nothing else, and the categories that nobody can " +
	"switch off. They apply from the next event on. A stale `If-Match` returns 412 with the current ETag."

func registerNotificationDefaults(api *httpapi.Server, dir *directory.Service) {
	notModified := map[int]string{http.StatusNotModified: "The version in If-None-Match is current."}
	registerClinicDefaults(api, dir, notModified)
	registerInstallationDefaults(api, dir, notModified)
	restrict(api.OpenAPI().Components.Schemas.Map()["DefaultSetting"].Properties["channel"], dir.Channels())
}

func registerClinicDefaults(api *httpapi.Server, dir *directory.Service, notModified map[int]string) {
	const path = clinicsPath + "/{id}/notification-defaults"
	type output = versioned[directory.NotificationDefaults]
	type clinicGet struct {
		ID          uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfNoneMatch string    `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-clinic-notification-defaults", Method: http.MethodGet, Path: path, Tag: "clinics", Action: care.ClinicRead,
		Summary: "Get a clinic's notification defaults",
		Description: "For everybody of the clinic and for operators. If nothing was set, `version` is 0 " +
			"and there is no ETag.",
		Also: notModified, Refusals: []care.Code{care.NotFound, care.Invalid},
	}, func(ctx context.Context, in *clinicGet) (*output, error) {
		set, err := dir.GetClinicNotificationDefaults(ctx, httpapi.CommandOf(ctx), in.ID)
		return unlessMatched(in.IfNoneMatch, set.Version, set), err
	})
	type clinicPut struct {
		ID      uuid.UUID `path:"id" format:"uuid" doc:"The clinic." example:"0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"`
		IfMatch string    `header:"If-Match" doc:"The ETag of the defaults to replace; left out if none are set."`
		Body    directory.NotificationDefaultsInput
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "set-clinic-notification-defaults", Method: http.MethodPut, Path: path, Tag: "clinics", Action: care.ClinicDefaultsWrite,
		Summary: "Set a clinic's notification defaults", Description: setsDefaults + " For the clinic's administrators.",
		Refusals: []care.Code{care.Forbidden, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *clinicPut) (*output, error) {
		return withOptionalVersion(in.IfMatch, func(version int64) (*output, error) {
			set, err := dir.UpdateClinicNotificationDefaults(ctx, httpapi.CommandOf(ctx), in.ID, version, in.Body)
			return newVersioned(http.StatusOK, set.Version, set), err
		})
	})
}

func registerInstallationDefaults(api *httpapi.Server, dir *directory.Service, notModified map[int]string) {
	const path = "/api/notification-defaults"
	type output = versioned[directory.NotificationDefaults]
	type get struct {
		IfNoneMatch string `header:"If-None-Match" doc:"The ETag of a known version: returns 304 if it is current."`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "get-notification-defaults", Method: http.MethodGet, Path: path, Tag: "operate", Action: care.InstallationDefaultsManage,
		Summary:     "Get the installation's notification defaults",
		Description: "For operators. If nothing was set, `version` is 0 and there is no ETag.",
		Also:        notModified, Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, in *get) (*output, error) {
		set, err := dir.GetNotificationDefaults(ctx, httpapi.CommandOf(ctx))
		return unlessMatched(in.IfNoneMatch, set.Version, set), err
	})
	type put struct {
		IfMatch string `header:"If-Match" doc:"The ETag of the defaults to replace; left out if none are set."`
		Body    directory.NotificationDefaultsInput
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "set-notification-defaults", Method: http.MethodPut, Path: path, Tag: "operate", Action: care.InstallationDefaultsManage,
		Summary: "Set the installation's notification defaults", Description: setsDefaults + " For operators.",
		Refusals: []care.Code{care.Forbidden, care.Conflict, care.PreconditionFailed, care.PreconditionRequired},
	}, func(ctx context.Context, in *put) (*output, error) {
		return withOptionalVersion(in.IfMatch, func(version int64) (*output, error) {
			set, err := dir.UpdateNotificationDefaults(ctx, httpapi.CommandOf(ctx), version, in.Body)
			return newVersioned(http.StatusOK, set.Version, set), err
		})
	})
}

// restrict limits a schema to values that are known at run time only, such as the names of the
// channels: a struct tag cannot list them.
func restrict(schema *huma.Schema, values []string) {
	schema.Enum, schema.MinLength, schema.MaxLength = nil, nil, nil
	for _, value := range values {
		schema.Enum = append(schema.Enum, value)
	}
	schema.PrecomputeMessages()
}
