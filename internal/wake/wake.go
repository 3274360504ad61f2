// Package wake has the signal that outbox and ledger wake their goroutines with. A wake channel has
// capacity 1 and is level-triggered: any number of signals before a receive become one.
package wake

// Signal makes the wake channel ready to receive from. It never blocks.
func Signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
