// Package logging makes the loggers of the binary: its own, and one for libraries that log every
// step, which leaves out most of that and repetitions.
package logging
