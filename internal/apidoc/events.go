package apidoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"carewire/internal/care"
	"carewire/internal/event"
)

// eventView is the data of one event type.
type eventView struct {
	Type, Doc, Category string
	Live                string
	RuleVisible         bool
	External            bool
	Fields              []event.Field
	Example             string
}

type eventGroup struct {
	Name   string
	Events []eventView
}

// Events returns the page of the event catalog.
func Events(catalog []event.Declaration) ([]byte, error) {
	p := page{Title: "Events", Here: "/docs/events"}
	var groups []eventGroup
	for i := range catalog {
		view, err := newEventView(&catalog[i])
		if err != nil {
			return nil, err
		}
		name := groupOf(view.Type)
		at := slices.IndexFunc(groups, func(g eventGroup) bool { return g.Name == name })
		if at < 0 {
			at = len(groups)
			groups = append(groups, eventGroup{Name: name})
			p.Nav = append(p.Nav, navGroup{Title: name, Anchor: "group-" + name})
		}
		groups[at].Events = append(groups[at].Events, view)
		p.Nav[at].Links = append(p.Nav[at].Links, navLink{Anchor: view.Type, Text: view.Type})
	}
	p.Data = groups
	return p.render("events.html")
}

// groupOf returns a type without its last segment: "ehr.lab_report" for "ehr.lab_report.created".
func groupOf(typ string) string { return typ[:strings.LastIndexByte(typ, '.')] }

func newEventView(d *event.Declaration) (eventView, error) {
	encoded, err := json.Marshal(event.Example(d.Type))
	if err != nil {
		return eventView{}, fmt.Errorf("write the example of %s: %w", d.Type, err)
	}
	var example bytes.Buffer
	if err := json.Indent(&example, encoded, "", "  "); err != nil {
		return eventView{}, fmt.Errorf("write the example of %s: %w", d.Type, err)
	}
	return eventView{
		Type: d.Type, Doc: d.Doc, Category: string(d.Category), Live: live(d.Person, d.Roles), RuleVisible: d.RuleVisible, External: d.External(), Fields: d.Fields(), Example: example.String(),
	}, nil
}

// live returns a text that lists who may see an event on a socket.
func live(person bool, roles []care.Role) string {
	var who []string
	if person {
		who = append(who, "the person it is about")
	}
	for _, r := range roles {
		who = append(who, string(r)+"s of the clinic")
	}
	if len(who) == 0 {
		return "nobody"
	}
	return strings.Join(who, ", ")
}
