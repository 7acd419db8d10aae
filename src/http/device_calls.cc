// The requests about a client's devices, an extension of the protocol (docs/protocol.md).
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "access/device_changes.h"
#include "base/foreign_text.h"
#include "base/limits.h"
#include "base/return_or_call_back.h"
#include "http/bodiless_request.h"
#include "http/list_field.h"
#include "http/pending_request.h"
#include "http/sync_handler.h"

namespace tcsync::http {

using access::DeviceRefusal;
using access::RefusalReason;

namespace {

constexpr absl::string_view kJsonMediaType = "application/json";
constexpr absl::string_view kLabelMediaType = "application/octet-stream";

std::string IdOrNull(const std::optional<DeviceId>& id) {
  return id ? absl::StrCat("\"", access::ToText(*id), "\"") : "null";
}

std::string TimeOrNull(int64_t unix_seconds) {
  return unix_seconds == 0 ? "null" : absl::StrCat(unix_seconds);
}

std::string Describe(const Device& device) {
  return absl::StrCat("{\"device\":\"", access::ToText(device.id()),
                      "\",\"minted_by\":", IdOrNull(device.minted_by),
                      ",\"since\":", device.since_unix_seconds,
                      ",\"last_seen\":", TimeOrNull(device.last_seen_unix_seconds), ",\"label\":\"",
                      absl::Base64Escape(device.label), "\"}");
}

}  // namespace

// A POST whose body is a label.
class SyncHandler::LabelRequest final : public PendingRequest::Implementation {
 public:
  LabelRequest(SyncHandler& handler, const Call& call) : handler_(handler), call_(call) {}

  std::optional<Response> Append(absl::string_view bytes) override {
    if (label_.size() + bytes.size() > base::kDeviceLabelBytesMax) {
      return handler_.RefuseTooLarge(call_, base::kDeviceLabelBytesMax);
    }
    label_.append(bytes.data(), bytes.size());
    return std::nullopt;
  }

  std::optional<Response> Finish(ResponseCallback done) override {
    if (label_.empty()) {
      return handler_.RefuseCall(call_, {RefusalReason::kBadRequest, "The request body is empty."});
    }
    return base::ReturnOrCallBack(std::move(done), [this](ResponseCallback answer) {
      handler_.devices_->Mint(
          call_.device_caller(), std::move(label_),
          [&handler = handler_, call = call_, answer = std::move(answer)](
              absl::StatusOr<std::variant<access::MintedDevice, DeviceRefusal>> result) mutable {
            if (!result.ok()) return answer(handler.RefuseFailed(call, result.status()));
            const auto* const minted = std::get_if<access::MintedDevice>(&*result);
            answer(minted != nullptr
                       ? handler.AnswerMinted(call, *minted)
                       : handler.RefuseDevice(call, std::get<DeviceRefusal>(*result)));
          });
    });
  }

 private:
  SyncHandler& handler_;
  const Call call_;
  std::string label_;
};

void SyncHandler::AnnounceDevices(Response& response) {
  response.headers.push_back({"X-Devices-Max", absl::StrCat(base::kDevicesMax)});
}

std::variant<Response, PendingRequest> SyncHandler::StartDeviceRequest(const RequestHead& head,
                                                                       const Call& call) {
  if (call.route.endpoint == Endpoint::kDevice) return StartRevoke(head, call);
  if (head.method == "POST") return StartMint(head, call);
  return MakeBodilessRequest([this, call](ResponseCallback done) {
    devices_->List(
        call.device_caller(),
        [this, call, done = std::move(done)](
            absl::StatusOr<std::variant<access::ListedDevices, DeviceRefusal>> result) mutable {
          if (!result.ok()) return done(RefuseFailed(call, result.status()));
          const auto* const listed = std::get_if<access::ListedDevices>(&*result);
          done(listed != nullptr ? AnswerListed(call, *listed)
                                 : RefuseDevice(call, std::get<DeviceRefusal>(*result)));
        });
  });
}

std::variant<Response, PendingRequest> SyncHandler::StartMint(const RequestHead& head,
                                                              const Call& call) {
  if (std::optional<Response> refusal = RefuseMediaType(head, call, kLabelMediaType)) {
    return *std::move(refusal);
  }
  const absl::string_view coding = head.Header("Content-Encoding");
  if (!coding.empty() && !absl::EqualsIgnoreCase(coding, "identity")) {
    return RefuseCall(call, {RefusalReason::kContentCoding,
                             absl::StrCat("The Content-Encoding '", base::ShowForeign(coding),
                                          "' is not supported for a label; identity is.")});
  }
  return PendingRequest(std::make_unique<LabelRequest>(*this, call));
}

std::variant<Response, PendingRequest> SyncHandler::StartRevoke(const RequestHead& head,
                                                                const Call& call) {
  access::Revocation revocation{.device = *call.route.device, .keep = {}};
  std::optional<std::string> malformed;
  ForEachListItem(head, "Keep-Devices", [&](absl::string_view item) {
    if (item.empty()) return;  // RFC 9110, section 5.6.1.2
    const std::optional<DeviceId> id = access::ParseDeviceId(item);
    if (id) {
      revocation.keep.push_back(*id);
    } else if (!malformed) {
      malformed = base::ShowForeign(item);
    }
  });
  if (malformed || revocation.keep.size() > base::kDevicesMax) {
    return RefuseCall(
        call,
        {RefusalReason::kBadRequest,
         malformed ? absl::StrCat("Keep-Devices has '", *malformed,
                                  "', which is not a device's ID of 12 hexadecimal digits.")
                   : absl::StrCat("Keep-Devices names ", revocation.keep.size(),
                                  " devices; a client has at most ", base::kDevicesMax, ".")});
  }
  return MakeBodilessRequest([this, call,
                              revocation = std::move(revocation)](ResponseCallback done) mutable {
    devices_->Revoke(
        call.device_caller(), std::move(revocation),
        [this, call, done = std::move(done)](
            absl::StatusOr<std::variant<access::RevokedDevices, DeviceRefusal>> result) mutable {
          if (!result.ok()) return done(RefuseFailed(call, result.status()));
          const auto* const revoked = std::get_if<access::RevokedDevices>(&*result);
          if (revoked == nullptr) {
            return done(RefuseDevice(call, std::get<DeviceRefusal>(*result)));
          }
          // So that those of a computer that was shut out end, and others begin again. First, as
          // after an added version.
          long_polls_.EndOf(call.client_id());
          done(AnswerRevoked(call, *revoked));
        });
  });
}

Response SyncHandler::AnswerDevices(const Call& call, int status, std::string json) {
  Response response = AnswerWithBody(call, kJsonMediaType, std::move(json), nullptr);
  if (response.status != 200) return response;  // a refusal, which announces by itself
  response.status = status;
  AnnounceDevices(response);
  return response;
}

Response SyncHandler::AnswerMinted(const Call& call, const access::MintedDevice& minted) {
  return AnswerDevices(call, 201,
                       absl::StrCat("{\"device\":\"", access::ToText(minted.device),
                                    "\",\"token\":\"", minted.token, "\"}\n"));
}

Response SyncHandler::AnswerListed(const Call& call, const access::ListedDevices& listed) {
  std::string json = "{\"devices\":[";
  const char* separator = "";
  for (const Device& device : listed.devices.devices) {
    absl::StrAppend(&json, separator, Describe(device));
    separator = ",";
  }
  absl::StrAppend(&json, "],\"this\":", IdOrNull(listed.own),
                  ",\"requires_token\":", listed.devices.requires_token ? "true" : "false",
                  ",\"tokenless_last_seen\":",
                  TimeOrNull(listed.devices.tokenless_last_seen_unix_seconds), "}\n");
  return AnswerDevices(call, 200, std::move(json));
}

Response SyncHandler::AnswerRevoked(const Call& call, const access::RevokedDevices& revoked) {
  std::string json = "{\"revoked\":[";
  const char* separator = "";
  for (const DeviceId& id : revoked.devices) {
    absl::StrAppend(&json, separator, "\"", access::ToText(id), "\"");
    separator = ",";
  }
  absl::StrAppend(&json, "]}\n");
  return AnswerDevices(call, 200, std::move(json));
}

Response SyncHandler::RefuseDevice(const Call& call, DeviceRefusal refusal) {
  switch (refusal) {
    case DeviceRefusal::kNoSuchClient:
      return RefuseCall(call, {RefusalReason::kNoSuchClient,
                               "This server has no such client yet: its first sync creates it."});
    case DeviceRefusal::kNotAdmitted: {
      const std::optional<access::Refusal> by_records = access_.RefusalByRecords(call.visitor);
      return RefuseCall(call, by_records ? *by_records
                                         : access::AccessControl::RefusalByDevices(
                                               call.visitor.token.has_value()));
    }
    case DeviceRefusal::kTooMany:
      return RefuseCall(
          call, {RefusalReason::kClientFull,
                 absl::StrCat("This client has ", base::kDevicesMax,
                              " devices with a token of their own, as many as one client may have: "
                              "revoke those that are not used any more.")});
    case DeviceRefusal::kNoSuchDevice:
      return RefuseCall(call, {RefusalReason::kNoSuchDevice,
                               absl::StrCat("This client has no device ",
                                            access::ToText(call.route.device.value_or(DeviceId{})),
                                            "; it may have been revoked before.")});
    case DeviceRefusal::kNeedsOwnToken:
      return RefuseCall(call, {RefusalReason::kDeviceRule,
                               "The computer that revokes must have a token of its own, because "
                               "it would shut itself out: give this computer a token first."});
    case DeviceRefusal::kOwnDevice:
      return RefuseCall(call, {RefusalReason::kDeviceRule,
                               "This is the computer's own device, and it would shut itself out: "
                               "revoke it from another computer."});
  }
  return RefuseCall(call, {RefusalReason::kBadRequest, "The request cannot be answered."});
}

}  // namespace tcsync::http
