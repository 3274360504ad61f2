//go:build !race

package e2e_test

const (
	// slowdown is how many times longer than usual the service may take. It multiplies each deadline.
	slowdown = 1
	// raceFlag builds the binary with the race detector if the tests are.
	raceFlag = "-race=false"
)
