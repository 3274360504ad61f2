package billing

import "time"

// SetClock replaces time.Now.
func (s *Service) SetClock(now func() time.Time) { s.now = now }

// RefundLines returns the lines of the credit note of a partial refund.
func RefundLines(of []Line, minor int64) []Line { return refundLines(of, minor) }

// Charge returns a line with its amounts.
func Charge(l Line) ChargedLine { return charge(l) }
