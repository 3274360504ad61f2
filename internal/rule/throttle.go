package rule

import "time"

// Throttle bounds the messages to a person in a period. Further ones are collected in a digest.
type Throttle struct {
	// Max is the number of messages on a channel within Per.
	Max int
	Per time.Duration
	// ByCategory counts the messages of all rules with a throttle by category, instead of the rule's
	// own.
	ByCategory bool
}

const maxThrottle = 1000

// Key returns the key under which the messages of a match on a channel are counted for a person. Keys
// with different periods are different, so that a count is always of one period.
func (t *Throttle) Key(m *Match, channel string) string {
	per := span{rest: t.Per}.String()
	if t.ByCategory {
		return "category:" + string(m.Category) + "/" + channel + "/" + per
	}
	return "rule:" + m.Rule.Name + "/" + channel + "/" + per
}
