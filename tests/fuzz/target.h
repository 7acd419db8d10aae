// Common parts of the fuzz targets. A target is one function over arbitrary bytes that ends the
// process when a promise is broken; clang's libFuzzer calls it with inputs that it invents
// (TCSYNC_FUZZ), and replay.cc with the inputs of corpus/, which every build does.
#ifndef TCSYNC_TESTS_FUZZ_TARGET_H_
#define TCSYNC_TESTS_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "absl/strings/string_view.h"

// The name is libFuzzer's. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace tcsync::fuzz {

// Ends the process, and prints the promise, when it does not hold.
inline void Expect(bool holds, absl::string_view promise) {
  if (holds) return;
  std::cerr << "broken promise: " << promise << '\n';
  std::abort();
}

// Takes an input apart from its front. Borrows the bytes.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  absl::string_view rest() const { return rest_; }

  // 0 when there is none.
  uint8_t TakeByte() {
    const absl::string_view byte = Take(1);
    return byte.empty() ? 0 : static_cast<uint8_t>(byte.front());
  }

  // Fewer bytes when there are fewer.
  absl::string_view Take(size_t bytes) {
    const absl::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  // The text before the next `end`, which is taken too.
  absl::string_view TakeUntil(absl::string_view end) {
    const size_t position = rest_.find(end);
    const absl::string_view taken = rest_.substr(0, position);
    rest_.remove_prefix(position == absl::string_view::npos ? rest_.size() : position + end.size());
    return taken;
  }

 private:
  absl::string_view rest_;
};

}  // namespace tcsync::fuzz

#endif  // TCSYNC_TESTS_FUZZ_TARGET_H_
