package wire

import (
	"errors"
	"fmt"
)

// ErrMalformed matches every error of a parser of this package, in the sense of [errors.Is]. The
// messages of these errors carry no prefix, because public packages add their own.
var ErrMalformed = errors.New("malformed")

// malformed returns an error that matches [ErrMalformed] and the errors that are wrapped with %w.
func malformed(format string, args ...any) error {
	return &malformedError{fmt.Errorf(format, args...)}
}

// malformedError describes text that is not well-formed.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return e.err.Error() }

func (e *malformedError) Unwrap() []error { return []error{ErrMalformed, e.err} }

// fieldError describes a member of a JSON object: "methodDetails.chainId is missing".
type fieldError struct {
	path string
	err  error
}

func (e *fieldError) Error() string {
	var m mismatch
	if errors.As(e.err, &m) {
		return e.path + " " + e.err.Error()
	}
	return e.path + ": " + e.err.Error()
}

func (e *fieldError) Unwrap() []error { return []error{ErrMalformed, e.err} }

// inField returns err as an error of the member name.
func inField(name string, err error) error {
	var inner *fieldError
	if errors.As(err, &inner) {
		return &fieldError{name + "." + inner.path, inner.err}
	}
	return &fieldError{name, err}
}

// mismatch completes a sentence that begins with the name of a member.
type mismatch string

func (m mismatch) Error() string { return string(m) }

// The reasons why a JSON value is not what a reader expects.
const (
	errMissing mismatch = "is missing"
	errString  mismatch = "is not a string"
	errInteger mismatch = "is not a whole number"
	errBool    mismatch = "is not true or false"
	errObject  mismatch = "is not an object"
	errHex     mismatch = "is not 0x and hexadecimal digits of the right length"
)
