// A sync server inside a Go program: net/http takes the requests, tcsync answers them. docs/c-abi.md has the rest.
// Build: CGO_CFLAGS="$(pkg-config --cflags tcsync)" CGO_LDFLAGS="$(pkg-config --libs tcsync)" go build
// Run: tcsync-embed DATA_DIR PORT; port 0 is any free one. Other options come from the environment (docs/options.md).
package main

// #cgo LDFLAGS: -ltcsync
// #include <stdlib.h>
// #include <tcsync.h>
// void logRecord(void *, tcsync_log_record *);
import "C"

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

type server struct {
	engine *C.tcsync_engine
	open   sync.RWMutex // Requests have it for reading; the end of the engine has it for writing, for good.
}

//export logRecord
func logRecord(user unsafe.Pointer, record *C.tcsync_log_record) {
	log.Print(C.GoString(C.tcsync_log_record_text(record)))
}

// Takes the error's address, because Go may read a variable before it makes the call that is the argument beside it.
func check(code C.tcsync_code, failure **C.tcsync_error, fail func(...interface{})) {
	if code != C.TCSYNC_OK {
		defer C.tcsync_error_free(*failure)
		fail(C.GoString(C.tcsync_error_message(*failure)))
	}
}

// Copies data for C, which must not point to Go's memory.
func (s *server) begin(r *http.Request, pending **C.tcsync_pending, answer **C.tcsync_response) {
	var fields []C.tcsync_header
	for name, values := range r.Header {
		for _, value := range values {
			field := C.tcsync_header{name: C.CString(name), value: C.CString(value)}
			defer func() { C.free(unsafe.Pointer(field.name)); C.free(unsafe.Pointer(field.value)) }()
			field.name_size, field.value_size = C.size_t(len(name)), C.size_t(len(value))
			fields = append(fields, field)
		}
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	head := C.tcsync_request{struct_size: C.sizeof_tcsync_request, header_count: C.size_t(len(fields))}
	head.method, head.method_size = C.CString(r.Method), C.size_t(len(r.Method))
	head.target, head.target_size = C.CString(r.RequestURI), C.size_t(len(r.RequestURI))
	head.peer_address, head.peer_address_size = C.CString(address), C.size_t(len(address))
	head.headers = (*C.tcsync_header)(C.calloc(head.header_count+1, C.sizeof_tcsync_header))
	copy(unsafe.Slice(head.headers, len(fields)), fields)
	defer C.free(unsafe.Pointer(head.method))
	defer C.free(unsafe.Pointer(head.target))
	defer C.free(unsafe.Pointer(head.peer_address))
	defer C.free(unsafe.Pointer(head.headers))
	var failure *C.tcsync_error
	check(C.tcsync_engine_begin(s.engine, &head, pending, answer, &failure), &failure, log.Panic)
}

// Whether the whole body was received: an answer may come before.
func receive(r *http.Request, pending *C.tcsync_pending, answer **C.tcsync_response) bool {
	var failure *C.tcsync_error
	for buffer := make([]byte, 64<<10); *answer == nil; {
		size, err := r.Body.Read(buffer)
		piece := (*C.char)(unsafe.Pointer(&buffer[0]))
		check(C.tcsync_pending_append(pending, piece, C.size_t(size), answer, &failure), &failure, log.Panic)
		if err == io.EOF && *answer == nil {
			check(C.tcsync_pending_finish(pending, answer, &failure), &failure, log.Panic)
			return true
		} else if err != nil && err != io.EOF {
			panic(http.ErrAbortHandler) // A truncated body must not be finished: it would be stored.
		}
	}
	return r.ContentLength == 0
}

func send(w http.ResponseWriter, r *http.Request, answer *C.tcsync_response) {
	var failure *C.tcsync_error
	var field C.tcsync_header
	for i := C.size_t(0); i < C.tcsync_response_header_count(answer); i++ {
		check(C.tcsync_response_header(answer, i, &field, &failure), &failure, log.Panic)
		w.Header().Add(C.GoStringN(field.name, C.int(field.name_size)), C.GoStringN(field.value, C.int(field.value_size)))
	}
	w.Header().Set("Content-Length", fmt.Sprint(C.tcsync_response_body_size(answer)))
	w.WriteHeader(int(C.tcsync_response_status(answer)))
	for piece := (*C.tcsync_bytes)(nil); r.Method != http.MethodHead; {
		check(C.tcsync_response_read(answer, &piece, &failure), &failure, log.Panic)
		data := C.GoBytes(unsafe.Pointer(C.tcsync_bytes_data(piece)), C.int(C.tcsync_bytes_size(piece)))
		C.tcsync_bytes_free(piece)
		if _, err := w.Write(data); len(data) == 0 || err != nil {
			return
		}
	}
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.open.RLock()
	defer s.open.RUnlock()
	var pending *C.tcsync_pending
	var answer *C.tcsync_response
	defer func() { C.tcsync_pending_free(pending); C.tcsync_response_free(answer) }()
	s.begin(r, &pending, &answer) // A panic, here or below, makes net/http close the connection.
	if !receive(r, pending, &answer) {
		w.Header().Set("Connection", "close") // Otherwise net/http waits for more of the body before it answers.
	}
	send(w, r, answer)
	w.(http.Flusher).Flush()
	io.Copy(io.Discard, r.Body) // A connection that is closed while its client still sends loses the answer.
}

func main() {
	if len(os.Args) != 3 {
		log.Fatalf("usage: %s DATA_DIR PORT", os.Args[0])
	}
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	var config *C.tcsync_config
	var failure *C.tcsync_error
	host := &server{}
	check(C.tcsync_config_new(&config, &failure), &failure, log.Fatal)
	check(C.tcsync_config_set_from_environment(config, &failure), &failure, log.Fatal)
	check(C.tcsync_config_set(config, C.CString("data-dir"), C.CString(os.Args[1]), &failure), &failure, log.Fatal)
	check(C.tcsync_config_set_log(config, C.tcsync_log_function(C.logRecord), nil, &failure), &failure, log.Fatal)
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[2]))
	if err != nil {
		log.Fatal(err)
	}
	check(C.tcsync_engine_open(config, &host.engine, &failure), &failure, log.Fatal)
	C.tcsync_config_free(config)
	web := http.Server{Handler: host, MaxHeaderBytes: 8192, ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout: 10 * time.Minute, WriteTimeout: 20 * time.Minute} // The longest body takes minutes.
	go web.Serve(listener)
	fmt.Printf("listening on http://%s\n", listener.Addr())
	<-stop.Done()
	time.AfterFunc(10*time.Second, func() { web.Close() })
	web.Shutdown(context.Background())
	host.open.Lock()
	C.tcsync_engine_free(host.engine)
}
