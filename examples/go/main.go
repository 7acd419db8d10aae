// A sync server inside a Go program: net/http takes the requests, tcsync answers them. docs/c-abi.md has the rest.
//
// Build: CGO_CFLAGS="$(pkg-config --cflags tcsync)" CGO_LDFLAGS="$(pkg-config --libs tcsync)" go build
// Run: tcsync-embed DATA_DIR PORT; port 0 is any free one. Other options come from the environment (docs/options.md).
package main

// #cgo LDFLAGS: -ltcsync
// #include <tcsync.h>
// void logMessage(void *, int, char *, size_t);
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const stall, bytesPerSecond = 30 * time.Second, 2048 // the longest pause and the least rate of a body

type server struct {
	engine *C.tcsync_engine
	open   sync.RWMutex // Requests have it for reading; the end of the engine has it for writing, for good.
}

//export logMessage
func logMessage(user unsafe.Pointer, level C.int, message *C.char, size C.size_t) {
	log.Print(C.GoString(message))
}

// Takes the error's address: Go may read a variable before it makes the call that is the argument beside it.
func check(code C.tcsync_code, failure **C.tcsync_error) error {
	if code == C.TCSYNC_OK {
		return nil
	}
	defer C.tcsync_error_free(*failure)
	return errors.New(C.GoString(C.tcsync_error_message(*failure)))
}

func (s *server) begin(r *http.Request, pending **C.tcsync_pending, answer **C.tcsync_response) error {
	var pinner runtime.Pinner // C may follow pointers in Go's memory only to what is pinned.
	defer pinner.Unpin()
	text := func(value string) (*C.char, C.size_t) {
		if value == "" {
			return nil, 0
		}
		pinner.Pin(unsafe.StringData(value))
		return (*C.char)(unsafe.Pointer(unsafe.StringData(value))), C.size_t(len(value))
	}
	var fields []C.tcsync_header
	r.Header["Host"] = []string{r.Host} // net/http keeps it apart from the others.
	for name, values := range r.Header {
		for _, value := range values {
			var field C.tcsync_header
			field.name, field.name_size = text(name)
			field.value, field.value_size = text(value)
			fields = append(fields, field)
		}
	}
	pinner.Pin(&fields[0])
	head := C.tcsync_request{struct_size: C.sizeof_tcsync_request}
	head.headers, head.header_count = &fields[0], C.size_t(len(fields))
	head.method, head.method_size = text(r.Method)
	head.target, head.target_size = text(r.RequestURI)
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		head.peer_address, head.peer_address_size = text(peer.Addr().Unmap().WithZone("").String())
	}
	var failure *C.tcsync_error
	return check(C.tcsync_engine_begin(s.engine, &head, pending, answer, &failure), &failure)
}

// A body that broke off is an error, and is not finished: it would be stored.
func receive(r *http.Request, c *http.ResponseController, p *C.tcsync_pending, answer **C.tcsync_response) (err error) {
	var failure *C.tcsync_error
	buffer, start, received := make([]byte, 64<<10), time.Now(), 0
	for err == nil && *answer == nil {
		spare := stall + time.Duration(received)*time.Second/bytesPerSecond - time.Since(start)
		c.SetReadDeadline(time.Now().Add(min(stall, spare)))
		size, end := r.Body.Read(buffer)
		received += size
		piece := (*C.char)(unsafe.Pointer(&buffer[0]))
		err = check(C.tcsync_pending_append(p, piece, C.size_t(size), answer, &failure), &failure)
		if err == nil && *answer == nil && end == io.EOF {
			err = check(C.tcsync_pending_finish(p, answer, &failure), &failure)
		} else if err == nil && end != io.EOF {
			err = end
		}
	}
	return err
}

func send(w http.ResponseWriter, c *http.ResponseController, method string, answer *C.tcsync_response) (err error) {
	var failure *C.tcsync_error
	var field C.tcsync_header
	w.Header()["Content-Type"] = nil // net/http would guess one.
	for i := C.size_t(0); C.tcsync_response_header(answer, i, &field, nil) == C.TCSYNC_OK; i++ {
		name, value := C.GoStringN(field.name, C.int(field.name_size)), C.GoStringN(field.value, C.int(field.value_size))
		w.Header().Add(name, value)
	}
	w.Header().Set("Content-Length", strconv.FormatInt(int64(C.tcsync_response_body_size(answer)), 10))
	w.WriteHeader(int(C.tcsync_response_status(answer)))
	for piece := (*C.tcsync_bytes)(nil); err == nil && method != http.MethodHead; C.tcsync_bytes_free(piece) {
		err = check(C.tcsync_response_read(answer, &piece, &failure), &failure)
		if err != nil || piece == nil {
			break
		}
		data := unsafe.Slice((*byte)(unsafe.Pointer(C.tcsync_bytes_data(piece))), C.tcsync_bytes_size(piece))
		c.SetWriteDeadline(time.Now().Add(stall + time.Duration(len(data))*time.Second/bytesPerSecond))
		_, err = w.Write(data)
	}
	return errors.Join(err, c.Flush())
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var pending *C.tcsync_pending
	var answer *C.tcsync_response
	if !s.open.TryRLock() {
		panic(http.ErrAbortHandler) // closes the connection
	}
	defer s.open.RUnlock()
	defer func() { C.tcsync_pending_free(pending); C.tcsync_response_free(answer) }()
	c := http.NewResponseController(w)
	c.EnableFullDuplex() // so that an early answer does not wait for the rest of the body
	err := s.begin(r, &pending, &answer)
	if err == nil && answer == nil {
		err = receive(r, c, pending, &answer)
	}
	if err == nil {
		err = send(w, c, r.Method, answer)
	}
	if err != nil {
		log.Print(r.RemoteAddr, ": ", err)
		panic(http.ErrAbortHandler)
	}
	// A connection that is closed while its client still sends loses the answer.
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	io.Copy(io.Discard, r.Body)
}

func exitOn(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	if len(os.Args) != 3 {
		log.Fatalf("usage: %s DATA_DIR PORT", os.Args[0])
	}
	stop, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	var config *C.tcsync_config
	var failure *C.tcsync_error
	host := &server{}
	exitOn(check(C.tcsync_config_new(&config, &failure), &failure))
	exitOn(check(C.tcsync_config_set_from_environment(config, &failure), &failure))
	exitOn(check(C.tcsync_config_set(config, C.CString("data-dir"), C.CString(os.Args[1]), &failure), &failure))
	exitOn(check(C.tcsync_config_set_log(config, C.tcsync_log_function(C.logMessage), nil, &failure), &failure))
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[2]))
	exitOn(err)
	exitOn(check(C.tcsync_engine_open(config, &host.engine, &failure), &failure))
	C.tcsync_config_free(config)
	web := http.Server{Handler: host, DisableGeneralOptionsHandler: true, MaxHeaderBytes: 8192,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 75 * time.Second}
	go web.Serve(listener)
	fmt.Printf("listening on http://%s\n", listener.Addr())
	<-stop.Done()
	limit, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if web.Shutdown(limit) != nil {
		web.Close()
	}
	host.open.Lock()
	C.tcsync_engine_free(host.engine)
}
