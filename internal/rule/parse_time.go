package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"carewire/internal/event"
	"carewire/internal/yamlnode"
)

// rawSchedule, rawDigest, rawThrottle and rawEscalation are parts of a rule that concern time, of
// the right structure, not checked yet.
type (
	rawSchedule struct {
		field                            string // "schedule[0]"
		line                             int
		at, before, after, zone, between text
		late                             text
	}
	rawDigest struct {
		line     int
		window   text
		key      []text
		max      int // 0 if it is missing or invalid.
		channels []text
	}
	rawThrottle struct {
		line     int
		has      []string
		max      int // 0 if it is missing or invalid.
		per, key text
	}
	rawEscalation struct {
		field    string // "escalate[0]"
		line     int
		has      []string
		after    text
		unless   text
		to       *rawRecipient
		channels []text
	}
)

// oneOrMore returns the entries of a list, or the node itself if it is a single mapping.
func (r *reader) oneOrMore(node ast.Node, field string) []ast.Node {
	if _, ok := node.(ast.MapNode); ok {
		return []ast.Node{node}
	}
	return r.filled(node, field)
}

// scalar is text for a value that YAML may read as a number or a boolean.
func (r *reader) scalar(node ast.Node, field string) text {
	switch node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return text{value: node.String(), line: yamlnode.Line(node)}
	}
	return r.text(node, field)
}

func (r *reader) schedules(node ast.Node) (all []rawSchedule) {
	for i, item := range r.oneOrMore(node, "schedule") {
		raw := rawSchedule{field: fmt.Sprintf("schedule[%d]", i), line: yamlnode.Line(item)}
		r.each(item, raw.field, func(key string, value ast.Node) bool {
			field := raw.field + "." + key
			switch key {
			case "at":
				raw.at = r.text(value, field)
			case "before":
				raw.before = r.scalar(value, field)
			case "after":
				raw.after = r.scalar(value, field)
			case "zone":
				raw.zone = r.text(value, field)
			case "between":
				raw.between = r.scalar(value, field)
			case "late":
				raw.late = r.scalar(value, field)
			default:
				return false
			}
			return true
		}, "at", "before", "after", "zone", "between", "late")
		all = append(all, raw)
	}
	return all
}

func (r *reader) digest(node ast.Node) *rawDigest {
	raw := &rawDigest{line: yamlnode.Line(node)}
	r.each(node, "digest", func(key string, value ast.Node) bool {
		field := "digest." + key
		switch key {
		case "window":
			raw.window = r.scalar(value, field)
		case "key":
			raw.key = r.texts(value, field)
		case "max":
			raw.max = r.yaml.Int(value, field, 1, maxDigestMax)
		case "channels":
			raw.channels = r.texts(value, field)
		default:
			return false
		}
		return true
	}, "window", "key", "max", "channels")
	return raw
}

func (r *reader) throttle(node ast.Node) *rawThrottle {
	raw := &rawThrottle{line: yamlnode.Line(node)}
	r.each(node, "throttle", func(key string, value ast.Node) bool {
		raw.has = append(raw.has, key)
		field := "throttle." + key
		switch key {
		case "max":
			raw.max = r.yaml.Int(value, field, 1, maxThrottle)
		case "per":
			raw.per = r.scalar(value, field)
		case "key":
			raw.key = r.text(value, field)
		default:
			return false
		}
		return true
	}, "max", "per", "key")
	return raw
}

func (r *reader) escalations(node ast.Node) (all []rawEscalation) {
	for i, item := range r.oneOrMore(node, "escalate") {
		raw := rawEscalation{field: fmt.Sprintf("escalate[%d]", i), line: yamlnode.Line(item)}
		r.each(item, raw.field, func(key string, value ast.Node) bool {
			raw.has = append(raw.has, key)
			field := raw.field + "." + key
			switch key {
			case "after":
				raw.after = r.scalar(value, field)
			case "unless":
				raw.unless = r.text(value, field)
			case "to":
				to := r.recipientIn(field, value)
				raw.to = &to
			case "channels":
				raw.channels = r.texts(value, field)
			default:
				return false
			}
			return true
		}, "after", "unless", "to", "channels")
		all = append(all, raw)
	}
	return all
}

// checkTime checks the parts of a rule that concern time.
func (c *checker) checkTime(raw *rawRule, r *Rule, types []*event.Declaration) {
	r.schedule = c.checkSchedules(raw.schedules, types)
	if raw.digest != nil {
		r.Digest = c.checkDigest(raw.digest, r)
	}
	if raw.throttle != nil {
		r.Throttle = c.checkThrottle(raw.throttle, r)
	}
	if len(raw.escalations) > maxSteps {
		c.fail(raw.escalations[maxSteps].line, "escalate", "at most %d steps", maxSteps)
		return
	}
	for _, e := range raw.escalations {
		r.Escalate = append(r.Escalate, c.checkEscalation(e, types))
	}
	if len(r.Escalate) > 0 && len(r.schedule) > 0 {
		c.fail(raw.escalations[0].line, "escalate", "a rule with a schedule cannot escalate; make it a separate rule")
	}
}

func (c *checker) checkSchedules(raws []rawSchedule, types []*event.Declaration) (all []Schedule) {
	if len(raws) > maxSteps {
		c.fail(raws[maxSteps].line, "schedule", "at most %d times", maxSteps)
		return nil
	}
	lines := map[string]int{}
	for _, raw := range raws {
		s := c.checkSchedule(raw, types)
		if other := lines[s.label()]; other > 0 && s.field != "" {
			c.fail(raw.line, raw.field, "duplicate time, also on line %d", other)
		}
		lines[s.label()] = raw.line
		all = append(all, s)
	}
	return all
}

func (c *checker) checkSchedule(raw rawSchedule, types []*event.Declaration) (s Schedule) {
	s.field = c.checkTimeField(raw, types)
	var err error
	if raw.before.line > 0 {
		if s.before, err = parseSpan(raw.before.value); err != nil {
			c.fail(raw.before.line, raw.field+".before", "%v", err)
		}
	}
	if raw.after.line > 0 {
		if s.after, err = parseSpan(raw.after.value); err != nil {
			c.fail(raw.after.line, raw.field+".after", "%v", err)
		}
	}
	if raw.before.line > 0 && raw.after.line > 0 {
		c.fail(raw.line, raw.field, "before and after exclude each other; make each a time of its own")
	}
	switch raw.zone.value {
	case "person":
		s.person = true
	case "clinic", "":
	default:
		c.fail(raw.zone.line, raw.field+".zone", "unknown zone %q; want clinic or person", raw.zone.value)
	}
	if raw.between.line > 0 {
		if s.between, err = parseDayPart(raw.between.value); err != nil {
			c.fail(raw.between.line, raw.field+".between", "%v", err)
		}
	}
	switch raw.late.value {
	case "send":
		s.late = true
	case "drop", "":
	default:
		c.fail(raw.late.line, raw.field+".late", "unknown value %q; want send or drop", raw.late.value)
	}
	return s
}

// checkTimeField returns the field of the data that a schedule refers to, or "".
func (c *checker) checkTimeField(raw rawSchedule, types []*event.Declaration) string {
	if raw.at.line == 0 {
		c.fail(raw.line, raw.field+".at", "is missing: want a time in the data, such as data.startsAt")
		return ""
	}
	name, ok := strings.CutPrefix(raw.at.value, "data.")
	if !ok || name == "" {
		c.fail(raw.at.line, raw.field+".at", "invalid field %q; want a time in the data, such as data.startsAt", raw.at.value)
		return ""
	}
	for _, d := range types {
		if !isTime(d, name) {
			var times []string
			for _, field := range fieldNames(d) {
				if isTime(d, field) {
					times = append(times, "data."+field)
				}
			}
			if len(times) == 0 {
				c.fail(raw.at.line, raw.field+".at", "data.%s is not a time in the data of %s, which has no times", name, d.Type)
			} else {
				c.fail(raw.at.line, raw.field+".at", "data.%s is not a time in the data of %s, which has %s", name, d.Type, strings.Join(times, ", "))
			}
			return ""
		}
	}
	return name
}

// duration returns a duration with its unit between two bounds. A missing one is an error with the
// advice.
func (c *checker) duration(t text, line int, field, advice string, least, most time.Duration) time.Duration {
	if t.line == 0 {
		c.fail(line, field, "is missing: %s", advice)
		return 0
	}
	d, err := time.ParseDuration(t.value)
	switch {
	case err != nil:
		c.fail(t.line, field, "%q is not a duration; want hours, minutes or seconds with their unit, such as 1h or 10m", t.value)
	case d < least || d > most:
		c.fail(t.line, field, "want between %s and %s, not %s", span{rest: least}, span{rest: most}, t.value)
	default:
		return d
	}
	return 0
}

func (c *checker) checkDigest(raw *rawDigest, r *Rule) *Digest {
	d := &Digest{Max: cmp.Or(raw.max, defaultDigestMax)}
	d.Window = c.duration(raw.window, raw.line, "digest.window", "want the time that it collects messages for, such as 10m", minWindow, maxWindow)
	if len(raw.key) == 0 {
		c.fail(raw.line, "digest.key", "is missing: want what is collected together, such as [recipient, category]")
	}
	for _, t := range raw.key {
		part := DigestPart(t.value)
		switch {
		case !slices.Contains(digestParts, part):
			c.fail(t.line, "digest.key", "unknown part %q; want some of recipient, category, rule, type, subject", t.value)
		case slices.Contains(d.Key, part):
			c.fail(t.line, "digest.key", "duplicate %s", t.value)
		default:
			d.Key = append(d.Key, part)
		}
	}
	if len(raw.key) > 0 && !slices.Contains(d.Key, PartRecipient) {
		c.fail(raw.key[0].line, "digest.key", "want recipient among the parts: a digest is sent to one person")
	}
	d.Channels = c.checkChannels(raw.channels, "digest.channels", nil)
	for i, channel := range d.Channels {
		if !slices.Contains(r.Channels, channel) && !slices.Contains(r.Fallback, channel) {
			c.fail(raw.channels[i].line, "digest.channels", "the rule does not use the channel %s", channel)
		}
	}
	if r.Priority == Critical {
		c.fail(raw.line, "digest", "a rule of the priority critical cannot wait for a digest")
	}
	return d
}

func (c *checker) checkThrottle(raw *rawThrottle, r *Rule) *Throttle {
	t := &Throttle{Max: raw.max}
	if !slices.Contains(raw.has, "max") {
		c.fail(raw.line, "throttle.max", "is missing: want the number of messages, such as 5")
	}
	t.Per = c.duration(raw.per, raw.line, "throttle.per", "want the period, such as 1h", minWindow, maxWindow)
	switch raw.key.value {
	case "category":
		t.ByCategory = true
	case "rule", "":
	default:
		c.fail(raw.key.line, "throttle.key", "unknown key %q; want rule or category", raw.key.value)
	}
	if r.Priority == Critical {
		c.fail(raw.line, "throttle", "a rule of the priority critical cannot be throttled")
	}
	return t
}

func (c *checker) checkEscalation(raw rawEscalation, types []*event.Declaration) Escalation {
	e := Escalation{Unless: Reaction(raw.unless.value)}
	e.After = c.duration(raw.after, raw.line, raw.field+".after", "want the time from the acceptance of the message, such as 5m", minEscalation, maxEscalation)
	switch e.Unless {
	case Acknowledged, Read, Delivered:
	case "":
		c.fail(raw.line, raw.field+".unless", "is missing: want acknowledged, read or delivered")
	default:
		c.fail(raw.unless.line, raw.field+".unless", "unknown state %q; want acknowledged, read or delivered", raw.unless.value)
	}
	if raw.to == nil {
		if !slices.Contains(raw.has, "to") {
			c.fail(raw.line, raw.field+".to", "is missing: an escalation needs somebody to notify; want user, role, careTeam or actor")
		}
	} else {
		e.to = c.checkRecipient(*raw.to, types)
	}
	if len(raw.channels) == 0 && !slices.Contains(raw.has, "channels") {
		c.fail(raw.line, raw.field+".channels", "is missing: want at least one of %s", strings.Join(c.known.Channels, ", "))
	}
	e.Channels = c.checkChannels(raw.channels, raw.field+".channels", nil)
	return e
}
