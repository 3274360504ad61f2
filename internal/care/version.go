package care

// MatchVersion returns nil where ifMatch is the current version of the thing, "the record" say, that the actor means to change or to
// replace (the verb). Errors: PreconditionRequired where ifMatch is 0, PreconditionFailed with the current version.
func MatchVersion(thing, verb string, ifMatch, current int64) error {
	switch ifMatch {
	case 0:
		return versionRequired()
	case current:
		return nil
	default:
		err := Errorf(PreconditionFailed, "%s was changed since you read version %d: read again, then %s version %d", thing, ifMatch, verb, current)
		err.Version = current
		return err
	}
}

// MatchOptionalVersion is MatchVersion for what there need not be, "the hours" say: while current is 0 there is none, and ifMatch is 0
// as well.
func MatchOptionalVersion(things string, ifMatch, current int64) error {
	if ifMatch == current {
		return nil
	}
	if ifMatch == 0 {
		return versionRequired()
	}
	err := Errorf(PreconditionFailed, "%s are not at version %d: read again, then change what is there", things, ifMatch)
	err.Version = current
	return err
}

func versionRequired() error {
	return Errorf(PreconditionRequired, "name the version you have read with If-Match, so that nobody's change is lost")
}
