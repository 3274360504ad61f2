package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
)

func (s *Server) addMe() {
	type output struct {
		ETag string `header:"ETag"`
		Body directory.Me
	}
	register(s, operation{
		id: "me", method: http.MethodGet, path: "/api/me", tag: "me", summary: "Who am I",
		description: "The caller's own account, and the roles they hold: at a clinic, or on the platform where `clinicId` is null.",
		refusals:    []care.Code{care.Forbidden},
	}, care.SelfManage, func(ctx context.Context, _ *struct{}) (*output, error) {
		me, err := s.cfg.Directory.GetSelf(ctx, infoOf(ctx).actor)
		return &output{etag(me.Version), me}, err
	})

	type replaceInput struct {
		IfMatch string `header:"If-Match" doc:"The ETag of the version that is replaced. Required."`
		Body    directory.SelfInput
	}
	register(s, operation{
		id: "replace-me", method: http.MethodPut, path: "/api/me", tag: "me", summary: "Change one's own contacts and locale",
		description: "Replaces the caller's phone and WhatsApp number, locale and time zone. A changed number has to be proved again. Everything else about the caller is their clinic's to change.",
		refusals:    []care.Code{care.Forbidden, care.PreconditionFailed, care.PreconditionRequired},
	}, care.SelfManage, func(ctx context.Context, in *replaceInput) (*output, error) {
		version, err := parseETag(in.IfMatch)
		if err != nil {
			return nil, err
		}
		me, err := s.cfg.Directory.UpdateSelf(ctx, commandOf(ctx), version, in.Body)
		return &output{etag(me.Version), me}, err
	})
}

// DeviceList is the caller's devices.
type DeviceList struct {
	Items []directory.Device `json:"items"`
}

func (s *Server) addDevices() {
	type list struct{ Body DeviceList }
	register(s, operation{
		id: "list-devices", method: http.MethodGet, path: "/api/me/devices", tag: "me", summary: "List one's devices",
		description: "The devices that receive the caller's push messages, the oldest first. Their tokens are never shown.",
		refusals:    []care.Code{care.Forbidden},
	}, care.SelfManage, func(ctx context.Context, _ *struct{}) (*list, error) {
		devices, err := s.cfg.Directory.ListDevices(ctx, infoOf(ctx).actor)
		return &list{DeviceList{devices}}, err
	})

	type input struct{ Body directory.NewDevice }
	type output struct {
		Status   int
		Location string `header:"Location"`
		Body     directory.Device
	}
	register(s, operation{
		id: "register-device", method: http.MethodPost, path: "/api/me/devices", tag: "me", summary: "Register a device", status: http.StatusCreated,
		also:        map[int]string{http.StatusOK: "It was registered before; that it was seen is noted."},
		description: "Lets a device receive the caller's push messages. A token belongs to one person at a time: whoever registers it last has it, and whoever had it is told by `device.removed`. Registering one's own again is answered with 200. A person has at most 20 devices: one more takes the place of the one that was not seen for the longest time.",
		refusals:    []care.Code{care.Forbidden, care.Conflict},
	}, care.SelfManage, once(func(ctx context.Context, in *input) (*output, error) {
		device, err := s.cfg.Directory.RegisterDevice(ctx, commandOf(ctx), in.Body.Platform, in.Body.Token)
		if err != nil {
			return nil, err
		}
		out := &output{Status: http.StatusOK, Body: device}
		if device.Created {
			out.Status, out.Location = http.StatusCreated, location("/api/me/devices", device.ID.String())
		}
		return out, nil
	}, func(ctx context.Context, _ *input, done *care.ReplayError) (*output, error) {
		devices, err := s.cfg.Directory.ListDevices(ctx, infoOf(ctx).actor)
		if err != nil {
			return nil, err
		}
		for _, device := range devices {
			if device.ID == idOf(done) {
				return &output{http.StatusCreated, location("/api/me/devices", device.ID.String()), device}, nil
			}
		}
		return nil, care.Errorf(care.NotFound, "the device was registered under this key, and removed since")
	}))

	type one struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	register(s, operation{
		id: "remove-device", method: http.MethodDelete, path: "/api/me/devices/{id}", tag: "me", summary: "Remove a device",
		description: "Stops push messages to one of the caller's devices.",
		refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, care.SelfManage, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, s.cfg.Directory.DeleteDevice(ctx, commandOf(ctx), in.ID)
	})
}

// PreferenceList is the caller's wish for every category on every channel.
type PreferenceList struct {
	Items []directory.Preference `json:"items"`
}

func (s *Server) addPreferences() {
	type list struct{ Body PreferenceList }
	register(s, operation{
		id: "list-preferences", method: http.MethodGet, path: "/api/me/preferences", tag: "me", summary: "List one's preferences",
		description: "Whether the caller wants to be told of each category on each channel. What was never set is wanted.",
		refusals:    []care.Code{care.Forbidden},
	}, care.SelfManage, func(ctx context.Context, _ *struct{}) (*list, error) {
		preferences, err := s.cfg.Directory.ListPreferences(ctx, infoOf(ctx).actor)
		return &list{PreferenceList{preferences}}, err
	})

	type input struct{ Body directory.Preference }
	type output struct{ Body directory.Preference }
	register(s, operation{
		id: "set-preference", method: http.MethodPut, path: "/api/me/preferences", tag: "me", summary: "Set a preference",
		description: "Says whether the caller wants to be told of one category on one channel. It counts from the next event on.",
		refusals:    []care.Code{care.Forbidden},
	}, care.SelfManage, func(ctx context.Context, in *input) (*output, error) {
		return &output{in.Body}, s.cfg.Directory.UpdatePreference(ctx, commandOf(ctx), in.Body)
	})
	s.listChannels(s.api.OpenAPI().Components.Schemas.Map()["Preference"].Properties["channel"])
}

// listChannels restricts a schema to the names of the channels. They are known at run time only, so that a struct tag cannot
// list them.
func (s *Server) listChannels(schema *huma.Schema) {
	for _, name := range s.cfg.Directory.Channels() {
		schema.Enum = append(schema.Enum, name)
	}
	schema.PrecomputeMessages()
}
