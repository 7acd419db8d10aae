package tcsync

// #include <stdlib.h>
// #include <string.h>
// #include <tcsync.h>
import "C"

import (
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"unsafe"
)

// The size of the pieces in which bodies pass: the library's memory for one is about that.
const pieceBytes = 64 << 10

// A request in C's memory, which must not point to Go's.
type request struct {
	request *C.tcsync_request
	owned   []unsafe.Pointer
}

func (r *request) text(text string) (*C.char, C.size_t) {
	copied := C.CString(text)
	r.owned = append(r.owned, unsafe.Pointer(copied))
	return copied, C.size_t(len(text))
}

func (r *request) zeroed(size C.size_t, count int) unsafe.Pointer {
	memory := C.calloc(C.size_t(count), size)
	if memory == nil {
		panic("tcsync: out of memory") // As C.CString does.
	}
	r.owned = append(r.owned, memory)
	return memory
}

func newRequest(method, target, peer string, header http.Header, body []byte) *request {
	r := &request{}
	r.request = (*C.tcsync_request)(r.zeroed(C.sizeof_tcsync_request, 1))
	r.request.struct_size = C.sizeof_tcsync_request
	r.request.method, r.request.method_size = r.text(method)
	r.request.target, r.request.target_size = r.text(target)
	r.request.peer_address, r.request.peer_address_size = r.text(peer)
	if len(body) > 0 {
		copied := C.CBytes(body)
		r.owned = append(r.owned, copied)
		r.request.body, r.request.body_size = (*C.char)(copied), C.size_t(len(body))
	}
	count := 0
	for _, values := range header {
		count += len(values)
	}
	fields := unsafe.Slice((*C.tcsync_header)(r.zeroed(C.sizeof_tcsync_header, count+1)), count+1)
	r.request.headers, r.request.header_count = &fields[0], C.size_t(count)
	i := 0
	for name, values := range header {
		for _, value := range values {
			fields[i].name, fields[i].name_size = r.text(name)
			fields[i].value, fields[i].value_size = r.text(value)
			i++
		}
	}
	return r
}

func (r *request) free() {
	for _, memory := range r.owned {
		C.free(memory)
	}
}

// The address of a request's source without port and zone; "" for one that has none, as on a Unix socket.
func peerOf(remoteAddr string) string {
	peer, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return ""
	}
	return peer.Addr().WithZone("").String()
}

func addHeader(answer *C.tcsync_response, header http.Header) error {
	var failure *C.tcsync_error
	var field C.tcsync_header
	for i := C.size_t(0); i < C.tcsync_response_header_count(answer); i++ {
		if err := failureOf(C.tcsync_response_header(answer, i, &field, &failure), &failure); err != nil {
			return err
		}
		header.Add(textOf(field.name, field.name_size), textOf(field.value, field.value_size))
	}
	return nil
}

// ServeHTTP answers a request of the sync protocol. Bodies pass in pieces in both directions. Give the http.Server
// ReadTimeout and WriteTimeout of some minutes: only it can end a connection that stalls. Below a path of the server,
// set the option base-path to it; http.StripPrefix has no effect, because the request's own target counts.
func (e *Engine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.open.RLock()
	defer e.open.RUnlock()
	if e.engine == nil {
		http.Error(w, "The server is stopping.", http.StatusServiceUnavailable)
		return
	}
	var pending *C.tcsync_pending
	var answer *C.tcsync_response
	defer func() { C.tcsync_pending_free(pending); C.tcsync_response_free(answer) }()
	isWhole, err := e.receive(r, &pending, &answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if !isWhole {
		w.Header().Set("Connection", "close") // Otherwise net/http waits for more of the body before it answers.
	}
	send(w, r, answer)
	if flusher, ok := w.(http.Flusher); ok {
		flusher.Flush()
	}
	io.Copy(io.Discard, r.Body) // A connection that is closed while its client still sends loses the answer.
}

// Passes the request to the engine until there is an answer. Whether the whole body was received: an answer may come
// before.
func (e *Engine) receive(r *http.Request, pending **C.tcsync_pending, answer **C.tcsync_response) (bool, error) {
	var failure *C.tcsync_error
	head := newRequest(r.Method, r.RequestURI, peerOf(r.RemoteAddr), r.Header, nil)
	err := failureOf(C.tcsync_engine_begin(e.engine, head.request, pending, answer, &failure), &failure)
	head.free()
	if err != nil {
		return false, err
	}
	for buffer := make([]byte, pieceBytes); *answer == nil; {
		size, readErr := r.Body.Read(buffer)
		piece := (*C.char)(unsafe.Pointer(&buffer[0]))
		if err := failureOf(C.tcsync_pending_append(*pending, piece, C.size_t(size), answer, &failure), &failure); err != nil {
			return false, err
		}
		if readErr == io.EOF && *answer == nil {
			return true, failureOf(C.tcsync_pending_finish(*pending, answer, &failure), &failure)
		}
		if readErr != nil && readErr != io.EOF {
			panic(http.ErrAbortHandler) // A truncated body must not be finished: it would be stored.
		}
	}
	return r.ContentLength == 0, nil
}

// A failure in the middle of a body closes the connection, by which its client notices it.
func send(w http.ResponseWriter, r *http.Request, answer *C.tcsync_response) {
	if err := addHeader(answer, w.Header()); err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Length", strconv.FormatInt(int64(C.tcsync_response_body_size(answer)), 10))
	w.WriteHeader(int(C.tcsync_response_status(answer)))
	if r.Method == http.MethodHead {
		return
	}
	for {
		var bytes *C.tcsync_bytes
		var failure *C.tcsync_error
		if err := failureOf(C.tcsync_response_read(answer, &bytes, &failure), &failure); err != nil {
			panic(http.ErrAbortHandler)
		}
		piece := taken(bytes)
		if len(piece) == 0 {
			return
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}
