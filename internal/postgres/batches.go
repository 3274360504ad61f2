package postgres

import "errors"

// Batches calls work until it handles fewer rows than its limit, and returns how many it handled. work handles, in one
// transaction, up to limit of the rows that wait, in a fixed order, behind the first skip of them. A batch that fails because
// of a row (RowFault) is done again row by row; a row that fails alone is skipped, so that it does not stop the others. The
// errors of such rows are returned joined; any other error ends the loop.
func Batches(size int32, work func(limit, skip int32) (int, error)) (total int, err error) {
	limit, skip, single := size, int32(0), int32(0)
	for {
		n, failed := work(limit, skip)
		switch {
		case failed == nil:
			if total += n; n < int(limit) {
				return total, err
			}
			single--
		case !RowFault(failed):
			return total, errors.Join(err, failed)
		case limit > 1:
			single = size
		default:
			err = errors.Join(err, failed)
			skip++
			single--
		}
		limit = size
		if single > 0 {
			limit = 1
		}
	}
}
