// Memory that one asynchronous operation reuses each time it is started.
//
// Asio keeps one freed block per thread for the next operation. With many connections, and a timer
// in between, that block is often in use, and a request would then cost an allocation.
#ifndef TCSYNC_BENCH_LOAD_HANDLER_MEMORY_H_
#define TCSYNC_BENCH_LOAD_HANDLER_MEMORY_H_

#include <cstddef>
#include <new>
#include <utility>

namespace tcsync::load {

// One block, for one operation at a time; a second one, or a larger, gets ordinary memory. Must
// outlive the operations. Thread-compatible.
class HandlerMemory {
 public:
  HandlerMemory() = default;
  HandlerMemory(const HandlerMemory&) = delete;
  HandlerMemory& operator=(const HandlerMemory&) = delete;

  void* Allocate(size_t bytes) {
    if (used_ || bytes > kBytes) return ::operator new(bytes);
    used_ = true;
    return block_;
  }

  void Free(void* memory) {
    if (memory == block_) {
      used_ = false;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  static constexpr size_t kBytes = 512;  // Asio's operations are some 100 to 200 bytes

  alignas(std::max_align_t) std::byte block_[kBytes];
  bool used_ = false;
};

// HandlerMemory in the form in which Asio asks a handler for it.
template <typename T>
class HandlerAllocator {
 public:
  using value_type = T;

  explicit HandlerAllocator(HandlerMemory* memory) : memory_(memory) {}
  template <typename U>
  HandlerAllocator(const HandlerAllocator<U>& other)  // NOLINT(google-explicit-constructor)
      : memory_(other.memory()) {}

  T* allocate(size_t count) { return static_cast<T*>(memory_->Allocate(count * sizeof(T))); }
  void deallocate(T* memory, size_t) { memory_->Free(memory); }

  HandlerMemory* memory() const { return memory_; }

  friend bool operator==(const HandlerAllocator& a, const HandlerAllocator& b) {
    return a.memory_ == b.memory_;
  }

 private:
  HandlerMemory* memory_;
};

// A completion handler that calls `function`, and whose operation lives in `memory`.
template <typename Function>
class HandlerWithMemory {
 public:
  using allocator_type = HandlerAllocator<char>;

  HandlerWithMemory(HandlerMemory* memory, Function function)
      : memory_(memory), function_(std::move(function)) {}

  allocator_type get_allocator() const noexcept { return allocator_type(memory_); }

  template <typename... Arguments>
  void operator()(Arguments&&... arguments) {
    function_(std::forward<Arguments>(arguments)...);
  }

 private:
  HandlerMemory* memory_;
  Function function_;
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_HANDLER_MEMORY_H_
