package billing

import "time"

// SetClock makes the service take the time from now.
func (s *Service) SetClock(now func() time.Time) { s.now = now }

// RefundLines returns the lines of the credit note of a refund of a part.
func RefundLines(of []Line, minor int64) []Line { return refundLines(of, minor) }

// Charge returns a line with its amounts.
func Charge(l Line) ChargedLine { return charge(l) }
