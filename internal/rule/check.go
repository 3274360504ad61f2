package rule

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"carewire/internal/care"
	"carewire/internal/event"
)

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

var categories = []event.Category{event.CategoryClinical, event.CategoryAppointment, event.CategoryBilling, event.CategoryAccount, event.CategoryChat, event.CategorySystem}

// checker checks raw rules.
type checker struct {
	*reader
	known Known
	// published reports that the set is in force already; see Load.
	published bool
	names     map[string]int // The line of each name.
	// conditions counts the characters of the conditions so far, broken those of the invalid ones.
	conditions, broken int
}

func (c *checker) check(raws []*rawRule) *Set {
	set := &Set{byType: map[string][]*Rule{}}
	for _, raw := range raws {
		c.rule = raw.label
		rule, types := c.checkRule(raw)
		set.Rules = append(set.Rules, rule)
		for _, d := range types {
			set.byType[d.Type] = append(set.byType[d.Type], rule)
		}
	}
	c.rule = ""
	return set
}

func (c *checker) checkRule(raw *rawRule) (*Rule, []*event.Declaration) {
	r := &Rule{Name: raw.name.value, On: event.Pattern(raw.on.value), Priority: Normal, Imported: raw.imported, Unverified: raw.unverified}
	c.checkName(raw)
	types := c.checkPattern(raw)
	if raw.when.line > 0 {
		r.when = c.condition(raw.when, "when", false, types)
	}
	c.missing(raw, "recipients", "want at least one user, role, careTeam or actor")
	for _, recipient := range raw.recipients {
		r.recipients = append(r.recipients, c.checkRecipient(recipient, types))
	}
	c.missing(raw, "channels", "want at least one of "+strings.Join(c.known.Channels, ", "))
	r.Channels = c.checkChannels(raw.channels, "channels", nil)
	r.Fallback = c.checkChannels(raw.fallback, "fallback", r.Channels)
	if raw.priority.line > 0 {
		r.Priority = Priority(raw.priority.value)
		if r.Priority.Rank() == 0 {
			c.fail(raw.priority.line, "priority", "unknown priority %q; want one of critical, high, normal, bulk", raw.priority.value)
		}
	}
	r.TTL = c.checkTTL(raw.ttl, r.Priority)
	if raw.category.line > 0 {
		r.category = event.Category(raw.category.value)
		if !slices.Contains(categories, r.category) {
			c.fail(raw.category.line, "category", "unknown category %q; want one of clinical, appointment, billing, account, chat, system", raw.category.value)
		}
	}
	c.checkTime(raw, r, types)
	r.template = raw.template.value
	c.checkTemplates(raw, r, types)
	return r, types
}

const (
	// defaultTTL is the ttl of rules of the priorities normal and bulk that name none: a message about
	// an ordinary event of the day before yesterday confuses more than it helps. One that is urgent
	// is still better late than never.
	defaultTTL = 24 * time.Hour
	// minTTL and maxTTL bound a ttl. A shorter one would drop messages while the planner restarts.
	minTTL = time.Minute
	maxTTL = 30 * 24 * time.Hour
	noTTL  = "none"

	notDuration = "%q is not a duration; want hours, minutes or seconds with their unit, such as 24h or 90m, or " + noTTL
)

// checkTTL returns the duration, or the default of the priority if none is written.
func (c *checker) checkTTL(t text, p Priority) time.Duration {
	switch {
	case t.line == 0 && (p == Critical || p == High), t.value == noTTL:
		return 0
	case t.line == 0:
		return defaultTTL
	}
	ttl, err := time.ParseDuration(t.value)
	switch {
	case err != nil:
		c.fail(t.line, "ttl", notDuration, t.value)
	case ttl < minTTL || ttl > maxTTL:
		c.fail(t.line, "ttl", "want between 1m and 720h, or %s", noTTL)
	}
	return ttl
}

// missing reports a missing field. An invalid one has its error already.
func (c *checker) missing(raw *rawRule, field, advice string) {
	if !slices.Contains(raw.has, field) {
		c.fail(raw.line, field, "is missing: %s", advice)
	}
}

func (c *checker) checkName(raw *rawRule) {
	switch {
	case raw.name.line == 0:
		c.missing(raw, "name", "want a name, which deliveries and decisions are stored with")
	case !nameForm.MatchString(raw.name.value):
		c.fail(raw.name.line, "name", "invalid name %q; want at most 63 characters a-z, 0-9 and -", raw.name.value)
	case c.names[raw.name.value] > 0:
		c.fail(raw.name.line, "name", "duplicate rule name %q, also on line %d", raw.name.value, c.names[raw.name.value])
	default:
		c.names[raw.name.value] = raw.name.line
	}
}

// checkPattern returns the event types that the rule matches.
func (c *checker) checkPattern(raw *rawRule) []*event.Declaration {
	if raw.on.line == 0 {
		c.missing(raw, "on", "want a pattern of events, such as ehr.*.created")
		return nil
	}
	pattern := event.Pattern(raw.on.value)
	if err := pattern.Validate(); err != nil {
		c.fail(raw.on.line, "on", "%v", err)
		return nil
	}
	var types []*event.Declaration
	hidden := ""
	for i := range event.Catalog {
		d := &event.Catalog[i]
		if !pattern.Match(d.Type) {
			continue
		}
		if d.RuleVisible {
			types = append(types, d)
		} else {
			hidden = d.Type
		}
	}
	switch {
	case len(types) == 0 && hidden != "":
		c.fail(raw.on.line, "on", "%s matches only events that are hidden from rules, such as %s", pattern, hidden)
	case len(types) == 0:
		c.fail(raw.on.line, "on", "%s matches no event; see the event reference for the names", pattern)
	}
	return types
}

// condition compiles an expression. Without types, because the pattern is wrong, the fields of the
// data are not checked.
func (c *checker) condition(source text, field string, unless bool, types []*event.Declaration) *condition {
	before := c.conditions
	if c.conditions += len(source.value); c.broken >= maxBroken || before > maxConditions {
		return nil
	}
	if c.conditions > maxConditions {
		c.fail(source.line, field, "the conditions up to here have more than %d characters together; shorten them", maxConditions)
		return nil
	}
	compiled, err := compileCondition(source.value, unless, !c.published, types)
	if err != nil {
		c.broken += len(source.value)
		c.fail(source.line, field, "%v", err)
	}
	return compiled
}

func (c *checker) checkRecipient(raw rawRecipient, types []*event.Declaration) recipientSpec {
	spec := recipientSpec{actor: raw.actor}
	named := 0
	if raw.user.line > 0 {
		named++
		spec.user = c.checkUser(raw, types)
	}
	if len(raw.roles) > 0 {
		named++
		spec.roles = c.checkRoles(raw.roles, raw.field+".role", care.ClinicRoles)
	}
	if len(raw.team) > 0 {
		named++
		spec.careTeam = c.checkRoles(raw.team, raw.field+".careTeam", careTeamRoles)
	}
	if raw.actor {
		named++
	}
	switch {
	case named == 0 && !slices.ContainsFunc(raw.has, func(key string) bool { return key != "unless" }):
		c.fail(raw.line, raw.field, "missing recipient; want one of user: data.<field>, careTeam: [doctor, nurse], role: [<role>, …] or actor: true")
	case named > 1:
		c.fail(raw.line, raw.field, "more than one of user, role, careTeam and actor; make each a separate recipient")
	}
	if raw.unless.line > 0 {
		spec.unless = c.condition(raw.unless, raw.field+".unless", true, types)
	}
	return spec
}

func (c *checker) checkUser(raw rawRecipient, types []*event.Declaration) string {
	name, ok := strings.CutPrefix(raw.user.value, "data.")
	if !ok || name == "" {
		c.fail(raw.user.line, raw.field+".user", "invalid field %q; want a field of the data that holds a person's id, such as data.userId", raw.user.value)
		return ""
	}
	for _, d := range types {
		if typ := fieldOf(d, name); typ == nil || !isID(typ) {
			c.fail(raw.user.line, raw.field+".user", "data.%s is not an id in the data of %s, which has %s", name, d.Type, strings.Join(idFields(d), ", "))
			return ""
		}
	}
	return name
}

// careTeamRoles lists the roles on a care team.
var careTeamRoles = []care.Role{care.Doctor, care.Nurse}

func (c *checker) checkRoles(raw []text, field string, known []care.Role) []care.Role {
	var roles []care.Role
	for _, t := range raw {
		role := care.Role(t.value)
		switch {
		case !slices.Contains(care.ClinicRoles, role):
			c.fail(t.line, field, "unknown clinic role %q; want one of doctor, nurse, receptionist, admin", t.value)
		case role == care.Patient:
			c.fail(t.line, field, "patient would notify every patient of the clinic; use user: data.userId")
		case !slices.Contains(known, role):
			c.fail(t.line, field, "role %s is not on care teams; want one of doctor, nurse", t.value)
		case slices.Contains(roles, role):
			c.fail(t.line, field, "duplicate %s", t.value)
		default:
			roles = append(roles, role)
		}
	}
	return roles
}

func (c *checker) checkChannels(raw []text, field string, taken []string) []string {
	var channels []string
	for _, t := range raw {
		switch {
		case !slices.Contains(c.known.Channels, t.value):
			c.fail(t.line, field, "unknown channel %q; want one of %s", t.value, strings.Join(c.known.Channels, ", "))
		case slices.Contains(channels, t.value) || slices.Contains(taken, t.value):
			c.fail(t.line, field, "duplicate channel %s", t.value)
		default:
			channels = append(channels, t.value)
		}
	}
	return channels
}

// checkTemplates checks that every message that the rule can lead to has its template.
func (c *checker) checkTemplates(raw *rawRule, r *Rule, types []*event.Declaration) {
	if c.known.Template == nil {
		return
	}
	at := raw.template.line
	if at == 0 {
		at = raw.line
	}
	var reported []string
	templates := []string{}
	for _, d := range types {
		_, template := r.resolve(d.Type)
		templates = append(templates, template)
	}
	if len(types) == 0 && r.template != "" { // The pattern is wrong.
		templates = append(templates, r.template)
	}
	if r.Priority == Critical && slices.ContainsFunc(types, (*event.Declaration).Critical) {
		templates = append(templates, TemplateUnattended) // See resolver.escalate.
	}
	channels := slices.Concat(r.Channels, r.Fallback)
	for _, e := range r.Escalate {
		channels = append(channels, e.Channels...)
	}
	for _, template := range templates {
		for _, channel := range channels {
			if key := template + "/" + channel; !c.known.Template(template, channel) && !slices.Contains(reported, key) {
				reported = append(reported, key)
				c.fail(at, "template", "no template %q for the channel %s; add one or choose another", template, channel)
			}
		}
	}
}
