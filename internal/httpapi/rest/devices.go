package rest

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/clinic/directory"
	"carewire/internal/httpapi"
)

// DeviceList lists the caller's devices.
type DeviceList struct {
	Items []directory.Device `json:"items"`
}

const devicesPath = "/api/me/devices"

func registerDevices(api *httpapi.Server, dir *directory.Service) {
	registerDeviceList(api, dir)
	registerDeviceCreate(api, dir)
	registerDeviceDelete(api, dir)
}

func registerDeviceList(api *httpapi.Server, dir *directory.Service) {
	type list struct{ Body DeviceList }
	httpapi.Register(api, httpapi.Operation{
		ID: "list-devices", Method: http.MethodGet, Path: devicesPath, Tag: "me", Action: care.SelfManage,
		Summary: "List own devices",
		Description: "The devices that receive the caller's push messages, oldest first. Their " +
			"tokens are never returned.",
		Refusals: []care.Code{care.Forbidden},
	}, func(ctx context.Context, _ *struct{}) (*list, error) {
		devices, err := dir.ListDevices(ctx, httpapi.ActorOf(ctx))
		return &list{DeviceList{devices}}, err
	})
}

func registerDeviceCreate(api *httpapi.Server, dir *directory.Service) {
	type input struct{ Body directory.NewDevice }
	type output struct {
		Status   int
		Location string `header:"Location"`
		Body     directory.Device
	}
	httpapi.RegisterIdempotent(api, httpapi.Operation{
		ID: "register-device", Method: http.MethodPost, Path: devicesPath, Tag: "me", Action: care.SelfManage,
		Status:  http.StatusCreated,
		Summary: "Register a device",
		Description: "Lets a device receive the caller's push messages. A token belongs to one " +
			"person at a time: the last to register it. The previous owner gets " +
			"`device.removed`. Registering an own device again returns 200. A person has at most " +
			"20 devices: another one replaces the device that was not seen for the longest time.",
		Also:     map[int]string{http.StatusOK: "It was already registered; the time when it was last seen is updated."},
		Refusals: []care.Code{care.Forbidden, care.Conflict},
	}, func(ctx context.Context, in *input) (*output, error) {
		device, err := dir.RegisterDevice(ctx, httpapi.CommandOf(ctx), in.Body.Platform, in.Body.Token)
		if err != nil {
			return nil, err
		}
		out := &output{Status: http.StatusOK, Body: device}
		if device.Created {
			out.Status, out.Location = http.StatusCreated, httpapi.Location(devicesPath, device.ID.String())
		}
		return out, nil
	}, func(ctx context.Context, _ *input, done *care.ReplayError) (*output, error) {
		devices, err := dir.ListDevices(ctx, httpapi.ActorOf(ctx))
		if err != nil {
			return nil, err
		}
		for _, device := range devices {
			if device.ID == httpapi.ReplayedID(done) {
				return &output{http.StatusCreated, httpapi.Location(devicesPath, device.ID.String()), device}, nil
			}
		}
		return nil, care.Errorf(care.NotFound, "the device that was registered under this key was removed")
	})
}

func registerDeviceDelete(api *httpapi.Server, dir *directory.Service) {
	type one struct {
		ID uuid.UUID `path:"id" format:"uuid"`
	}
	httpapi.Register(api, httpapi.Operation{
		ID: "remove-device", Method: http.MethodDelete, Path: devicesPath + "/{id}",
		Tag: "me", Action: care.SelfManage,
		Summary:     "Remove a device",
		Description: "Stops push messages to one of the caller's devices.",
		Refusals:    []care.Code{care.Forbidden, care.NotFound},
	}, func(ctx context.Context, in *one) (*struct{}, error) {
		return nil, dir.DeleteDevice(ctx, httpapi.CommandOf(ctx), in.ID)
	})
}
