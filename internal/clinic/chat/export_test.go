package chat

import "time"

// SetClock makes the service take the time from now.
func (s *Service) SetClock(now func() time.Time) { s.now = now }
