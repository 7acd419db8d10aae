// Requests in a row, made of arbitrary heads and bodies, over storage in memory: every
// answer is one that the protocol knows, and a model of the acknowledged data agrees with every
// read.
//
// An input is text, so that its corpus can be read and written by people. Requests are separated by
// lines of "%". A request is a line "METHOD TARGET", header lines, an empty line, and the body; a
// number before the method cuts the body into pieces of that size. In a target, "$1" to "$9" stand
// for the version IDs of the first answers of 200 to add-version, because those are random.
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "access/access_control.h"
#include "base/version_frames.h"
#include "http/route.h"
#include "http/router.h"
#include "http/sync_handler.h"
#include "storage/memory/memory_storage.h"
#include "sync/sync_service.h"
#include "tests/fuzz/target.h"
#include "tests/unit/sync/manual_clock.h"

namespace tcsync::fuzz {
namespace {

constexpr size_t kRequestsMax = 30;
constexpr uint64_t kBodyBytesMax = 10'000;

struct Request {
  std::string method;
  std::string target;
  std::vector<http::HeaderView> headers;
  absl::string_view body;
  size_t piece_bytes = 0;
};

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
};

class Session {
 public:
  void Run(Input input) {
    for (size_t count = 0; !input.empty() && count < kRequestsMax; ++count) {
      const absl::string_view text = input.TakeUntil("\n%\n");
      Ask(Parse(Input(reinterpret_cast<const uint8_t*>(text.data()), text.size())));
    }
  }

 private:
  // The data acknowledged to one client.
  struct Client {
    struct Link {
      Uuid version_id;
      Uuid parent;
      std::optional<std::string> segment;  // unknown when it came compressed, until it was read
    };
    std::vector<Link> chain;
    std::vector<std::pair<Uuid, std::string>> snapshots;  // acknowledged; perhaps not wanted
    bool has_unknown_snapshot = false;                    // one came compressed
  };

  Request Parse(Input input) const {
    Request request;
    absl::string_view line = input.TakeUntil("\n");
    const size_t digits = std::min(line.find_first_not_of("0123456789"), line.size());
    static_cast<void>(absl::SimpleAtoi(line.substr(0, digits), &request.piece_bytes));
    line.remove_prefix(digits);
    if (digits > 0 && absl::StartsWith(line, " ")) line.remove_prefix(1);
    const size_t space = line.find(' ');
    request.method = std::string(line.substr(0, space));
    if (space != absl::string_view::npos) request.target = std::string(line.substr(space + 1));
    for (size_t i = 0; i < acknowledged_.size() && i < 9; ++i) {
      absl::StrReplaceAll({{absl::StrCat("$", i + 1), acknowledged_[i]}}, &request.target);
    }
    while (!input.empty()) {
      const absl::string_view header = input.TakeUntil("\n");
      if (header.empty()) break;
      const size_t colon = header.find(": ");
      if (colon == absl::string_view::npos) continue;
      request.headers.push_back({header.substr(0, colon), header.substr(colon + 2)});
    }
    request.body = input.rest();
    return request;
  }

  static Answer Read(http::Response response) {
    Answer answer{.status = response.status, .headers = {}, .body = std::move(response.body)};
    for (const http::Header& header : response.headers) {
      answer.headers[std::string(header.name)] = header.value;
    }
    if (response.body_source == nullptr) return answer;
    while (answer.body.size() < response.body_source->bytes()) {
      const http::BodySource::Piece bytes = response.body_source->Read();
      Expect(bytes.ok() && !bytes->empty(), "a body can be read to its end");
      answer.body += *bytes;
    }
    Expect(answer.body.size() == response.body_source->bytes(), "a body has the size it says");
    return answer;
  }

  Answer Send(const Request& request) {
    const http::RequestHead head{request.method, request.target, request.headers};
    auto decision = handler_.StartRequest(head);
    if (auto* const response = std::get_if<http::Response>(&decision)) {
      return Read(std::move(*response));
    }
    auto& pending = std::get<http::PendingRequest>(decision);
    const size_t piece_bytes = request.piece_bytes == 0 ? request.body.size() : request.piece_bytes;
    Input body(reinterpret_cast<const uint8_t*>(request.body.data()), request.body.size());
    while (!body.empty()) {
      if (std::optional<http::Response> response = pending.Append(body.Take(piece_bytes))) {
        return Read(std::move(*response));
      }
      std::promise<void> resumed;
      if (pending.PauseUntil([&] { resumed.set_value(); })) resumed.get_future().wait();
    }
    return Read(std::move(pending).Finish());
  }

  void Ask(const Request& request) {
    const Answer answer = Send(request);
    switch (answer.status) {
      case 400:
      case 403:
      case 405:
      case 413:
      case 415:
      case 429:
      case 503:
      case 507:
        Expect(!answer.body.empty(), "a refusal has a sentence for people");
        break;
      case 200:
      case 404:
      case 409:
      case 410:
        break;
      default:
        Expect(false, absl::StrCat(answer.status, " is a status that the protocol knows"));
    }
    Expect(answer.headers.contains("Cache-Control"), "no cache keeps an answer");
    const http::Route route = http::RouteOf("", http::PathOf(request.target));
    const http::RequestHead head{request.method, request.target, request.headers};
    const std::optional<Uuid> client_id = Uuid::Parse(head.Header("X-Client-Id"));
    if (!route.is_valid || !client_id) {
      Expect(answer.status != 200 || (route.is_valid && route.endpoint == http::Endpoint::kIndex),
             "only the index is public");
      return;
    }
    Client& client = clients_[*client_id];
    const bool is_plain = head.Header("Content-Encoding").empty();
    switch (route.endpoint) {
      case http::Endpoint::kAddVersion:
        return AddedVersion(client, route.version_id, request, is_plain, answer);
      case http::Endpoint::kGetChildVersion:
        return CheckChild(client, route.version_id, answer);
      case http::Endpoint::kAddSnapshot:
        if (answer.status != 200) return;
        client.has_unknown_snapshot |= !is_plain;
        client.snapshots.emplace_back(route.version_id, request.body);
        return;
      case http::Endpoint::kGetSnapshot:
        return CheckSnapshot(client, answer);
      default:
        return;
    }
  }

  void AddedVersion(Client& client, const Uuid& parent, const Request& request, bool is_plain,
                    const Answer& answer) {
    if (answer.status == 409) {
      Expect(!client.chain.empty() && client.chain.back().version_id != parent,
             "only a parent that is not the latest is a conflict");
      Expect(answer.headers.at("X-Parent-Version-Id") == client.chain.back().version_id.ToString(),
             "a conflict names the latest version");
    }
    if (answer.status != 200) return;
    Expect(client.chain.empty() || client.chain.back().version_id == parent,
           "only the latest version gains a child");
    const std::string& text = answer.headers.at("X-Version-Id");
    acknowledged_.push_back(text);
    client.chain.push_back({*Uuid::Parse(text), parent,
                            is_plain ? std::optional<std::string>(request.body) : std::nullopt});
  }

  static void CheckChild(Client& client, const Uuid& parent, const Answer& answer) {
    Client::Link* child = nullptr;
    for (Client::Link& link : client.chain) {
      if (link.parent == parent) child = &link;
    }
    const bool is_latest = client.chain.empty() || client.chain.back().version_id == parent;
    if (answer.status == 404) Expect(is_latest, "only the latest version is up to date");
    if (answer.status == 410)
      Expect(!is_latest && child == nullptr, "a version with a child is not gone");
    if (answer.status != 200) return;
    Expect(child != nullptr, "a child that is read was acknowledged");
    if (answer.headers.at("Content-Type") == base::kVersionFramesMediaType) {
      return CheckChildren(client, parent, answer);
    }
    Expect(answer.headers.at("X-Version-Id") == child->version_id.ToString(),
           "a child has the ID that was acknowledged");
    if (!child->segment) child->segment = answer.body;
    Expect(answer.body == *child->segment, "a child has the bytes that were acknowledged");
  }

  static void CheckChildren(Client& client, const Uuid& parent, const Answer& answer) {
    using Result = base::VersionFrameReader::Result;
    auto link = client.chain.begin();
    while (link->parent != parent) ++link;
    base::VersionFrameReader reader(parent, answer.body);
    Result result = reader.Next();
    for (; result == Result::kFrame; result = reader.Next(), ++link) {
      Expect(link != client.chain.end() && reader.version_id() == link->version_id,
             "versions follow one another as they were acknowledged");
      if (!link->segment) link->segment = std::string(reader.segment());
      Expect(reader.segment() == *link->segment, "each has the bytes that were acknowledged");
    }
    Expect(result == Result::kEnd, "an answer with many versions ends behind the last");
  }

  static void CheckSnapshot(const Client& client, const Answer& answer) {
    if (answer.status != 200) return;
    const std::string& version_id = answer.headers.at("X-Version-Id");
    bool is_known = client.has_unknown_snapshot;
    for (const auto& [id, bytes] : client.snapshots) {
      is_known |= id.ToString() == version_id && bytes == answer.body;
    }
    Expect(is_known, "a snapshot that is read was acknowledged");
  }

  ManualClock clock_;
  memory_storage::MemoryStorage storage_;
  sync::SyncService service_{storage_, clock_, sync::SyncPolicy()};
  access::AccessTable table_;
  access::AccessControl access_{table_, access::AccessPolicy(), clock_, clock_};
  http::SyncHandler sync_{service_, access_,
                          http::SyncHandlerOptions{.body_bytes_max = kBodyBytesMax,
                                                   .bodies_in_flight_bytes_max = 4 * kBodyBytesMax},
                          clock_, base::Logger()};
  http::Router handler_{"", access_, sync_};
  std::map<Uuid, Client> clients_;
  std::vector<std::string> acknowledged_;  // version IDs, in their order
};

}  // namespace
}  // namespace tcsync::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tcsync::fuzz::Session().Run(tcsync::fuzz::Input(data, size));
  return 0;
}
