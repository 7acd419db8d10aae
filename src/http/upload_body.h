// A request body on its way to storage: a small one is collected as a whole, and a larger one is
// handed to an upload piece by piece as it arrives.
//
// A piece is filled while the one before it is on its way to the disk. When the first is full and
// the second is not written yet, no more bytes are wanted: PauseUntil() says so. Further received
// bytes wait in `input_`, still compressed if they were; they are at most those of one Append().
#ifndef TCSYNC_SRC_HTTP_UPLOAD_BODY_H_
#define TCSYNC_SRC_HTTP_UPLOAD_BODY_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "http/body_decoder.h"
#include "http/byte_budget.h"
#include "http/transfer_shares.h"
#include "sync/sync_service.h"
#include "tcsync/storage.h"

namespace tcsync::http {

// Its calls come from one thread at a time; storage's callbacks from any. It lives until the last
// callback, so it is shared.
class UploadBody : public std::enable_shared_from_this<UploadBody> {
 public:
  struct Options {
    Uuid client_id;
    PeerAddress source;
    ContentCoding coding = ContentCoding::kIdentity;
    uint64_t declared_bytes = 0;  // the Content-Length, 0 when unknown: never trusted with memory
    uint64_t bytes_max = 0;
    // Begins an upload of at least that many bytes.
    absl::AnyInvocable<void(uint64_t announced_bytes, BeginUploadCallback)> begin;
    // Whether there is room for another piece; called on any thread.
    absl::AnyInvocable<bool()> has_room;
  };
  // The received bytes, or the reason why they were refused.
  struct Received {
    BodyResult result = BodyResult::kOk;
    sync::ReceivedBytes bytes;
    ByteCharge charge;  // until the bytes are stored
    std::optional<TransferShares::Place> place;
  };
  using FinishCallback = absl::AnyInvocable<void(Received)>;

  UploadBody(Options options, std::shared_ptr<TransferShares> shares);

  // Before the first byte: begins an upload at once if the announced body is a large one. kStopped:
  // storage has refused it already.
  BodyResult Begin();

  // The next bytes as received. After a result other than kOk the body is lost. After kStopped,
  // TakeRefusal gives the reason.
  BodyResult Append(absl::string_view bytes);

  // As PendingRequest's.
  bool PauseUntil(absl::AnyInvocable<void()> resume);

  // At the end: `done` is called once, when storage has all bytes.
  void Finish(FinishCallback done);

  // The request is abandoned: no callback is called any more.
  void Abandon();

  // The reason for the stop: storage's answer, an error, or kCancelled if has_room returned false.
  absl::StatusOr<UploadOutcome> TakeRefusal();

  // The largest body that could be taken, if known.
  uint64_t bytes_max();

 private:
  enum class Phase { kCollecting, kBeginning, kUploading, kDropping };

  // With the mutex: does all possible work. Releases it while it calls out.
  void Pump(std::unique_lock<std::mutex>& lock);
  // One step of that; false if there is nothing to do for now.
  bool Step(std::unique_lock<std::mutex>& lock);
  BodyResult FillPiece();
  BodyResult DropInput();
  BodyResult GrowPiece(uint64_t more);
  void BeginUpload(std::unique_lock<std::mutex>& lock, uint64_t announced_bytes);
  void OnBegun(absl::StatusOr<UploadOutcome> outcome);
  void SendPiece(std::unique_lock<std::mutex>& lock);
  void OnAdded(const absl::Status& status);
  // After a callback: continues with work that no one else does.
  void Proceed(std::unique_lock<std::mutex>& lock);
  void Stop(BodyResult result);
  // Calls the callback of Finish() if there is nothing left to wait for.
  void FinishIfDone(std::unique_lock<std::mutex>& lock);

  bool has_input() const {
    return !input().empty() || (phase_ != Phase::kDropping && decoder_.has_more());
  }
  absl::string_view input() const {
    return fresh_input_.empty() ? absl::string_view(input_).substr(input_used_) : fresh_input_;
  }
  bool waits_for_storage() const { return phase_ == Phase::kBeginning || is_adding_; }

  Options options_;
  const std::shared_ptr<TransferShares> shares_;
  std::mutex mutex_;  // of the members below
  BodyDecoder decoder_;
  Phase phase_ = Phase::kCollecting;
  BodyResult result_ = BodyResult::kOk;
  std::optional<absl::StatusOr<UploadOutcome>> refusal_;
  absl::string_view fresh_input_;  // borrowed from the running Append
  std::string input_;
  size_t input_used_ = 0;  // of input_
  std::string piece_;      // being filled
  uint64_t bytes_ = 0;     // of the body so far, decoded
  bool is_adding_ = false;
  bool is_abandoned_ = false;
  bool is_pumping_ = false;
  bool pump_again_ = false;
  std::unique_ptr<Upload> upload_;
  ByteCharge charge_;
  std::optional<TransferShares::Place> place_;
  absl::AnyInvocable<void()> resume_;
  FinishCallback finish_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_UPLOAD_BODY_H_
