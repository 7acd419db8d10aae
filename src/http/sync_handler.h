// The handler of the sync protocol: routing, header checks and the mapping between the protocol's
// results and HTTP, as docs/protocol.md lists them.
#ifndef TCSYNC_SRC_HTTP_SYNC_HANDLER_H_
#define TCSYNC_SRC_HTTP_SYNC_HANDLER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "http/log_throttle.h"
#include "http/route.h"
#include "sync/sync_service.h"
#include "tcsync/handler.h"
#include "tcsync/log.h"

namespace tcsync::http {

struct SyncHandlerOptions {
  std::string base_path;  // as given by a person
  uint64_t body_bytes_max = 0;
  uint64_t bodies_in_flight_bytes_max = 0;
};

// Borrows the service.
class SyncHandler final : public Handler {
 public:
  SyncHandler(SyncService& service, const SyncHandlerOptions& options, Logger logger);

  std::variant<Response, PendingRequest> Begin(const RequestHead& head) override;

 private:
  class BodilessRequest;
  class UploadRequest;

  // Who asks for what: everything that the answer to a request needs of its head.
  struct Call {
    Route route;
    Uuid client_id;
  };

  // Answers to each endpoint.
  Response Index() const;
  void GetChildVersion(const Call& call, ResponseCallback done);
  Response AnswerChildVersion(const Call& call, absl::StatusOr<GetChildVersionResult> result);
  void GetSnapshot(const Call& call, ResponseCallback done);
  void AddVersion(const Call& call, std::string segment, ByteCharge charge, ResponseCallback done);
  void AddSnapshot(const Call& call, std::string bytes, ByteCharge charge, ResponseCallback done);

  void LogRefusal(int status, absl::string_view sentence) const;
  static std::string WithClientId(const Call& call, absl::string_view sentence);
  // A refusal, with a sentence for the person behind the client; logged.
  Response Refuse(int status, absl::string_view sentence) const;
  // The same for what happened to a call that was understood.
  Response RefuseCall(const Call& call, int status, absl::string_view sentence) const;
  Response RefuseNoSuchClient(const Call& call) const;
  Response RefuseOverLimit(const Call& call) const;
  // For a status that storage reported.
  Response RefuseFailed(const Call& call, const absl::Status& status);
  Response RefuseTooLarge(const Call& call) const;
  Response RefuseCrowded(const Call& call);
  // Puts a body into a 200, if the budget of bodies has room for it.
  Response AnswerWithBody(const Call& call, absl::string_view media_type, std::string body);
  // Logs an answer that needs no person's attention.
  Response Answer(const Call& call, Response response) const;

  SyncService& service_;
  const std::string base_path_;
  const uint64_t body_bytes_max_;
  const std::shared_ptr<ByteBudget> budget_;
  const Logger logger_;
  LogThrottle crowding_throttle_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_SYNC_HANDLER_H_
