// Package table prints tables of text that fit a terminal.
package table
