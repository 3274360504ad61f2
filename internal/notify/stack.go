package notify

import "runtime"

// stackSize is more than the stack of a call of a provider, in bytes.
const stackSize = 12 << 10

// growStack makes room on the goroutine's stack for a call of a provider. River runs each job on a new
// goroutine: its stack would otherwise be copied with all frames each time that the call outgrows it,
// which is 6 to 9 % of the service's processor time for a message.
//
//go:noinline
func growStack() {
	var frame [stackSize]byte
	runtime.KeepAlive(&frame)
}
