package chat

import "time"

// SetClock replaces time.Now.
func (s *Service) SetClock(now func() time.Time) { s.now = now }
