package tcsync

// #include <stdint.h>
// #include <stdlib.h>
// #include <tcsync.h>
// void tcsyncGoLog(void *, tcsync_log_record *);
// static tcsync_code set_log(tcsync_config *config, uintptr_t id, tcsync_error **error) {
//   return tcsync_config_set_log(config, (tcsync_log_function)tcsyncGoLog, (void *)id, error);
// }
import "C"

import (
	"net/http"
	"strings"
	"sync"
	"unsafe"
)

// A Config says how an engine is opened. The zero Config keeps the data in the directory "data", and every default.
type Config struct {
	// Options have the names and the values of docs/options.md. Those of the library's own listener have no effect.
	Options map[string]string
	// Environment lets variables set the options that Options does not have.
	Environment bool
	// Log receives the log's records, one after the other, on a thread of the library; nil is silence. It must not close
	// the engine. A call that takes longer than 5 seconds may be given up at the engine's end.
	Log func(Record)
}

// An Engine is the data of many clients, and the answers to their requests.
type Engine struct {
	engine *C.tcsync_engine // nil when closed
	logID  uintptr          // 0 without a log
	open   sync.RWMutex     // Calls have it for reading, and Close for writing.
}

// Open opens the engine over its data directory, or its database. The error has the code InUse while another engine has
// the directory open; UnknownOption and InvalidOptionValue name the option; WrongFormat, DataLoss and System mean that
// the data cannot be used, and leave it as it was.
func Open(config Config) (*Engine, error) {
	var handle *C.tcsync_config
	var failure *C.tcsync_error
	if err := failureOf(C.tcsync_config_new(&handle, &failure), &failure); err != nil {
		return nil, err
	}
	defer C.tcsync_config_free(handle)
	if config.Environment {
		if err := failureOf(C.tcsync_config_set_from_environment(handle, &failure), &failure); err != nil {
			return nil, err
		}
	}
	for name, value := range config.Options {
		if err := setOption(handle, name, value); err != nil {
			return nil, err
		}
	}
	engine := &Engine{}
	if config.Log != nil {
		engine.logID = addLog(config.Log)
		if err := failureOf(C.set_log(handle, C.uintptr_t(engine.logID), &failure), &failure); err != nil {
			removeLog(engine.logID)
			return nil, err
		}
	}
	if err := failureOf(C.tcsync_engine_open(handle, &engine.engine, &failure), &failure); err != nil {
		removeLog(engine.logID)
		return nil, err
	}
	return engine, nil
}

func setOption(config *C.tcsync_config, name, value string) error {
	if strings.IndexByte(name+value, 0) >= 0 { // A C string would end there.
		return &Error{InvalidArgument, "an option's name or value has a zero byte in it"}
	}
	nameText, valueText := C.CString(name), C.CString(value)
	defer C.free(unsafe.Pointer(nameText))
	defer C.free(unsafe.Pointer(valueText))
	var failure *C.tcsync_error
	return failureOf(C.tcsync_config_set(config, nameText, valueText, &failure), &failure)
}

// Close waits for the requests under way, and closes the engine. Shut the HTTP server down before it: a request that
// comes later is answered with 503. A second Close does nothing.
func (e *Engine) Close() error {
	e.open.Lock()
	defer e.open.Unlock()
	C.tcsync_engine_free(e.engine) // The log's last records come during this call.
	e.engine = nil
	removeLog(e.logID)
	return nil
}

// Option is the value of an option with which the engine was opened; passwords are "***".
func (e *Engine) Option(name string) (string, error) {
	e.open.RLock()
	defer e.open.RUnlock()
	if e.engine == nil {
		return "", errClosed
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var value *C.tcsync_bytes
	var failure *C.tcsync_error
	if err := failureOf(C.tcsync_engine_option(e.engine, text, &value, &failure), &failure); err != nil {
		return "", err
	}
	return string(taken(value)), nil
}

var errClosed = &Error{Unavailable, "the engine is closed"}

// A Response is a whole answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Monitor answers GET of "/metrics", "/health" and "/health/live" (docs/metrics.md). The metrics are for the operator
// alone. It takes up to 3 seconds.
func (e *Engine) Monitor(target string) (*Response, error) {
	return e.ask("GET", target, nil, func(request *C.tcsync_request, answer **C.tcsync_response) error {
		var failure *C.tcsync_error
		return failureOf(C.tcsync_monitor(e.engine, request, answer, &failure), &failure)
	})
}

// Administer answers a request of docs/administration.md, such as GET of "/v1/admin/stats". Its caller can do everything
// with the data: never pass a stranger's request.
func (e *Engine) Administer(method, target string, body []byte) (*Response, error) {
	return e.ask(method, target, body, func(request *C.tcsync_request, answer **C.tcsync_response) error {
		var failure *C.tcsync_error
		return failureOf(C.tcsync_administer(nil, e.engine, request, answer, &failure), &failure)
	})
}

func (e *Engine) ask(method, target string, body []byte, call func(*C.tcsync_request, **C.tcsync_response) error) (*Response, error) {
	e.open.RLock()
	defer e.open.RUnlock()
	if e.engine == nil {
		return nil, errClosed
	}
	request := newRequest(method, target, "", nil, body)
	defer request.free()
	var answer *C.tcsync_response
	if err := call(request.request, &answer); err != nil {
		return nil, err
	}
	defer C.tcsync_response_free(answer)
	response := &Response{Status: int(C.tcsync_response_status(answer)), Header: http.Header{}}
	if err := addHeader(answer, response.Header); err != nil {
		return nil, err
	}
	var size C.size_t
	data := C.tcsync_response_body(answer, &size)
	response.Body = C.GoBytes(unsafe.Pointer(data), C.int(size))
	return response, nil
}
