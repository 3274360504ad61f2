//go:build race

package e2e_test

// The race detector makes a program 2 to 20 times slower
// (https://go.dev/doc/articles/race_detector), a busy service about 4 times.
const (
	slowdown = 4
	raceFlag = "-race=true"
)
