package care

// NonZero returns a pointer to the value, or nil if it is the zero value.
func NonZero[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// OrZero returns *p, or the zero value for nil.
func OrZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// PtrOr returns *p, or the fallback for nil.
func PtrOr[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}

// EqualPtr reports whether both pointers are nil, or both point to equal values.
func EqualPtr[T comparable](a, b *T) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}
