#include "http/byte_budget.h"

namespace tcsync::http {

bool ByteBudget::TryTake(uint64_t bytes) {
  uint64_t taken = bytes_taken_.load(std::memory_order_relaxed);
  do {
    if (bytes > bytes_max_ || taken > bytes_max_ - bytes) return false;
  } while (!bytes_taken_.compare_exchange_weak(taken, taken + bytes, std::memory_order_relaxed));
  if (parent_ == nullptr || parent_->TryTake(bytes)) return true;
  bytes_taken_.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

void ByteBudget::GiveBack(uint64_t bytes) {
  bytes_taken_.fetch_sub(bytes, std::memory_order_relaxed);
  if (parent_ != nullptr) parent_->GiveBack(bytes);
}

ByteCharge& ByteCharge::operator=(ByteCharge&& other) noexcept {
  std::swap(budget_, other.budget_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

ByteCharge::~ByteCharge() {
  if (bytes_ > 0) budget_->GiveBack(bytes_);
}

bool ByteCharge::TryResize(uint64_t bytes) {
  if (bytes > bytes_) {
    if (!budget_->TryTake(bytes - bytes_)) return false;
  } else if (bytes < bytes_) {
    budget_->GiveBack(bytes_ - bytes);
  }
  bytes_ = bytes;
  return true;
}

}  // namespace tcsync::http
