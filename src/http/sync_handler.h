// The handler of the sync protocol: routing, header checks and the mapping between the protocol's
// results and HTTP, as docs/protocol.md lists them.
#ifndef TCSYNC_SRC_HTTP_SYNC_HANDLER_H_
#define TCSYNC_SRC_HTTP_SYNC_HANDLER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "access/access_control.h"
#include "access/device_register.h"
#include "access/refusal.h"
#include "base/clock.h"
#include "base/logger.h"
#include "http/landing_page.h"
#include "http/long_polls.h"
#include "http/operator_details.h"
#include "http/refusal_response.h"
#include "http/route.h"
#include "http/router.h"
#include "http/transfer_shares.h"
#include "http/upload_body.h"
#include "sync/sync_service.h"

namespace tcsync::http {

struct SyncHandlerOptions {
  uint64_t body_bytes_max = 0;
  uint64_t bodies_in_flight_bytes_max = 0;
  // Zero: no request waits for its client's next version.
  absl::Duration version_wait_max = absl::ZeroDuration();
  RefusalObserver refusal_observer = {};
  access::DeviceRegister* devices = nullptr;  // borrowed; null: there is nothing at their paths
  OperatorDetails operator_details = {};
};

// Borrows the service, the access control and the clock, which must never step.
class SyncHandler final : public RoutedHandler {
 public:
  SyncHandler(sync::SyncService& service, access::AccessControl& access,
              const SyncHandlerOptions& options, const base::Clock& clock, base::Logger logger);

  std::variant<Response, PendingRequest> StartRequest(const RoutedRequest& request) override;

  // 429 for a request that is no call of a client, if its address sends too many.
  std::optional<Response> RefuseByAddress(const PeerAddress& source);

  // Those that wait for their clients' next versions.
  LongPolls& long_polls() { return long_polls_; }

 private:
  class LabelRequest;
  class UploadRequest;
  class WaitingRequest;

  // One call of a client: everything that its answer needs of the head.
  struct Call {
    Route route;
    access::Visitor visitor;
    bool accepts_many_versions = false;
    // Of a version, its ID is enough.
    bool wants_minimum = false;

    const Uuid& client_id() const { return visitor.client_id; }
    access::DeviceCaller device_caller() const {
      return {.client_id = visitor.client_id, .token = visitor.token};
    }
  };

  // The answer of each endpoint. `token`: as LandingPage::Answer takes it.
  Response Index(bool prefers_html, absl::string_view token) const;
  static std::string AppliedPreferences(const Call& call, absl::Duration wait);
  void GetChildVersion(const Call& call, ResponseCallback done);
  Response AnswerChildVersion(const Call& call, absl::StatusOr<sync::GetChildVersionResult> result);
  Response AnswerChildVersions(const Call& call,
                               absl::StatusOr<sync::GetChildVersionsResult> result);
  void GetSnapshot(const Call& call, ResponseCallback done);
  void AnswerNoSnapshot(const Call& call, ResponseCallback done);
  void AddVersion(const Call& call, UploadBody::Received body, access::CreationPermit permit,
                  ResponseCallback done);
  void AddSnapshot(const Call& call, UploadBody::Received body, ResponseCallback done);
  Response AnswerConflict(const Call& call, const Conflict& conflict);
  Response AnswerNoClientForVersion(const Call& call, const access::CreationPermit& permit);
  Response AnswerNoClientForSnapshot(const Call& call);

  // Requests about devices, in device_calls.cc.
  std::variant<Response, PendingRequest> StartDeviceRequest(const RequestHead& head,
                                                            const Call& call);
  std::variant<Response, PendingRequest> StartMint(const RequestHead& head, const Call& call);
  std::variant<Response, PendingRequest> StartRevoke(const RequestHead& head, const Call& call);
  // Tells a client that this server has the extension, whatever the answer.
  static void AnnounceDevices(Response& response);
  Response AnswerDevices(const Call& call, int status, std::string json);
  Response AnswerMinted(const Call& call, const access::MintedDevice& minted);
  Response AnswerListed(const Call& call, const access::ListedDevices& listed);
  Response AnswerRevoked(const Call& call, const access::RevokedDevices& revoked);
  Response RefuseDevice(const Call& call, access::DeviceRefusal refusal);

  // The refusal of a request that is no valid call.
  Response Refuse(access::RefusalReason reason, std::string sentence);
  // Of a call whose X-Client-Id is missing or malformed.
  Response RefuseWithoutClientId(const RequestHead& head);
  Response RefuseCall(const Call& call, const access::Refusal& refusal);
  Response RefuseNoSuchClient(const Call& call);
  Response RefuseOverLimit(const Call& call);
  Response RefuseGone(const Call& call, const Uuid& latest_version_id);
  // For a status that storage reported.
  Response RefuseFailed(const Call& call, const absl::Status& status);
  // nullopt: the request's Content-Type is that one.
  std::optional<Response> RefuseMediaType(const RequestHead& head, const Call& call,
                                          absl::string_view media_type);
  Response RefuseTooLarge(const Call& call, uint64_t bytes_max);
  Response RefuseOverloaded(const Call& call);
  // Puts a body, or the source of its pieces, into a 200, if the memory for bodies has room for it.
  Response AnswerWithBody(const Call& call, absl::string_view media_type, std::string body,
                          std::shared_ptr<PieceSource> pieces);
  // Logs an answer that needs no person's attention.
  Response Answer(const Call& call, Response response) const;

  sync::SyncService& service_;
  access::AccessControl& access_;
  const uint64_t body_bytes_max_;
  const absl::Duration version_wait_max_;
  const std::shared_ptr<TransferShares> shares_;
  const base::Logger logger_;
  RefusalResponder refusals_;
  const LandingPage landing_page_;
  LongPolls long_polls_;
  access::DeviceRegister* const devices_;
};

}  // namespace tcsync::http

#endif  // TCSYNC_SRC_HTTP_SYNC_HANDLER_H_
