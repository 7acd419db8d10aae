#include "http/sync_handler.h"

#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/foreign_text.h"
#include "base/limits.h"
#include "base/numbered_uuid.h"
#include "base/return_or_call_back.h"
#include "base/version.h"
#include "http/bodiless_request.h"
#include "http/forwarded_fields.h"
#include "http/many_versions.h"
#include "http/pending_request.h"
#include "http/stored_body.h"
#include "sync/replica_place.h"

namespace tcsync::http {

using access::Refusal;
using access::RefusalReason;

namespace {

// The media type of a Content-Type, without its parameters.
bool HasMediaType(absl::string_view content_type, absl::string_view media_type) {
  return absl::EqualsIgnoreCase(
      absl::StripAsciiWhitespace(content_type.substr(0, content_type.find(';'))), media_type);
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

SyncHandler::SyncHandler(sync::SyncService& service, access::AccessControl& access,
                         const SyncHandlerOptions& options, base::Logger logger)
    : service_(service),
      access_(access),
      body_bytes_max_(options.body_bytes_max),
      shares_(std::make_shared<TransferShares>(options.bodies_in_flight_bytes_max)),
      logger_(logger),
      refusals_(std::move(logger), options.refusal_observer) {}

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
  const bool is_of_protocol = route.is_valid && !IsHealth(route.endpoint);
  const bool is_call = is_of_protocol && !IsPage(route.endpoint) && client_id &&
                       head.method == MethodOf(route.endpoint);
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
    return MakeBodilessRequest([](ResponseCallback done) { done(Index()); });
  }
  if (!client_id) return RefuseWithoutClientId(head);

  Call call{.route = route,
            .visitor = {.client_id = *client_id, .token = route.token, .source = request.source}};
  const absl::string_view media_type = RequestMediaTypeOf(route.endpoint);
  const bool writes = !media_type.empty();
  if (const std::optional<Refusal> refusal = access_.RefusalOf(call.visitor, writes)) {
    return RefuseCall(call, *refusal);
  }
  if (route.endpoint == Endpoint::kGetChildVersion) {
    call.accepts_many_versions = AcceptsManyVersions(head);
    return MakeBodilessRequest(
        [this, call](ResponseCallback done) { GetChildVersion(call, std::move(done)); });
  }
  if (!writes) {
    return MakeBodilessRequest(
        [this, call](ResponseCallback done) { GetSnapshot(call, std::move(done)); });
  }

  const absl::string_view content_type = head.Header("Content-Type");
  if (!HasMediaType(content_type, media_type)) {
    return RefuseCall(call, {RefusalReason::kBadRequest,
                             absl::StrCat("The Content-Type is '", base::ShowForeign(content_type),
                                          "', not '", media_type, "'.")});
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

Response SyncHandler::RefuseWithoutClientId(const RequestHead& head) {
  if (head.CountOf("X-Client-Id") > 1) {
    return Refuse(RefusalReason::kBadRequest,
                  "There are several X-Client-Id headers; there must be one.");
  }
  const absl::string_view text = head.Header("X-Client-Id");
  // Not repeated: after a mix-up of client ID and secret, the secret must not be in a log.
  return Refuse(RefusalReason::kBadRequest,
                text.empty() ? std::string("The X-Client-Id header is missing.")
                             : absl::StrCat("The X-Client-Id header, of ", text.size(),
                                            " bytes, is not a UUID like "
                                            "123e4567-e89b-42d3-a456-426614174000."));
}

Response SyncHandler::Index() {
  return TextResponse(200, absl::StrCat("tcsync-server ", base::kVersion,
                                        ": a TaskChampion sync server is running here."));
}

void SyncHandler::GetChildVersion(const Call& call, ResponseCallback done) {
  if (call.accepts_many_versions) {
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
    Response response = AnswerWithBody(call, kHistorySegmentMediaType, std::move(version->segment),
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

Response SyncHandler::Refuse(RefusalReason reason, std::string sentence) {
  return refusals_.Refuse({}, {.reason = reason, .sentence = std::move(sentence)});
}

Response SyncHandler::RefuseCall(const Call& call, const Refusal& refusal) {
  return refusals_.Refuse({.endpoint = call.route.endpoint, .client_id = call.client_id()},
                          refusal);
}

Response SyncHandler::RefuseNoSuchClient(const Call& call) {
  return RefuseCall(call, {RefusalReason::kNoSuchClient,
                           "This server has no such client, and creates none for it."});
}

Response SyncHandler::RefuseOverLimit(const Call& call) {
  return RefuseCall(
      call, {.reason = RefusalReason::kClientFull,
             .sentence = "This client has as much stored as this server keeps for one client; "
                         "nothing was stored, and stored data can still be fetched.",
             .operator_note = "Options client-bytes-max and client-versions-max are the limits."});
}

Response SyncHandler::RefuseGone(const Call& call, const Uuid& latest_version_id) {
  const Uuid& parent = call.route.version_id;
  const sync::ReplicaPlace place = sync::PlaceOf(parent, latest_version_id);
  if (place == sync::ReplicaPlace::kStart) {
    // An empty replica sends this, and so does one that has tasks of its own and never synced.
    return RefuseCall(
        call,
        {.reason = RefusalReason::kVersionGone,
         .sentence = "This replica has never synced with this history, whose first versions are "
                     "not here any more: it has to start from the snapshot. An empty replica does "
                     "that by itself; one that has tasks of its own has to join the history with "
                     "them, as 'tcsync doctor --repair' and 'tcsync setup --replace' do. Where "
                     "there is no snapshot, another replica of the client leaves one when it next "
                     "sends changes."});
  }
  const std::string where = absl::StrCat("This replica is at version ", parent.ToString(),
                                         ", which this server does not have; the latest here is ",
                                         latest_version_id.ToString(), ". ");
  if (place == sync::ReplicaPlace::kForeign) {
    return RefuseCall(
        call,
        {.reason = RefusalReason::kForeignVersion,
         .sentence = absl::StrCat(
             where,
             "Another server has given out one of the two: check that the server's URL and "
             "the client ID are the right ones. 'tcsync move' takes a history from one server to "
             "another; 'tcsync doctor --repair' lets a replica join this one with its tasks.")});
  }
  if (place == sync::ReplicaPlace::kAhead) {
    return RefuseCall(
        call, {.reason = RefusalReason::kReplicaAhead,
               .sentence = absl::StrCat(
                   where, "The replica is ahead, at number ", base::NumberHint(parent), " of ",
                   base::NumberHint(latest_version_id),
                   ": this server seems to have been restored from an older backup, or this "
                   "history rewound. The server's operator can accept this replica's history."),
               .operator_note = "tcsync-server clients show lists the replicas that are ahead, and "
                                "tcsync-server clients accept-diverged accepts one of them."});
  }
  return RefuseCall(
      call, {.reason = RefusalReason::kVersionGone,
             .sentence = absl::StrCat(
                 where, "It is number ", base::NumberHint(parent), " of ",
                 base::NumberHint(latest_version_id),
                 ": either this server has removed that version since this replica last "
                 "synced, or the replica was at another server or another copy of this one. It has "
                 "to join the history with its tasks, as 'tcsync doctor --repair' does.")});
}

Response SyncHandler::RefuseFailed(const Call& call, const absl::Status& status) {
  if (status.code() == absl::StatusCode::kUnavailable) return RefuseOverloaded(call);
  if (status.code() == absl::StatusCode::kFailedPrecondition) {
    return RefuseCall(call, {.reason = RefusalReason::kDataDirectory,
                             .sentence = "The server's data is not where it should be; nothing was "
                                         "stored. The server's operator has to put it back.",
                             .retry_after_seconds = base::kRetryAfterSeconds,
                             .operator_note = std::string(status.message())});
  }
  // The database's message is for the operator; a client gets only useful facts.
  const bool is_full = status.code() == absl::StatusCode::kResourceExhausted;
  return RefuseCall(call,
                    {.reason = is_full ? RefusalReason::kDiskFull : RefusalReason::kStorageFailed,
                     .sentence = is_full ? "The server's disk is full; nothing was stored."
                                         : "The server failed to do this; its log says why.",
                     .operator_note = absl::StrCat("Storage failed: ", status.ToString())});
}

Response SyncHandler::RefuseTooLarge(const Call& call, uint64_t bytes_max) {
  return RefuseCall(call, {RefusalReason::kTooLarge,
                           absl::StrCat("The request body is larger than ", bytes_max, " bytes.")});
}

Response SyncHandler::RefuseOverloaded(const Call& call) {
  return RefuseCall(call, {.reason = RefusalReason::kOverloaded,
                           .sentence = "The server is too busy at the moment; try again shortly.",
                           .retry_after_seconds = base::kRetryAfterSeconds});
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
