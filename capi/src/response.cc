// Reading an answer.
#include "capi/src/response.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "capi/src/bytes.h"
#include "capi/src/delivery.h"
#include "capi/src/engine.h"
#include "capi/src/guard.h"
#include "capi/src/process.h"
#include "capi/src/queue.h"

namespace tcsync::capi {
namespace {

// The size of the pieces of a body in memory; a stored one comes in pieces of the same size.
constexpr size_t kPieceBytes = size_t{128} * 1024;

using PieceDelivery = Delivery<tcsync_bytes>;

// Owes one piece, and delivers TCSYNC_OUT_OF_MEMORY when it is destroyed first.
class OwedPiece {
 public:
  OwedPiece(std::unique_ptr<PieceDelivery> delivery,
            std::shared_ptr<BodyProgress> progress) noexcept
      : delivery_(std::move(delivery)), progress_(std::move(progress)) {}
  OwedPiece(const OwedPiece&) = delete;
  OwedPiece& operator=(const OwedPiece&) = delete;
  ~OwedPiece() {
    if (delivery_ != nullptr) DeliverOnce(TCSYNC_OUT_OF_MEMORY, nullptr);
  }

  void Give(const http::BodySource::Piece& piece) noexcept {
    if (!piece.ok()) return DeliverOnce(TCSYNC_RESPONSE_INCOMPLETE, nullptr);
    try {
      auto bytes = std::make_unique<tcsync_bytes>(*piece);
      progress_->bytes += piece->size();
      DeliverOnce(TCSYNC_OK, std::move(bytes));
    } catch (...) {
      DeliverOnce(TCSYNC_OUT_OF_MEMORY, nullptr);
    }
  }

 private:
  void DeliverOnce(tcsync_code code, std::unique_ptr<tcsync_bytes> bytes) noexcept {
    progress_->is_broken = code != TCSYNC_OK;
    // First: the host may ask for the next piece as soon as it has this one.
    progress_->is_reading.store(false, std::memory_order_release);
    const std::unique_ptr<PieceDelivery> delivery = std::move(delivery_);
    delivery->Deliver(code, std::move(bytes), /*is_here=*/false);
  }

  std::unique_ptr<PieceDelivery> delivery_;
  std::shared_ptr<BodyProgress> progress_;
};

void ReadHere(tcsync_response& response, PieceDelivery& delivery) {
  const absl::string_view rest =
      absl::string_view(response.response.body).substr(response.progress->bytes);
  std::unique_ptr<tcsync_bytes> bytes;
  if (!rest.empty()) bytes = std::make_unique<tcsync_bytes>(rest.substr(0, kPieceBytes));
  response.progress->bytes += std::min(rest.size(), kPieceBytes);
  delivery.Deliver(TCSYNC_OK, std::move(bytes), /*is_here=*/true);
}

// A body that comes in pieces comes from the engine, and so in one process only.
Result CheckProcessOf(const tcsync_response& response) {
  return response.core == nullptr ? Result() : CheckProcess(response.core->opener(), "engine");
}

// Has the next piece delivered, or fails and delivers nothing. Sets `use` to the use of the engine
// through which a body in pieces is read.
Result BeginRead(tcsync_response& response, std::unique_ptr<PieceDelivery> delivery,
                 std::optional<EngineCore::Use>& use) {
  if (Result result = CheckProcessOf(response); !result.ok()) return result;
  BodyProgress& progress = *response.progress;
  if (progress.is_reading.load(std::memory_order_acquire)) {
    return {TCSYNC_INVALID_ARGUMENT,
            "a piece of this response is being read already; take it before asking for the next"};
  }
  if (progress.is_broken) return {TCSYNC_RESPONSE_INCOMPLETE, kBodyIsIncomplete};
  if (response.has_whole_body()) {
    ReadHere(response, *delivery);
    return {};
  }
  http::BodySource& source = *response.response.body_source;
  if (progress.bytes >= source.bytes()) {
    delivery->Deliver(TCSYNC_OK, nullptr, /*is_here=*/true);
    return {};
  }
  if (response.core != nullptr) use.emplace(*response.core);
  if (!use || !*use) {
    return {TCSYNC_RESPONSE_INCOMPLETE, absl::StrCat(kEngineWasFreed, "; close the connection")};
  }
  const auto owed = std::make_shared<OwedPiece>(std::move(delivery), response.progress);
  progress.is_reading.store(true, std::memory_order_relaxed);
  // From here on the piece is delivered, whatever is thrown.
  try {
    const std::optional<http::BodySource::Piece> ready =
        source.Read([owed](const http::BodySource::Piece& later) { owed->Give(later); });
    if (ready) owed->Give(*ready);
  } catch (...) {
  }
  return {};
}

}  // namespace
}  // namespace tcsync::capi

using tcsync::capi::Checked;
using tcsync::capi::ClearOutput;
using tcsync::capi::EngineCore;
using tcsync::capi::Guard;
using tcsync::capi::Needed;
using tcsync::capi::NullArgument;
using tcsync::capi::Result;

tcsync_response::tcsync_response(std::shared_ptr<tcsync::capi::EngineCore> streams_through)
    : core(std::move(streams_through)), progress(std::make_shared<tcsync::capi::BodyProgress>()) {}

int tcsync_response_status(const tcsync_response* response) {
  return Checked(response) == nullptr ? 0 : response->response.status;
}

size_t tcsync_response_header_count(const tcsync_response* response) {
  return Checked(response) == nullptr ? 0 : response->response.headers.size();
}

tcsync_code tcsync_response_header(const tcsync_response* response, size_t index,
                                   tcsync_header* header, tcsync_error** error) {
  ClearOutput(header);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(response, "response"); !result.ok()) return result;
    if (Result result = tcsync::capi::CheckProcessOf(*response); !result.ok()) return result;
    if (header == nullptr) return NullArgument("header");
    const auto& headers = response->response.headers;
    if (Result result = tcsync::capi::CheckIndex(index, headers.size(), "header"); !result.ok()) {
      return result;
    }
    const tcsync::http::Header& found = headers[index];
    *header = {found.name.data(), found.name.size(), found.value.data(), found.value.size()};
    return {};
  });
}

const char* tcsync_response_header_value(const tcsync_response* response, const char* name) {
  if (Checked(response) == nullptr || name == nullptr) return nullptr;
  for (const tcsync::http::Header& header : response->response.headers) {
    if (absl::EqualsIgnoreCase(header.name, name)) return header.value.c_str();
  }
  return nullptr;
}

const char* tcsync_response_body(const tcsync_response* response, size_t* size) {
  const bool is_here = Checked(response) != nullptr && response->has_whole_body();
  if (size != nullptr) *size = is_here ? response->response.body.size() : 0;
  return is_here ? response->response.body.c_str() : nullptr;
}

int64_t tcsync_response_body_size(const tcsync_response* response) {
  return Checked(response) == nullptr ? 0 : static_cast<int64_t>(response->response.body_bytes());
}

tcsync_code tcsync_response_read(tcsync_response* response, tcsync_bytes** bytes,
                                 tcsync_error** error) {
  ClearOutput(bytes);
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(response, "response"); !result.ok()) return result;
    if (bytes == nullptr) return NullArgument("bytes");
    std::optional<EngineCore::Use> use;
    tcsync::capi::DeliveryWaiter<tcsync_bytes> waiter;
    Result begun = tcsync::capi::BeginRead(*response, waiter.MakeDelivery(), use);
    return begun.ok() ? waiter.Wait(bytes) : begun;
  });
}

tcsync_code tcsync_response_read_queued(tcsync_response* response, tcsync_queue* queue,
                                        void* user_data, tcsync_error** error) {
  return Guard(error, [&]() -> Result {
    if (Result result = Needed(response, "response"); !result.ok()) return result;
    if (Result result = tcsync::capi::CheckQueue(queue); !result.ok()) return result;
    std::optional<EngineCore::Use> use;
    using Delivery = tcsync::capi::QueueDelivery<tcsync_bytes>;
    return tcsync::capi::BeginRead(*response, std::make_unique<Delivery>(*queue, user_data), use);
  });
}

void tcsync_response_free(tcsync_response* response) {
  // As tcsync_engine_free.
  if (Checked(response) != nullptr && !tcsync::capi::CheckProcessOf(*response).ok()) return;
  const std::unique_ptr<tcsync_response> owned(response);
}
