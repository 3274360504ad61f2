package ledger

import "errors"

// Validate returns an error for each required field that is not set, in the order of the fields.
func (c FollowerConfig) Validate() error {
	return errors.Join(
		required("FollowerConfig.Name", c.Name != ""),
		required("FollowerConfig.Pool", c.Pool != nil),
		required("FollowerConfig.Handler", c.Handler != nil),
		required("FollowerConfig.Logger", c.Logger != nil),
	)
}

// Validate returns an error for each required field that is not set, in the order of the fields.
func (c SequencerConfig) Validate() error {
	return errors.Join(
		required("SequencerConfig.Pool", c.Pool != nil),
		required("SequencerConfig.Logger", c.Logger != nil),
	)
}

// Validate returns an error for each required field that is not set, in the order of the fields.
func (c TailConfig) Validate() error {
	return errors.Join(
		required("TailConfig.Pool", c.Pool != nil),
		required("TailConfig.Logger", c.Logger != nil),
	)
}

func required(field string, set bool) error {
	if set {
		return nil
	}
	return errors.New("ledger: " + field + " is required")
}

// mustBeValid panics on an error of Validate, which is a bug in the program.
func mustBeValid(err error) {
	if err != nil {
		panic(err)
	}
}
