#include "http/sync_handler.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "access/token.h"
#include "base/foreign_text.h"
#include "base/limits.h"
#include "base/return_or_call_back.h"
#include "base/version.h"
#include "http/bodiless_request.h"
#include "http/forwarded_fields.h"
#include "http/many_versions.h"
#include "http/media_preference.h"
#include "http/pending_request.h"
#include "http/stored_body.h"

namespace tcsync::http {

using access::Refusal;
using access::RefusalReason;

namespace {

// The token of a valid path that ends with it, as the index's does; "" if it has none.
absl::string_view TokenOf(const RoutedRequest& request) {
  if (!request.route.token) return "";
  const absl::string_view path = absl::StripSuffix(request.path, "/");
  return path.substr(path.size() - access::kTokenLength);
}

}  // namespace

// A POST: its body is a segment or a snapshot.
class SyncHandler::UploadRequest final : public PendingRequest::Implementation {
 public:
  UploadRequest(SyncHandler& handler, const Call& call, ContentCoding coding,
                uint64_t declared_bytes)
      : context_(std::make_shared<Context>(handler, call)),
        body_(std::make_shared<UploadBody>(
            UploadBody::Options{
                .client_id = call.client_id(),
                .source = call.visitor.source,
                .coding = coding,
                .declared_bytes = declared_bytes,
                .bytes_max = handler.body_bytes_max_,
                .begin =
                    [context = context_](uint64_t announced_bytes, BeginUploadCallback done) {
                      context->Begin(announced_bytes, std::move(done));
                    },
                .has_room = [&handler] { return !handler.access_.RefusalByRoom().has_value(); }},
            handler.shares_)) {}
  ~UploadRequest() override {
    if (!is_finished_) body_->Abandon();
  }

  // The answer that is known already, because storage would refuse such a body.
  std::optional<Response> BeginBody() { return context_->Refusal(body_->Begin(), *body_); }

  std::optional<Response> Append(absl::string_view bytes) override {
    return context_->Refusal(body_->Append(bytes), *body_);
  }

  bool PauseUntil(absl::AnyInvocable<void()> resume) override {
    return body_->PauseUntil(std::move(resume));
  }

  std::optional<Response> Finish(ResponseCallback done) override {
    is_finished_ = true;
    return base::ReturnOrCallBack(std::move(done), [this](ResponseCallback answer) {
      body_->Finish([context = context_, body = body_,
                     answer = std::move(answer)](UploadBody::Received received) mutable {
        context->Finish(std::move(received), *body, std::move(answer));
      });
    });
  }

 private:
  // The part that the body's callbacks need as well.
  class Context {
   public:
    Context(SyncHandler& handler, const Call& call) : handler_(handler), call_(call) {}

    void Begin(uint64_t announced_bytes, BeginUploadCallback done) {
      if (!is_version()) {
        return handler_.service_.BeginSnapshotUpload(call_.client_id(), call_.route.version_id,
                                                     announced_bytes, std::move(done));
      }
      // Reserved until the version is added, or the upload has ended.
      permit_.emplace(handler_.access_.PermitCreation(call_.visitor));
      handler_.service_.BeginVersionUpload(
          call_.client_id(), call_.route.version_id, announced_bytes,
          {.create_client = permit_->create_client(), .invite = permit_->invite()},
          std::move(done));
    }

    std::optional<Response> Refusal(BodyResult result, UploadBody& body) {
      switch (result) {
        case BodyResult::kOk:
          return std::nullopt;
        case BodyResult::kTooLarge:
          return handler_.RefuseTooLarge(call_, body.bytes_max());
        case BodyResult::kNoMemory:
          return handler_.RefuseOverloaded(call_);
        case BodyResult::kStopped:
          return Stopped(body.TakeRefusal());
        case BodyResult::kMalformed:
          break;
      }
      return handler_.RefuseCall(call_,
                                 {RefusalReason::kBadRequest, std::string(kMalformedBodySentence)});
    }

    void Finish(UploadBody::Received received, UploadBody& body, ResponseCallback done) {
      if (std::optional<Response> refusal = Refusal(received.result, body)) {
        return done(*std::move(refusal));
      }
      // The client's own user may have shut this computer out since the request began.
      if (const auto refusal = handler_.access_.RefusalByRecords(call_.visitor)) {
        return done(handler_.RefuseCall(call_, *refusal));
      }
      const auto* const collected = std::get_if<std::string>(&received.bytes);
      if (collected != nullptr && collected->empty()) {
        return done(
            handler_.RefuseCall(call_, {RefusalReason::kBadRequest, "The request body is empty."}));
      }
      if (!is_version()) return handler_.AddSnapshot(call_, std::move(received), std::move(done));
      if (!permit_) permit_.emplace(handler_.access_.PermitCreation(call_.visitor));
      handler_.AddVersion(call_, std::move(received), *std::move(permit_), std::move(done));
    }

   private:
    bool is_version() const { return call_.route.endpoint == Endpoint::kAddVersion; }

    // Storage's answer before the whole body.
    Response Stopped(const absl::StatusOr<UploadOutcome>& refusal) {
      if (refusal.ok()) {
        if (const auto* conflict = std::get_if<Conflict>(&*refusal)) {
          return handler_.AnswerConflict(call_, *conflict);
        }
        if (std::holds_alternative<OverLimit>(*refusal)) return handler_.RefuseOverLimit(call_);
        if (std::holds_alternative<NoSuchClient>(*refusal)) {
          return permit_ ? handler_.AnswerNoClientForVersion(call_, *permit_)
                         : handler_.AnswerNoClientForSnapshot(call_);
        }
        return handler_.Answer(call_, EmptyResponse(200));  // an unwanted snapshot
      }
      switch (refusal.status().code()) {
        case absl::StatusCode::kCancelled: {
          const std::optional<access::Refusal> full = handler_.access_.RefusalByRoom();
          return full ? handler_.RefuseCall(call_, *full) : handler_.RefuseOverloaded(call_);
        }
        case absl::StatusCode::kOutOfRange:
          return handler_.RefuseOverLimit(call_);
        case absl::StatusCode::kAborted:  // an operator deleted the client
          return handler_.RefuseNoSuchClient(call_);
        default:
          return handler_.RefuseFailed(call_, refusal.status());
      }
    }

    SyncHandler& handler_;
    const Call call_;
    std::optional<access::CreationPermit> permit_;
  };

  const std::shared_ptr<Context> context_;
  const std::shared_ptr<UploadBody> body_;
  bool is_finished_ = false;
};

// Those that count for the answer of a request that may wait.
std::string SyncHandler::AppliedPreferences(const Call& call, absl::Duration wait) {
  return absl::StrCat("wait=", absl::ToInt64Seconds(absl::Ceil(wait, absl::Seconds(1))),
                      call.wants_minimum ? ", return=minimal" : "");
}

// A get-child-version that waits while there is no child.
class SyncHandler::WaitingRequest final : public PendingRequest::Implementation {
 public:
  WaitingRequest(SyncHandler& handler, const Call& call, absl::Duration wait)
      : handler_(handler), call_(call), wait_(wait) {}

  std::optional<Response> Append(absl::string_view) override { return std::nullopt; }

  std::optional<Response> Finish(ResponseCallback done) override {
    return base::ReturnOrCallBack(std::move(done), [this](ResponseCallback answer) {
      // The poll precedes the look for a child, so that none is missed.
      poll_ = handler_.long_polls_.Begin(
          call_.client_id(), call_.route.version_id, wait_,
          [&handler = handler_, call = call_, wait = wait_,
           since = std::chrono::steady_clock::now(), answer = std::move(answer)]() mutable {
            const auto waited = std::chrono::steady_clock::now() - since;
            // The operator may have changed their mind since it began.
            if (const auto refusal = handler.access_.RefusalByRecords(call.visitor)) {
              return answer(handler.RefuseCall(call, *refusal));
            }
            handler.GetChildVersion(call, [applied = AppliedPreferences(call, wait), waited,
                                           answer = std::move(answer)](Response response) mutable {
              response.headers.push_back({"Preference-Applied", std::move(applied)});
              response.waited = waited;
              answer(std::move(response));
            });
          });
      handler_.service_.GetChildVersion(
          call_.client_id(), call_.route.version_id,
          [poll = poll_](const absl::StatusOr<sync::GetChildVersionResult>& result) {
            if (!result.ok() || !std::holds_alternative<sync::UpToDate>(*result)) poll->End();
          });
    });
  }

  bool IsWaiting() const override { return poll_ != nullptr && !poll_->has_ended(); }
  void EndWait() override {
    if (poll_ != nullptr) poll_->End();
  }

 private:
  SyncHandler& handler_;
  const Call call_;
  const absl::Duration wait_;
  std::shared_ptr<LongPolls::Poll> poll_;
};

SyncHandler::SyncHandler(sync::SyncService& service, access::AccessControl& access,
                         const SyncHandlerOptions& options, const base::Clock& clock,
                         base::Logger logger)
    : service_(service),
      access_(access),
      body_bytes_max_(options.body_bytes_max),
      version_wait_max_(options.version_wait_max),
      shares_(std::make_shared<TransferShares>(options.bodies_in_flight_bytes_max)),
      logger_(logger),
      refusals_(std::move(logger), options.refusal_observer),
      landing_page_(options.operator_details),
      long_polls_(clock),
      devices_(options.devices) {}

std::optional<Response> SyncHandler::RefuseByAddress(const PeerAddress& source) {
  const std::optional<Refusal> refusal = access_.RefusalOfAddress(source);
  if (!refusal) return std::nullopt;
  return refusals_.Refuse({}, *refusal);
}

std::variant<Response, PendingRequest> SyncHandler::StartRequest(const RoutedRequest& request) {
  const RequestHead& head = request.head;
  const Route& route = request.route;
  const std::optional<Uuid>& client_id = request.client_id;
  if (access_.MayRevealProxy(head.peer)) {
    const auto notice = access_.DetectProxy(head.peer, ForwardedFieldsOf(head.headers));
    if (notice) logger_.Log(LogLevel::kWarning, *notice);
  }
  // Health requests are for a handler in front of this one.
  const bool is_of_protocol = route.is_valid && !IsHealth(route.endpoint) &&
                              (devices_ != nullptr || !IsOfDevices(route.endpoint));
  const bool is_call = is_of_protocol && !IsPage(route.endpoint) && client_id &&
                       MethodsOf(route.endpoint).Contain(head.method);
  // A request that is no client's call, such as the page at /, counts for its address as well.
  if (!is_call) {
    if (std::optional<Response> refusal = RefuseByAddress(request.source)) {
      return *std::move(refusal);
    }
  }
  if (!is_of_protocol) {
    return Refuse(RefusalReason::kNoSuchPath,
                  absl::StrCat("There is nothing at ", PathForPeople(request.path),
                               ": check the path of the server's URL in your configuration."));
  }
  if (std::optional<Response> refusal = RefuseMethod(request, &refusals_)) {
    return *std::move(refusal);
  }
  if (route.endpoint == Endpoint::kIndex) {
    return MakeBodilessRequest([this, prefers_html = PrefersHtml(head),
                                token = std::string(TokenOf(request))](ResponseCallback done) {
      done(Index(prefers_html, token));
    });
  }
  if (!client_id) return RefuseWithoutClientId(head);

  Call call{.route = route,
            .visitor = {.client_id = *client_id, .token = route.token, .source = request.source}};
  const absl::string_view media_type = RequestMediaTypeOf(route.endpoint);
  const bool writes = head.method == "POST";
  if (const std::optional<Refusal> refusal = access_.RefusalOf(call.visitor, writes)) {
    return RefuseCall(call, *refusal);
  }
  if (devices_ != nullptr) devices_->NoteSeen(call.device_caller());
  if (IsOfDevices(route.endpoint)) return StartDeviceRequest(head, call);
  if (route.endpoint == Endpoint::kGetChildVersion) {
    call.accepts_many_versions = AcceptsManyVersions(head);
    const Preferences preferences = head.may_wait ? PreferencesOf(head) : Preferences();
    const absl::Duration wait = std::min(preferences.wait, version_wait_max_);
    if (wait > absl::ZeroDuration()) {
      call.wants_minimum = preferences.wants_minimum;
      return PendingRequest(std::make_unique<WaitingRequest>(*this, call, wait));
    }
    return MakeBodilessRequest(
        [this, call](ResponseCallback done) { GetChildVersion(call, std::move(done)); });
  }
  if (!writes) {
    return MakeBodilessRequest(
        [this, call](ResponseCallback done) { GetSnapshot(call, std::move(done)); });
  }

  if (std::optional<Response> refusal = RefuseMediaType(head, call, media_type)) {
    return *std::move(refusal);
  }
  const absl::string_view content_encoding = head.Header("Content-Encoding");
  // Several fields are one list (RFC 9110, section 5.3), and a list of codings is not supported.
  const std::optional<ContentCoding> coding =
      head.CountOf("Content-Encoding") > 1 ? std::nullopt : ParseContentCoding(content_encoding);
  if (!coding) {
    Response response = RefuseCall(
        call, {RefusalReason::kContentCoding,
               absl::StrCat("The Content-Encoding '", base::ShowForeign(content_encoding),
                            "' is not supported; gzip, deflate and identity are.")});
    response.headers.push_back({"Accept-Encoding", "gzip, deflate"});
    return response;
  }
  const uint64_t declared_bytes = DeclaredBytesOf(head);
  if (declared_bytes > body_bytes_max_) return RefuseTooLarge(call, body_bytes_max_);
  // Checked again when the body is complete; until then it would only take room.
  if (service_.RefusesWrites()) return RefuseOverloaded(call);
  auto upload = std::make_unique<UploadRequest>(*this, call, *coding, declared_bytes);
  if (std::optional<Response> refusal = upload->BeginBody()) return *std::move(refusal);
  return PendingRequest(std::move(upload));
}

Response SyncHandler::Index(bool prefers_html, absl::string_view token) const {
  Response response =
      prefers_html
          ? landing_page_.Answer(token)
          : TextResponse(200, absl::StrCat("tcsync-server ", base::kVersion,
                                           ": a TaskChampion sync server is running here."));
  response.headers.push_back({"Vary", "Accept"});
  return response;
}

void SyncHandler::GetChildVersion(const Call& call, ResponseCallback done) {
  if (call.accepts_many_versions && !call.wants_minimum) {
    return service_.GetChildVersions(
        call.client_id(), call.route.version_id, kAnswerBounds,
        [this, call,
         done = std::move(done)](absl::StatusOr<sync::GetChildVersionsResult> result) mutable {
          done(AnswerChildVersions(call, std::move(result)));
        });
  }
  service_.GetChildVersion(call.client_id(), call.route.version_id,
                           [this, call, done = std::move(done)](
                               absl::StatusOr<sync::GetChildVersionResult> result) mutable {
                             done(AnswerChildVersion(call, std::move(result)));
                           });
}

Response SyncHandler::AnswerChildVersion(const Call& call,
                                         absl::StatusOr<sync::GetChildVersionResult> result) {
  if (!result.ok()) return RefuseFailed(call, result.status());
  if (auto* version = std::get_if<Version>(&*result)) {
    Response response = call.wants_minimum ? Answer(call, EmptyResponse(200))
                                           : AnswerWithBody(call, kHistorySegmentMediaType,
                                                            std::move(version->segment),
                                                            std::move(version->pieces));
    if (response.status != 200) return response;
    response.headers.push_back({"X-Version-Id", version->version_id.ToString()});
    response.headers.push_back({"X-Parent-Version-Id", version->parent_version_id.ToString()});
    return response;
  }
  if (const auto* gone = std::get_if<sync::Gone>(&*result)) {
    return RefuseGone(call, gone->latest_version_id);
  }
  if (std::holds_alternative<NoSuchClient>(*result)) {
    if (const std::optional<Refusal> refusal = access_.RefusalOfUnknown(call.visitor)) {
      return RefuseCall(call, *refusal);
    }
  }
  // Up to date, or no such client: the normal end of a sync, so without a sentence.
  return Answer(call, EmptyResponse(404));
}

Response SyncHandler::AnswerChildVersions(const Call& call,
                                          absl::StatusOr<sync::GetChildVersionsResult> result) {
  if (!result.ok()) return AnswerChildVersion(call, result.status());
  auto* const versions = std::get_if<std::vector<Version>>(&*result);
  if (versions == nullptr) {
    if (const auto* gone = std::get_if<sync::Gone>(&*result))
      return AnswerChildVersion(call, *gone);
    const bool is_known = std::holds_alternative<sync::UpToDate>(*result);
    return is_known ? AnswerChildVersion(call, sync::UpToDate{})
                    : AnswerChildVersion(call, NoSuchClient{});
  }
  uint64_t bytes = 0;
  for (const Version& version : *versions) {
    bytes += base::kVersionFrameHeadBytes + version.segment_bytes();
  }
  ByteCharge charge(shares_->SmallFor(call.visitor.source));
  // While memory is scarce, one version has to do.
  if (versions->size() == 1 || !charge.TryResize(bytes)) {
    return AnswerChildVersion(call, std::move(versions->front()));
  }
  Response response = EmptyResponse(200);
  response.headers.push_back({"Content-Type", base::kVersionFramesMediaType});
  response.headers.push_back({"X-Parent-Version-Id", call.route.version_id.ToString()});
  response.body = BodyOf(std::move(*versions));
  response.memory = std::make_shared<ByteCharge>(std::move(charge));
  return Answer(call, std::move(response));
}

void SyncHandler::GetSnapshot(const Call& call, ResponseCallback done) {
  service_.GetSnapshot(
      call.client_id(),
      [this, call, done = std::move(done)](absl::StatusOr<std::optional<Snapshot>> result) mutable {
        if (!result.ok()) return done(RefuseFailed(call, result.status()));
        if (!result->has_value()) return AnswerNoSnapshot(call, std::move(done));
        Response response = AnswerWithBody(call, kSnapshotMediaType, std::move((*result)->bytes),
                                           std::move((*result)->pieces));
        if (response.status == 200) {
          response.headers.push_back({"X-Version-Id", (*result)->version_id.ToString()});
        }
        done(std::move(response));
      });
}

// An existing client has no snapshot at first. An unknown one that could not be created is told so:
// this is the first request of a new replica.
void SyncHandler::AnswerNoSnapshot(const Call& call, ResponseCallback done) {
  std::optional<Refusal> refusal = access_.RefusalOfUnknown(call.visitor);
  if (!refusal) return done(Answer(call, EmptyResponse(404)));
  service_.ClientExists(
      call.client_id(), [this, call, refusal = *std::move(refusal),
                         done = std::move(done)](absl::StatusOr<bool> known) mutable {
        if (!known.ok()) return done(RefuseFailed(call, known.status()));
        done(*known ? Answer(call, EmptyResponse(404)) : RefuseCall(call, refusal));
      });
}

Response SyncHandler::AnswerConflict(const Call& call, const Conflict& conflict) {
  Response response = EmptyResponse(409);
  response.headers.push_back({"X-Parent-Version-Id", conflict.latest_version_id.ToString()});
  return Answer(call, std::move(response));
}

Response SyncHandler::AnswerNoClientForVersion(const Call& call,
                                               const access::CreationPermit& permit) {
  return permit.refusal() ? RefuseCall(call, *permit.refusal()) : RefuseNoSuchClient(call);
}

Response SyncHandler::AnswerNoClientForSnapshot(const Call& call) {
  const std::optional<Refusal> refusal = access_.RefusalOfUnknown(call.visitor);
  return refusal ? RefuseCall(call, *refusal) : RefuseNoSuchClient(call);
}

void SyncHandler::AddVersion(const Call& call, UploadBody::Received body,
                             access::CreationPermit permit, ResponseCallback done) {
  const sync::ClientCreation creation{.create_client = permit.create_client(),
                                      .invite = permit.invite()};
  // The charge is kept until the outcome is known: until then storage has the bytes.
  service_.AddVersion(
      call.client_id(), call.route.version_id, std::move(body.bytes), creation,
      [this, call, permit = std::move(permit), charge = std::move(body.charge),
       place = std::move(body.place),
       done = std::move(done)](absl::StatusOr<sync::AddVersionResult> result) mutable {
        // First: the client may send its next body as soon as it has the answer.
        charge.Release();
        place.reset();
        const auto* const created =
            result.ok() ? std::get_if<sync::VersionAdded>(&*result) : nullptr;
        if (created != nullptr && created->created_client) permit.ClientWasCreated();
        permit.End();
        if (!result.ok()) return done(RefuseFailed(call, result.status()));
        if (const auto* conflict = std::get_if<Conflict>(&*result)) {
          return done(AnswerConflict(call, *conflict));
        }
        if (std::holds_alternative<NoSuchClient>(*result)) {
          return done(AnswerNoClientForVersion(call, permit));
        }
        if (std::holds_alternative<OverLimit>(*result)) return done(RefuseOverLimit(call));
        const sync::VersionAdded& added = std::get<sync::VersionAdded>(*result);
        Response response = EmptyResponse(200);
        response.headers.push_back({"X-Version-Id", added.version_id.ToString()});
        if (added.urgency != sync::SnapshotUrgency::kNone) {
          response.headers.push_back(
              {"X-Snapshot-Request",
               added.urgency == sync::SnapshotUrgency::kHigh ? "urgency=high" : "urgency=low"});
        }
        // First: the handler may be destroyed after the last answer.
        long_polls_.EndOf(call.client_id());
        done(Answer(call, std::move(response)));
      });
}

void SyncHandler::AddSnapshot(const Call& call, UploadBody::Received body, ResponseCallback done) {
  service_.AddSnapshot(
      call.client_id(), call.route.version_id, std::move(body.bytes),
      [this, call, charge = std::move(body.charge), place = std::move(body.place),
       done = std::move(done)](absl::StatusOr<StoreSnapshotOutcome> outcome) mutable {
        charge.Release();
        place.reset();
        if (!outcome.ok()) return done(RefuseFailed(call, outcome.status()));
        switch (*outcome) {
          case StoreSnapshotOutcome::kNoSuchClient:
            return done(AnswerNoClientForSnapshot(call));
          case StoreSnapshotOutcome::kOverLimit:
            return done(RefuseOverLimit(call));
          case StoreSnapshotOutcome::kStored:
          case StoreSnapshotOutcome::kNotWanted:  // a refusal would fail the replica's sync
            return done(Answer(call, EmptyResponse(200)));
        }
      });
}

Response SyncHandler::AnswerWithBody(const Call& call, absl::string_view media_type,
                                     std::string body, std::shared_ptr<PieceSource> pieces) {
  const bool is_small = pieces == nullptr && body.size() <= base::kPieceBytesMax;
  const PeerAddress& source = call.visitor.source;
  ByteCharge charge(is_small ? shares_->SmallFor(source) : shares_->LargeFor(source));
  if (!charge.TryResize(pieces == nullptr ? body.size() : base::kPieceBytesMax)) {
    return RefuseOverloaded(call);
  }
  Response response = EmptyResponse(200);
  response.headers.push_back({"Content-Type", std::string(media_type)});
  if (pieces != nullptr) {
    std::optional<TransferShares::Place> place = shares_->TryBegin(call.client_id());
    if (!place) return RefuseOverloaded(call);
    response.body_source = std::make_unique<StoredBody>(call.client_id(), std::move(pieces),
                                                        *std::move(place), logger_);
  } else {
    response.body = std::move(body);
  }
  response.memory = std::make_shared<ByteCharge>(std::move(charge));
  return Answer(call, std::move(response));
}

Response SyncHandler::Answer(const Call& call, Response response) const {
  logger_.Log(LogLevel::kDebug,
              {.status = response.status,
               .endpoint = NameOf(call.route.endpoint),
               .client = call.client_id(),
               .version = call.route.version_id},
              ReasonPhrase(response.status));
  return response;
}

}  // namespace tcsync::http
