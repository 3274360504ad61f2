package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
	"carewire/internal/ledger"
	"carewire/internal/postgres"
	"carewire/internal/postgres/db"
	"carewire/internal/rule"
	"carewire/internal/versionset"
)

// PersonExplanation explains one person's notifications of an event. It contains ids and codes.
type PersonExplanation struct {
	PersonID uuid.UUID `json:"personId" format:"uuid"`
	// Named is false if no rule names the person; Nearest then tells why.
	Named   bool          `json:"named" doc:"Whether a rule names the person. Otherwise nearest has the rules for the event's type."`
	Nearest []NearestRule `json:"nearest,omitempty" doc:"The rules for the event's type, if none names the person."`
	// Preferences are the person's settings that were in force at the event.
	Preferences []PreferenceInForce `json:"preferences" doc:"The person's own settings and times that were in force at the event, newest first; what they never changed is left out and follows the defaults."`
}

// NearestRule is a rule that does not name the person.
type NearestRule struct {
	Rule       string   `json:"rule"`
	Reason     string   `json:"reason" enum:"condition_false,condition_failed,imported,unless,other_recipients"`
	Recipients []string `json:"recipients" example:"role doctor" doc:"Whom the rule names."`
}

// PreferenceInForce is a setting of the person, with the event that set it.
type PreferenceInForce struct {
	Category string     `json:"category,omitempty" doc:"Left out for what is not a setting of a category."`
	Channel  string     `json:"channel,omitempty"`
	ClinicID *uuid.UUID `json:"clinicId,omitempty" format:"uuid" doc:"Left out for all clinics."`
	Detail   string     `json:"detail,omitempty" example:"quietHours" doc:"quietHours, digestHour, timeZone or locale, if it is not a setting."`
	Value    string     `json:"value" example:"off"`
	Since    int64      `json:"since" doc:"The position of the event that set it."`
}

// maxPreferenceEvents bounds the changes of preferences that are read for an explanation.
const maxPreferenceEvents = 1000

// ExplainPerson is Explain for one person: its rules have that person's decisions alone. For a person
// whom no rule names, it has the rules that come nearest.
func ExplainPerson(ctx context.Context, q db.DBTX, eventID, personID uuid.UUID, known rule.Known) (Explanation, error) {
	x, err := Explain(ctx, q, eventID)
	if err != nil {
		return Explanation{}, err
	}
	x.ofPerson(personID)
	about := &PersonExplanation{PersonID: personID, Named: len(x.Rules) > 0}
	if about.Preferences, err = preferencesInForce(ctx, q, personID, x.Position); err != nil {
		return Explanation{}, err
	}
	if !about.Named && x.RuleVersion > 0 {
		if about.Nearest, err = nearest(ctx, q, x, personID, known); err != nil {
			return Explanation{}, err
		}
	}
	x.Person = about
	return x, nil
}

// ofPerson removes the decisions about others.
func (x *Explanation) ofPerson(id uuid.UUID) {
	rules := []ExplainedRule{}
	for _, r := range x.Rules {
		r.Decisions = slices.DeleteFunc(slices.Clone(r.Decisions), func(d Decision) bool { return d.RecipientID == nil || *d.RecipientID != id })
		if len(r.Decisions) > 0 {
			rules = append(rules, r)
		}
	}
	x.Rules = rules
}

// nearest returns the rules of the version in force at the event that are for its type.
func nearest(ctx context.Context, q db.DBTX, x Explanation, personID uuid.UUID, known rule.Known) ([]NearestRule, error) {
	version, err := versionset.Rules.Get(ctx, q, x.RuleVersion)
	if err != nil {
		return nil, err
	}
	known.Template = nil // They were checked at the publication.
	set, err := rule.Load([]byte(version.Source), known)
	if err != nil {
		return nil, care.Errorf(care.Conflict, "rule set version %d is not understood by this binary", x.RuleVersion)
	}
	found, err := ledger.Read(ctx, q, x.Position-1, 1)
	if err != nil {
		return nil, err
	}
	if len(found) != 1 || found[0].ID != x.EventID {
		return nil, nil
	}
	var all []NearestRule
	for _, n := range set.Nearest(found[0], personID) {
		all = append(all, NearestRule{Rule: n.Rule, Reason: n.Reason, Recipients: n.Recipients})
	}
	return all, nil
}

// preferencesInForce returns the settings that the person's events set up to a position.
func preferencesInForce(ctx context.Context, q db.DBTX, personID uuid.UUID, position int64) ([]PreferenceInForce, error) {
	rows, err := db.New(q).PreferenceChanges(ctx, db.PreferenceChangesParams{PersonID: personID, Position: position, MaxRows: maxPreferenceEvents})
	if err != nil {
		return nil, fmt.Errorf("read changes of preferences: %w", postgres.Translate(err))
	}
	all := []PreferenceInForce{}
	for _, row := range rows {
		var data event.Preference
		if err := json.Unmarshal(row.Data, &data); err != nil {
			continue // A payload of an earlier form.
		}
		p := PreferenceInForce{Category: data.Category, Channel: data.Channel, ClinicID: data.ClinicID, Value: data.To, Since: row.Position}
		if len(data.Changed) > 0 {
			p.Detail = data.Changed[0]
		} else if p.Value == "" { // An event of an earlier release.
			p.Value = map[bool]string{true: "on", false: "off"}[data.Enabled]
		}
		known := slices.ContainsFunc(all, func(o PreferenceInForce) bool {
			return o.Category == p.Category && o.Channel == p.Channel && o.Detail == p.Detail && care.OrZero(o.ClinicID) == care.OrZero(p.ClinicID)
		})
		if !known {
			all = append(all, p)
		}
	}
	return all, nil
}
