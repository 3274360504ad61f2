package billing

import "time"

// SetClock makes the service take the time from now.
func (s *Service) SetClock(now func() time.Time) { s.now = now }

// Charge returns a line with its amounts.
func Charge(l Line) ChargedLine { return charge(l) }
