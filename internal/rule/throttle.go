package rule

import (
	"fmt"
	"time"
)

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

// Key returns the key under which the messages of a match on a channel are counted for a person.
// Throttles with another Max or Per count under other keys, so that a count is always of one throttle.
func (t *Throttle) Key(m *Match, channel string) string {
	of := "rule:" + m.Rule.Name
	if t.ByCategory {
		of = "category:" + string(m.Category)
	}
	return fmt.Sprintf("%s/%s/%d per %s", of, channel, t.Max, span{rest: t.Per})
}
