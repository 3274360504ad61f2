// Package openapi completes the OpenAPI document that huma makes of the operations: its
// introduction, the answers to refusals, headers, and examples.
package openapi
