package care

// MatchVersion returns nil if ifMatch is the current version of the thing. thing is a noun phrase
// such as "the record", verb the intended action: change or replace. Errors: PreconditionRequired
// if ifMatch is 0, PreconditionFailed with the current version otherwise.
func MatchVersion(thing, verb string, ifMatch, current int64) error {
	switch ifMatch {
	case 0:
		return versionRequired()
	case current:
		return nil
	default:
		err := Errorf(PreconditionFailed, "%s was changed since you read version %d: read it again, then %s version %d", thing, ifMatch, verb, current)
		err.Version = current
		return err
	}
}

// MatchOptionalVersion is MatchVersion for things that may not exist, such as "the hours": current
// is 0 if there are none, and ifMatch must be 0 as well.
func MatchOptionalVersion(things string, ifMatch, current int64) error {
	if ifMatch == current {
		return nil
	}
	if ifMatch == 0 {
		return versionRequired()
	}
	err := Errorf(PreconditionFailed, "%s are not at version %d: read them again, then change the current version", things, ifMatch)
	err.Version = current
	return err
}

func versionRequired() error {
	return Errorf(PreconditionRequired, "send the version that you have read in If-Match, so that no other change is lost")
}
