// Package simulation says what each person of a clinic should have been told, and compares it with
// what they were told. It is a small model of the documentation (docs/notifications.md) that shares no
// code with the service: it reads events, messages and digests as the audit views show them, and the
// preferences as people set them over REST.
//
// Check is a pure function. The tests of the whole service let people live for a month by a clock that
// they move, and call it at the end.
package simulation
