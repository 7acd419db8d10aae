// A forked process has the memory of its parent's engines, listeners and queues, but not the
// threads that do their work. Every call on them would wait for those for ever, and so it is
// refused.
#ifndef TCSYNC_CAPI_SRC_PROCESS_H_
#define TCSYNC_CAPI_SRC_PROCESS_H_

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/process_mark.h"
#include "capi/src/guard.h"
#include "tcsync.h"

namespace tcsync::capi {

// `opener` is the process that opened the handle, and `handle` names it: "engine", "listener".
inline Result CheckProcess(const base::ProcessMark& opener, absl::string_view handle) {
  if (!opener.IsOfAnotherProcess()) return {};
  return {TCSYNC_FORKED,
          absl::StrCat(
              "the ", handle,
              " was opened before this process was forked, and belongs to the process that opened "
              "it; fork first, and open it in the process that uses it")};
}

// Call it before anything is opened over RocksDB, whose threads are one set for all databases of a
// process, and stay when a database is closed: a child of a process with such threads would wait
// for them with a database of its own as well.
Result CheckOpening();

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_PROCESS_H_
