#include "capi/src/process.h"

#include <atomic>

namespace tcsync::capi {
namespace {

// The process of the first opening; never freed.
std::atomic<const base::ProcessMark*> first_opener = nullptr;

}  // namespace

Result CheckOpening() {
  const base::ProcessMark* opener = first_opener.load();
  if (opener == nullptr) {
    const auto* const mark = new base::ProcessMark(base::ProcessMark::Current());
    if (first_opener.compare_exchange_strong(opener, mark)) return {};
    delete mark;
  }
  if (!opener->IsOfAnotherProcess()) return {};
  return {
      TCSYNC_FORKED,
      "an engine was opened before this process was forked, also if it is closed by now, and the "
      "threads of the database are only in the process that opened it; fork before the first "
      "opening, or start this process anew (exec)"};
}

}  // namespace tcsync::capi
