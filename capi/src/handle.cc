#include "capi/src/handle.h"

#if defined(TCSYNC_CHECK_HANDLES)

#include <array>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tcsync::capi {
namespace {

// Marks that do not occur in memory by accident; the type is in the low byte.
constexpr uint64_t kLiving = 0x7463'7379'6e63'1100;
constexpr uint64_t kFreed = 0x7463'7379'6e63'dd00;
constexpr uint64_t kTypeMask = 0xff;

const char* NameOf(HandleType type) {
  switch (type) {
    case HandleType::kError:
      return "tcsync_error";
    case HandleType::kBytes:
      return "tcsync_bytes";
    case HandleType::kConfig:
      return "tcsync_config";
    case HandleType::kEngine:
      return "tcsync_engine";
    case HandleType::kResponse:
      return "tcsync_response";
    case HandleType::kListener:
      return "tcsync_listener";
    case HandleType::kKey:
      return "tcsync_key";
    case HandleType::kRemote:
      return "tcsync_remote";
    case HandleType::kQueue:
      return "tcsync_queue";
    case HandleType::kPending:
      return "tcsync_pending";
    case HandleType::kLogRecord:
      return "tcsync_log_record";
    case HandleType::kReplica:
      return "tcsync_replica";
    case HandleType::kTasks:
      return "tcsync_tasks";
    case HandleType::kOperations:
      return "tcsync_operations";
  }
  return "handle";
}

// The number of freed handles whose memory is kept.
constexpr size_t kKept = 1024;

void FreeLater(void* memory) noexcept {
  static std::mutex mutex;
  static std::array<void*, kKept> kept{};
  static size_t next = 0;
  const std::lock_guard lock(mutex);
  ::operator delete(std::exchange(kept[next], memory));
  next = (next + 1) % kKept;
}

}  // namespace

std::string HandleFault(uint64_t mark, HandleType type) {
  if (mark == (kLiving | static_cast<uint64_t>(type))) return "";
  const uint64_t kind = mark & ~kTypeMask;
  if (kind != kLiving && kind != kFreed) return absl::StrCat("this is no ", NameOf(type));
  const char* const name = NameOf(static_cast<HandleType>(mark & kTypeMask));
  if (kind == kFreed) return absl::StrCat("this ", name, " was freed");
  return absl::StrCat("this is a ", name, " where a ", NameOf(type), " is needed");
}

void AbortIfFaulty(uint64_t mark, HandleType type) {
  const std::string fault = HandleFault(mark, type);
  if (fault.empty()) return;
  std::fprintf(stderr, "tcsync: %s\n", fault.c_str());
  std::abort();
}

template <HandleType type>
Handle<type>::Handle() : mark_(kLiving | static_cast<uint64_t>(type)) {}

template <HandleType type>
Handle<type>::~Handle() {
  mark_ = kFreed | static_cast<uint64_t>(type);
}

template <HandleType type>
void Handle<type>::operator delete(void* memory) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  ::operator delete(memory);  // The sanitizer keeps it, and reports more.
#else
  FreeLater(memory);
#endif
}

template class Handle<HandleType::kError>;
template class Handle<HandleType::kBytes>;
template class Handle<HandleType::kConfig>;
template class Handle<HandleType::kEngine>;
template class Handle<HandleType::kResponse>;
template class Handle<HandleType::kListener>;
template class Handle<HandleType::kKey>;
template class Handle<HandleType::kRemote>;
template class Handle<HandleType::kQueue>;
template class Handle<HandleType::kPending>;
template class Handle<HandleType::kLogRecord>;
template class Handle<HandleType::kReplica>;
template class Handle<HandleType::kTasks>;
template class Handle<HandleType::kOperations>;

}  // namespace tcsync::capi

#endif
