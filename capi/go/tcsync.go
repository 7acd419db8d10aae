// Package tcsync embeds the TaskChampion sync engine in a Go program: Open gives an http.Handler for any server of
// net/http. It calls libtcsync through cgo, which checks each declaration against tcsync.h.
//
// The compiler and the linker have to find the header and the library:
//
//	CGO_CFLAGS="$(pkg-config --cflags tcsync)" CGO_LDFLAGS="$(pkg-config --libs tcsync)" go build
//
// All functions and methods may be called by any goroutine at any time, unless their comments say otherwise. A program
// that has opened an engine must not fork without exec; os/exec is no such fork.
package tcsync

// #cgo LDFLAGS: -ltcsync
// #include <stdlib.h>
// #include <tcsync.h>
import "C"

import "unsafe"

// Version is the release of the library that the program runs with, such as "0.1.0".
func Version() string {
	return C.GoString(C.tcsync_version())
}

// Has tells whether the library has a feature, by a word of tcsync_has in tcsync.h: a library without "server" opens no
// engine.
func Has(feature string) bool {
	name := C.CString(feature)
	defer C.free(unsafe.Pointer(name))
	return C.tcsync_has(name) != 0
}

// A Code is the reason of a failure. It is an error, so that errors.Is(err, tcsync.InUse) works; a coarse code is the
// reason of all failures with a detail of it.
type Code int32

// The coarse codes, on which a program bases its decisions. Later releases may add others, and any details.
const (
	InvalidArgument Code = C.TCSYNC_INVALID_ARGUMENT
	OutOfMemory     Code = C.TCSYNC_OUT_OF_MEMORY
	Internal        Code = C.TCSYNC_INTERNAL
	System          Code = C.TCSYNC_SYSTEM
	InUse           Code = C.TCSYNC_IN_USE
	Unavailable     Code = C.TCSYNC_UNAVAILABLE
	WrongFormat     Code = C.TCSYNC_WRONG_FORMAT
	DataLoss        Code = C.TCSYNC_DATA_LOSS
	Unsupported     Code = C.TCSYNC_UNSUPPORTED
)

// The details of InvalidArgument that an engine gives.
const (
	UnknownOption      Code = C.TCSYNC_UNKNOWN_OPTION
	InvalidOptionValue Code = C.TCSYNC_INVALID_OPTION_VALUE
	InvalidAddress     Code = C.TCSYNC_INVALID_ADDRESS
	Forked             Code = C.TCSYNC_FORKED
)

// Coarse is the code without its detail.
func (c Code) Coarse() Code {
	return c & 0xff
}

// Error is the code's name, such as "TCSYNC_IN_USE".
func (c Code) Error() string {
	return C.GoString(C.tcsync_code_name(C.tcsync_code(c)))
}

// An Error is a failed call. Its message is one line for people.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string {
	return e.Message
}

// Is compares with a Code: with the whole one, or with the coarse one.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && (code == e.Code || code == e.Code.Coarse())
}

// Takes the failure of a call. Its address, because Go may read a variable before the call that is the argument beside
// it.
func failureOf(code C.tcsync_code, failure **C.tcsync_error) error {
	if code == C.TCSYNC_OK {
		return nil
	}
	defer C.tcsync_error_free(*failure)
	message := C.GoString(C.tcsync_error_message(*failure))
	if *failure == nil {
		message = Code(code).Error() // There was no memory for an error.
	}
	return &Error{Code: Code(code), Message: message}
}

// The bytes of an output, which is freed.
func taken(bytes *C.tcsync_bytes) []byte {
	defer C.tcsync_bytes_free(bytes)
	return C.GoBytes(unsafe.Pointer(C.tcsync_bytes_data(bytes)), C.int(C.tcsync_bytes_size(bytes)))
}

func textOf(data *C.char, size C.size_t) string {
	return C.GoStringN(data, C.int(size))
}
