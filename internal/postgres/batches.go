package postgres

import "errors"

// Batches calls work until it handles fewer rows than its limit, and returns the number of handled
// rows. In one transaction, work handles up to limit waiting rows, in a fixed order, after the
// first skip rows. A batch that fails because of a row (RowFault) is repeated row by row. A row
// that fails alone is skipped, so that it does not stop the others. Batches returns the errors of
// such rows joined; any other error ends the loop.
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
