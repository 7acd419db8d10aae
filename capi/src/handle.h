// The base of the C ABI's handles. In builds with assertions, as those of the presets dev, asan and
// tsan are, a freed handle, or one of another type, is recognised; in others this only checks for
// NULL.
#ifndef TCSYNC_CAPI_SRC_HANDLE_H_
#define TCSYNC_CAPI_SRC_HANDLE_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "capi/src/guard.h"

#if !defined(TCSYNC_CHECK_HANDLES) && !defined(NDEBUG)
#define TCSYNC_CHECK_HANDLES
#endif

namespace tcsync::capi {

enum class HandleType : uint64_t {
  kError = 1,
  kBytes,
  kConfig,
  kEngine,
  kResponse,
  kListener,
  kKey,
  kRemote,
  kQueue,
  kPending,
  kLogRecord,
  kReplica,
  kTasks,
  kOperations,
};

#if defined(TCSYNC_CHECK_HANDLES)

// The reason why a handle is unusable; empty when it is usable. `mark` is its first word.
std::string HandleFault(uint64_t mark, HandleType type);

// For functions that cannot fail: reports the fault on standard error, and aborts.
void AbortIfFaulty(uint64_t mark, HandleType type);

// The first base of each handle.
template <HandleType type>
class Handle {
 public:
  static constexpr HandleType kType = type;

  Handle();
  Handle(Handle&&) = delete;
  ~Handle();
  // Memory of freed handles is kept for a while, so that their marks stay.
  static void operator delete(void* memory) noexcept;

  uint64_t mark() const { return mark_; }

 private:
  // Volatile: compilers otherwise omit the last write of an object's life.
  volatile uint64_t mark_;
};

#else

template <HandleType type>
class Handle {
 public:
  static constexpr HandleType kType = type;
};

#endif

// For a function that needs `handle`: whether the caller's handle is usable.
template <typename T>
Result Needed(const T* handle, absl::string_view name) {
  [[maybe_unused]] constexpr HandleType type = T::kType;
  if (handle == nullptr) return NullArgument(name);
#if defined(TCSYNC_CHECK_HANDLES)
  if (std::string fault = HandleFault(handle->mark(), type); !fault.empty()) {
    return {TCSYNC_INVALID_ARGUMENT, fault};
  }
#endif
  return {};
}

// For a function that cannot fail, and accepts NULL. Returns `handle`.
template <typename T>
T* Checked(T* handle) noexcept {
#if defined(TCSYNC_CHECK_HANDLES)
  if (handle != nullptr) AbortIfFaulty(handle->mark(), T::kType);
#endif
  return handle;
}

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_HANDLE_H_
