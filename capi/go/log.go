package tcsync

// #include <tcsync.h>
import "C"

import (
	"sync"
	"sync/atomic"
	"unsafe"
)

// A Level is the severity of a log record.
type Level int

// The levels, the least severe first.
const (
	Debug   Level = C.TCSYNC_LOG_DEBUG
	Info    Level = C.TCSYNC_LOG_INFO
	Warning Level = C.TCSYNC_LOG_WARNING
	Fault   Level = C.TCSYNC_LOG_ERROR
)

// A Record is one record of the log, without secrets and with pseudonyms for client IDs.
type Record struct {
	Level Level
	// The whole record as one line, fields and message.
	Text    string
	Message string
	Fields  []Field
}

// A Field is one fact of a record, such as "status" and "429".
type Field struct {
	Name, Value string
}

// The functions of the open engines, by a number that C passes back: Go's memory must not be in C's.
var (
	logs      sync.Map
	lastLogID atomic.Uintptr
)

func addLog(function func(Record)) uintptr {
	id := lastLogID.Add(1)
	logs.Store(id, function)
	return id
}

func removeLog(id uintptr) {
	logs.Delete(id)
}

//export tcsyncGoLog
func tcsyncGoLog(user unsafe.Pointer, record *C.tcsync_log_record) {
	function, ok := logs.Load(uintptr(user))
	if !ok {
		return // A call that the library has given up, and that begins after the engine's end.
	}
	taken := Record{
		Level:   Level(C.tcsync_log_record_level(record)),
		Text:    C.GoString(C.tcsync_log_record_text(record)),
		Message: C.GoString(C.tcsync_log_record_message(record)),
	}
	for i := C.size_t(0); i < C.tcsync_log_record_field_count(record); i++ {
		var field C.tcsync_header
		if C.tcsync_log_record_field(record, i, &field, nil) == C.TCSYNC_OK {
			taken.Fields = append(taken.Fields, Field{textOf(field.name, field.name_size), textOf(field.value, field.value_size)})
		}
	}
	function.(func(Record))(taken)
}
