// Package meaning decides whether carewire can keep what a resource means.
//
// It has a decision for each status, refuses modifier elements that no record can express, and
// recognizes resources that deny what their type asserts.
package meaning
