// The memory budget of bodies: a bound, and the charges against it.
#ifndef TCSYNC_SRC_HTTP_BYTE_BUDGET_H_
#define TCSYNC_SRC_HTTP_BYTE_BUDGET_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace tcsync::http {

// A bound on the bytes of all bodies in memory at one time. Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  // A part of another budget: bytes taken from it are taken from `parent` as well.
  ByteBudget(uint64_t bytes_max, std::shared_ptr<ByteBudget> parent)
      : bytes_max_(bytes_max), parent_(std::move(parent)) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  // Takes `bytes` from the budget; false, and nothing is taken, if they are not available.
  bool TryTake(uint64_t bytes);
  void GiveBack(uint64_t bytes);

  uint64_t bytes_max() const { return bytes_max_; }
  uint64_t bytes_taken() const { return bytes_taken_.load(std::memory_order_relaxed); }

 private:
  const uint64_t bytes_max_;
  const std::shared_ptr<ByteBudget> parent_;  // null: not a part
  std::atomic<uint64_t> bytes_taken_{0};
};

// Bytes taken from a budget, given back when this is destroyed. Move-only; thread-compatible.
class ByteCharge {
 public:
  ByteCharge() = default;
  explicit ByteCharge(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
  ByteCharge(ByteCharge&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteCharge& operator=(ByteCharge&& other) noexcept;
  ~ByteCharge();

  // Changes the charge to `bytes` in all; false, and nothing changes, if the budget lacks them.
  bool TryResize(uint64_t bytes);

  // Gives everything back.
  void Release() { TryResize(0); }

 private:
  std::shared_ptr<ByteBudget> budget_;
  uint64_t bytes_ = 0;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_BYTE_BUDGET_H_
