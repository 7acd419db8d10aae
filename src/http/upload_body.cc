#include "http/upload_body.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/limits.h"
#include "http/body_memory.h"

namespace tcsync::http {
namespace {

// The first size of a body's memory, which then doubles.
constexpr uint64_t kFirstReservationBytes = 4 * 1024;
// The number of bytes that are decoded at a time.
constexpr uint64_t kDecodedAtOnceBytes = 64 * 1024;

// The memory of a large body: the piece that is being filled, the one on its way to the disk with
// its copy in the batch of writes, and further received bytes.
constexpr uint64_t kWindowBytes = 3 * base::kPieceBytesMax + base::kReadBufferBytes;

}  // namespace

UploadBody::UploadBody(Options options, std::shared_ptr<TransferShares> shares)
    : options_(std::move(options)),
      shares_(std::move(shares)),
      decoder_(options_.coding),
      charge_(shares_->SmallFor(options_.source)) {}

BodyResult UploadBody::Begin() {
  const bool is_large =
      options_.coding == ContentCoding::kIdentity && options_.declared_bytes > base::kPieceBytesMax;
  std::unique_lock lock(mutex_);
  if (is_large) BeginUpload(lock, options_.declared_bytes);
  return result_;
}

BodyResult UploadBody::Append(absl::string_view bytes) {
  std::unique_lock lock(mutex_);
  if (result_ != BodyResult::kOk) return result_;
  if (input().empty()) {
    fresh_input_ = bytes;
  } else {
    input_.append(bytes.data(), bytes.size());
  }
  Pump(lock);
  if (!fresh_input_.empty()) {
    input_.assign(fresh_input_.data(), fresh_input_.size());
    input_used_ = 0;
    fresh_input_ = {};
  }
  // Only a caller that does not pause exceeds the window's room.
  if (result_ == BodyResult::kOk && input_.size() > base::kReadBufferBytes &&
      !charge_.TryResize(kWindowBytes + input_.size())) {
    Stop(BodyResult::kNoMemory);
  }
  return result_;
}

bool UploadBody::PauseUntil(absl::AnyInvocable<void()> resume) {
  std::unique_lock lock(mutex_);
  Pump(lock);
  if (result_ != BodyResult::kOk || !has_input() || !waits_for_storage()) return false;
  resume_ = std::move(resume);
  return true;
}

void UploadBody::Finish(FinishCallback done) {
  std::unique_lock lock(mutex_);
  finish_ = std::move(done);
  Pump(lock);
  FinishIfDone(lock);
}

void UploadBody::Abandon() {
  std::unique_ptr<Upload> upload;  // destroyed after the mutex is free again
  const std::lock_guard lock(mutex_);
  is_abandoned_ = true;
  resume_ = nullptr;
  finish_ = nullptr;
  if (!is_adding_) upload = std::move(upload_);
}

absl::StatusOr<UploadOutcome> UploadBody::TakeRefusal() {
  const std::lock_guard lock(mutex_);
  if (refusal_) return *std::exchange(refusal_, std::nullopt);
  return absl::CancelledError("there is no room for more");
}

uint64_t UploadBody::bytes_max() {
  const std::lock_guard lock(mutex_);
  return options_.bytes_max;
}

void UploadBody::Pump(std::unique_lock<std::mutex>& lock) {
  if (is_pumping_) {
    pump_again_ = true;
    return;
  }
  is_pumping_ = true;
  do {
    pump_again_ = false;
    while (Step(lock)) {
    }
  } while (pump_again_);
  is_pumping_ = false;
}

bool UploadBody::Step(std::unique_lock<std::mutex>& lock) {
  if (result_ != BodyResult::kOk || is_abandoned_) return false;
  if (phase_ == Phase::kDropping) {
    if (const BodyResult dropped = DropInput(); dropped != BodyResult::kOk) Stop(dropped);
    return false;
  }
  if (has_input() && piece_.size() < base::kPieceBytesMax) {
    if (const BodyResult filled = FillPiece(); filled != BodyResult::kOk) {
      Stop(filled);
      return false;
    }
    return true;
  }
  const bool is_full = has_input();  // of the piece: more input follows
  switch (phase_) {
    case Phase::kCollecting:
      if (!is_full) return false;
      BeginUpload(lock, std::max(options_.declared_bytes, bytes_));
      return true;
    case Phase::kBeginning:
    case Phase::kDropping:
      return false;
    case Phase::kUploading:
      break;
  }
  const bool is_last = finish_ != nullptr && !is_full && !piece_.empty() && decoder_.is_complete();
  if (is_adding_ || !(is_full || is_last)) return false;
  if (!options_.has_room()) {
    Stop(BodyResult::kStopped);
    return false;
  }
  if (upload_->is_in_memory() &&
      !charge_.TryResize(kWindowBytes + upload_->bytes() + piece_.size())) {
    Stop(BodyResult::kNoMemory);
    return false;
  }
  SendPiece(lock);
  return true;
}

BodyResult UploadBody::FillPiece() {
  // Decoded straight into the piece, which has the memory for the input's output.
  absl::string_view from = input();
  const size_t before = from.size();
  // While a body may still be a small one, it takes no more memory than it may have.
  const uint64_t limit = phase_ == Phase::kCollecting
                             ? std::min<uint64_t>(base::kPieceBytesMax, options_.bytes_max + 1)
                             : base::kPieceBytesMax;
  const uint64_t step = decoder_.has_more() || options_.coding != ContentCoding::kIdentity
                            ? std::min<uint64_t>(limit, piece_.size() + kDecodedAtOnceBytes)
                            : std::min<uint64_t>(limit, piece_.size() + before);
  if (const BodyResult grown = GrowPiece(step - piece_.size()); grown != BodyResult::kOk) {
    return grown;
  }
  const size_t filled = piece_.size();
  const BodyResult decoded = decoder_.Decode(from, step, piece_);
  if (fresh_input_.empty()) {
    input_used_ += before - from.size();
    if (input_used_ == input_.size()) {
      input_.clear();
      input_used_ = 0;
    }
  } else {
    fresh_input_ = from;
  }
  bytes_ += piece_.size() - filled;
  if (decoded != BodyResult::kOk) return decoded;
  return bytes_ > options_.bytes_max ? BodyResult::kTooLarge : BodyResult::kOk;
}

// An unwanted body is not decoded: a few bytes could be much work.
BodyResult UploadBody::DropInput() {
  bytes_ += input().size();
  input_.clear();
  input_used_ = 0;
  fresh_input_ = {};
  piece_.clear();
  return bytes_ > options_.bytes_max ? BodyResult::kTooLarge : BodyResult::kOk;
}

BodyResult UploadBody::GrowPiece(uint64_t more) {
  const uint64_t needed = piece_.size() + more;
  if (phase_ != Phase::kCollecting) {
    if (needed > piece_.capacity()) MoveToCapacity(piece_, base::kPieceBytesMax);
    return BodyResult::kOk;
  }
  const bool is_identity = options_.coding == ContentCoding::kIdentity;
  const BodyGrowth growth{.first_bytes = kFirstReservationBytes,
                          .declared_bytes = is_identity ? options_.declared_bytes : 0,
                          .bytes_max = std::min<uint64_t>(base::kPieceBytesMax, options_.bytes_max),
                          .beside_bytes = BodyDecoder::MemoryBytes(options_.coding)};
  return GrowBody(piece_, needed, growth, charge_) ? BodyResult::kOk : BodyResult::kNoMemory;
}

void UploadBody::BeginUpload(std::unique_lock<std::mutex>& lock, uint64_t announced_bytes) {
  place_ = shares_->TryBegin(options_.client_id);
  ByteCharge window(shares_->LargeFor(options_.source));
  if (!place_ || !window.TryResize(kWindowBytes + BodyDecoder::MemoryBytes(options_.coding))) {
    return Stop(BodyResult::kNoMemory);
  }
  charge_ = std::move(window);
  phase_ = Phase::kBeginning;
  auto begin = std::move(options_.begin);
  lock.unlock();
  begin(announced_bytes, [self = shared_from_this()](absl::StatusOr<UploadOutcome> outcome) {
    self->OnBegun(std::move(outcome));
  });
  lock.lock();
}

void UploadBody::OnBegun(absl::StatusOr<UploadOutcome> outcome) {
  std::unique_ptr<Upload> unused;  // destroyed after the mutex is free again
  std::unique_lock lock(mutex_);
  auto* const upload = outcome.ok() ? std::get_if<std::unique_ptr<Upload>>(&*outcome) : nullptr;
  if (upload != nullptr) {
    if (is_abandoned_) {
      unused = std::move(*upload);
      lock.unlock();
      return;
    }
    upload_ = std::move(*upload);
    phase_ = Phase::kUploading;
    if (upload_->is_in_memory()) {
      // As a whole it may need more than an address' part, but never more than the part of all
      // large bodies together.
      ByteCharge charge(shares_->large());
      if (!charge.TryResize(kWindowBytes)) Stop(BodyResult::kNoMemory);
      charge_ = std::move(charge);
      const uint64_t all = shares_->large()->bytes_max();
      options_.bytes_max =
          std::min(options_.bytes_max, all > kWindowBytes ? all - kWindowBytes : 0);
    }
  } else if (outcome.ok() && std::holds_alternative<NotWanted>(*outcome)) {
    // A replica would take a refusal for a failure of its sync.
    phase_ = Phase::kDropping;
  } else {
    refusal_ = std::move(outcome);
    Stop(BodyResult::kStopped);
  }
  Proceed(lock);
}

void UploadBody::SendPiece(std::unique_lock<std::mutex>& lock) {
  is_adding_ = true;
  std::string piece = std::exchange(piece_, std::string());
  Upload* const upload = upload_.get();
  lock.unlock();
  upload->Add(std::move(piece),
              [self = shared_from_this()](const absl::Status& status) { self->OnAdded(status); });
  lock.lock();
}

void UploadBody::OnAdded(const absl::Status& status) {
  std::unique_ptr<Upload> unused;  // destroyed after the mutex is free again
  std::unique_lock lock(mutex_);
  is_adding_ = false;
  if (is_abandoned_) {
    unused = std::move(upload_);
    lock.unlock();
    return;
  }
  if (!status.ok()) {
    refusal_ = status;
    Stop(BodyResult::kStopped);
  }
  Proceed(lock);
}

void UploadBody::Proceed(std::unique_lock<std::mutex>& lock) {
  if (finish_ != nullptr) {
    Pump(lock);
    return FinishIfDone(lock);
  }
  // The rest of the input is for the caller's thread: PauseUntil and Append continue with it.
  if (resume_ == nullptr) {
    if (is_pumping_) pump_again_ = true;
    return;
  }
  absl::AnyInvocable<void()> resume = std::exchange(resume_, nullptr);
  lock.unlock();
  resume();
  lock.lock();
}

void UploadBody::Stop(BodyResult result) {
  result_ = result;
  std::string().swap(input_);
  std::string().swap(piece_);
  input_used_ = 0;
  fresh_input_ = {};
}

void UploadBody::FinishIfDone(std::unique_lock<std::mutex>& lock) {
  if (finish_ == nullptr || is_pumping_) return;
  Received received;
  if (result_ == BodyResult::kOk) {
    if (has_input() || waits_for_storage()) return;
    if (phase_ != Phase::kDropping && !decoder_.is_complete()) Stop(BodyResult::kMalformed);
  }
  // An upload may still be taking a piece.
  if (is_adding_) return;
  received.result = result_;
  if (result_ == BodyResult::kOk) {
    if (phase_ == Phase::kUploading) {
      received.bytes = std::move(upload_);
    } else if (phase_ == Phase::kDropping && bytes_ > 0) {
      received.result = BodyResult::kStopped;
      refusal_ = UploadOutcome(NotWanted{});
    } else {
      received.bytes = std::move(piece_);
    }
    received.charge = std::move(charge_);
    received.place = std::move(place_);
  }
  FinishCallback finish = std::exchange(finish_, nullptr);
  lock.unlock();
  finish(std::move(received));
  lock.lock();
}

}  // namespace tcsync::http
