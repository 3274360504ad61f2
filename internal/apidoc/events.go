package apidoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/layout"
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

// eventPage returns the page of the event catalog.
func eventPage(catalog []event.Declaration) (page, error) {
	p := page{title: "Event catalog", path: eventsPath, about: "every type, with its data and its visibility", filter: true}
	var groups []eventGroup
	for i := range catalog {
		view, err := newEventView(&catalog[i])
		if err != nil {
			return page{}, err
		}
		name := groupOf(view.Type)
		at := slices.IndexFunc(groups, func(g eventGroup) bool { return g.Name == name })
		if at < 0 {
			at = len(groups)
			groups = append(groups, eventGroup{Name: name})
			p.contents = append(p.contents, layout.Section{Title: name, Path: "#group-" + name})
		}
		groups[at].Events = append(groups[at].Events, view)
		p.contents[at].Links = append(p.contents[at].Links, layout.Entry{Path: "#" + view.Type, Text: view.Type})
		text := []string{view.Doc}
		for _, field := range view.Fields {
			text = append(text, field.Name+": "+field.Doc)
		}
		p.sections = append(p.sections, section{title: view.Type, path: eventsPath + "#" + view.Type, text: strings.Join(text, " ")})
	}
	var err error
	p.main, err = execute("events.html", groups)
	return p, err
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
