// HTTP without a disk: the handler by itself, and the listener with real sockets, both over storage
// in memory, so that parsing, routing, the protocol and the sockets are measured.
//
//   handler/REQUEST    Handler::Handle on the calling thread: a request's head and body in, its
//                      response out
//   listener/REQUEST/connections:N
//                      N keep-alive connections over loopback, from one client thread: it sends a
//                      request on each, then reads the response of each. Time and latency are of
//                      such a round; items_per_second are requests. With 1 connection that is the
//                      round trip; with many, the joint work of listener and client, which share
//                      the machine.
//
// REQUEST: get_child_404 (nothing new), get_child_200 (a segment of 1 KiB), add_version (1 KiB).
// The listener's answers are judged as the load program judges them.
#include <benchmark/benchmark.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "load/exchange.h"
#include "load/histogram.h"
#include "load/http_response.h"
#include "load/segments.h"
#include "load/target.h"
#include "load/uuid_text.h"
#include "micro/latency.h"
#include "micro/program.h"
#include "storage/memory/memory_storage.h"
#include "tcsync/engine.h"
#include "tcsync/handler.h"
#include "tcsync/listener.h"
#include "tcsync/options.h"

namespace tcsync::micro {
namespace {

constexpr size_t kSegmentBytes = 1024;
constexpr uint64_t kSegmentSeed = 1;
constexpr char kSegmentType[] = "application/vnd.taskchampion.history-segment";
constexpr size_t kBodyBytesMax = size_t{64} << 10;
// add_version keeps its versions in memory, so their number is fixed and independent of the time.
constexpr int kAppends = 50'000;

enum class Call { kGetChild404, kGetChild200, kAddVersion };

std::unique_ptr<Engine> OpenEngine() {
  // Limits that are counted and never reached.
  Options options;
  options.client_requests_per_second = options.address_requests_per_second = 1'000'000;
  options.client_requests_burst = options.address_requests_burst = 100'000'000;
  options.new_clients_per_address_day = 0;
  absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::OpenWithStorage(options, std::make_unique<memory_storage::MemoryStorage>());
  return engine.ok() ? std::move(*engine) : nullptr;
}

// One client's requests in the handler's form.
class HandlerClient {
 public:
  explicit HandlerClient(http::Handler& handler)
      : handler_(handler), client_id_(Uuid::Random().ToString()) {}

  // The status, and after an add-version the new version's ID in `version`.
  int Ask(absl::string_view method, absl::string_view endpoint, absl::string_view parent,
          absl::string_view body, std::string* version) {
    target_.clear();
    absl::StrAppend(&target_, "/v1/client/", endpoint, "/", parent);
    const std::string length = absl::StrCat(body.size());
    const std::array<http::HeaderView, 5> headers = {{{"Host", "127.0.0.1:8080"},
                                                      {"User-Agent", "taskchampion/3.1.0"},
                                                      {"X-Client-Id", client_id_},
                                                      {"Content-Type", kSegmentType},
                                                      {"Content-Length", length}}};
    const http::RequestHead head{method, target_,
                                 absl::MakeConstSpan(headers).first(body.empty() ? 3 : 5)};
    // Storage in memory answers at once.
    http::Response response = *handler_.Handle(head, body, nullptr);
    if (version == nullptr) return response.status;
    for (http::Header& header : response.headers) {
      if (header.name == "X-Version-Id") *version = std::move(header.value);
    }
    return response.status;
  }

 private:
  http::Handler& handler_;
  const std::string client_id_;
  std::string target_;
};

void HandlerCall(benchmark::State& state, Call call) {
  const std::unique_ptr<Engine> engine = OpenEngine();
  if (engine == nullptr) return state.SkipWithError("the engine did not open");
  HandlerClient client(engine->handler());
  const std::string nil = Uuid().ToString();
  const std::string segment(kSegmentBytes, 's');
  std::string version;
  if (client.Ask("POST", "add-version", nil, segment, &version) != 200) {
    return state.SkipWithError("the first version was not added");
  }
  bool correct = true;
  for (auto _ : state) {
    switch (call) {
      case Call::kGetChild404:
        correct = client.Ask("GET", "get-child-version", version, {}, nullptr) == 404 && correct;
        break;
      case Call::kGetChild200:
        correct = client.Ask("GET", "get-child-version", nil, {}, nullptr) == 200 && correct;
        break;
      case Call::kAddVersion:
        correct = client.Ask("POST", "add-version", version, segment, &version) == 200 && correct;
        break;
    }
  }
  if (!correct) return state.SkipWithError("the handler gave another status than it should");
  state.SetItemsProcessed(state.iterations());
}

// One blocking keep-alive connection and the client that uses it.
class Connection {
 public:
  Connection(const load::Target& target, const load::Segments& segments, uint64_t number)
      : exchange_(target, segments),
        reader_(kBodyBytesMax),
        client_id_(load::UuidFromBits(number + 1, ~number)),
        latest_(load::NilUuid()),
        next_segment_(number << 32),
        socket_(socket(target.endpoint.protocol().family(), SOCK_STREAM, 0)) {
    connected_ =
        socket_ >= 0 && connect(socket_, target.endpoint.data(), target.endpoint.size()) == 0;
  }
  ~Connection() {
    if (socket_ >= 0) close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool connected() const { return connected_; }

  bool Send(Call call) {
    if (call == Call::kAddVersion) {
      segment_number_ = next_segment_++;
      return SendAll(exchange_.AddVersion(client_id_, latest_, segment_number_));
    }
    return SendAll(exchange_.GetChildVersion(
        client_id_, call == Call::kGetChild404 ? latest_ : load::NilUuid()));
  }

  // Whether the answer is the right one.
  bool Receive(Call call) {
    reader_.Reset();
    auto reading = load::ResponseReader::State::kIncomplete;
    while (reading == load::ResponseReader::State::kIncomplete) {
      const absl::Span<char> space = reader_.Space();
      const ssize_t bytes = recv(socket_, space.data(), space.size(), 0);
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes <= 0) return false;
      reading = reader_.Advance(static_cast<size_t>(bytes));
    }
    if (reading != load::ResponseReader::State::kComplete) return false;
    load::UuidText version;
    switch (call) {
      case Call::kAddVersion:
        if (exchange_.JudgeAddVersion(reader_.response(), &version) != load::Outcome::kAdded) {
          return false;
        }
        latest_ = version;
        return true;
      case Call::kGetChild404:
        return exchange_.JudgeGetChildVersion(reader_.response(), segment_number_, &version) ==
               load::Outcome::kUpToDate;
      case Call::kGetChild200:
        return exchange_.JudgeGetChildVersion(reader_.response(), segment_number_, &version) ==
               load::Outcome::kSegment;
    }
    return false;
  }

 private:
  bool SendAll(const load::Request& request) {
    bytes_.clear();
    for (const absl::string_view part : request.parts) absl::StrAppend(&bytes_, part);
    absl::string_view unsent = bytes_;
    while (!unsent.empty()) {
      const ssize_t sent = send(socket_, unsent.data(), unsent.size(), 0);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      unsent.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }

  load::Exchange exchange_;
  load::ResponseReader reader_;
  const load::UuidText client_id_;
  load::UuidText latest_;
  uint64_t next_segment_;
  uint64_t segment_number_ = 0;
  const int socket_;
  bool connected_ = false;
  std::string bytes_;
};

void ListenerCall(benchmark::State& state, Call call, size_t connections) {
  const std::unique_ptr<Engine> engine = OpenEngine();
  if (engine == nullptr) return state.SkipWithError("the engine did not open");
  Options options;
  options.listen = {"127.0.0.1:0"};
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Bind(options);
  if (!listener.ok() || !(*listener)->Serve(engine->handler()).ok()) {
    return state.SkipWithError("the listener did not start");
  }
  const absl::StatusOr<load::Target> target = load::ParseTarget((*listener)->addresses()[0]);
  if (!target.ok()) return state.SkipWithError("the listener's address is not understood");

  const load::Segments segments(kSegmentBytes, kSegmentSeed);
  std::vector<std::unique_ptr<Connection>> clients;
  bool correct = true;
  for (size_t i = 0; i < connections; ++i) {
    clients.push_back(std::make_unique<Connection>(*target, segments, i));
    correct = correct && clients[i]->connected() && clients[i]->Send(Call::kAddVersion) &&
              clients[i]->Receive(Call::kAddVersion);
  }
  load::Histogram latency;
  for (auto _ : state) {
    const uint64_t start = NowNanoseconds();
    for (const auto& client : clients) correct = correct && client->Send(call);
    for (const auto& client : clients) correct = correct && client->Receive(call);
    latency.Record(NowNanoseconds() - start);
    if (!correct) break;
  }
  clients.clear();
  (*listener)->Stop();
  if (!correct) return state.SkipWithError("a request failed or got a wrong answer");
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(connections));
  ReportLatency(state, latency);
}

void RegisterAll() {
  const std::array<std::pair<const char*, Call>, 3> calls = {{{"get_child_404", Call::kGetChild404},
                                                              {"get_child_200", Call::kGetChild200},
                                                              {"add_version", Call::kAddVersion}}};
  for (const auto& [name, call] : calls) {
    auto* handler = Register(absl::StrCat("handler/", name), HandlerCall, call);
    if (call == Call::kAddVersion) handler->Iterations(kAppends);
    for (const size_t connections : {size_t{1}, size_t{8}, size_t{64}}) {
      auto* listener = Register(absl::StrCat("listener/", name, "/connections:", connections),
                                ListenerCall, call, connections);
      if (call == Call::kAddVersion) {
        listener->Iterations(kAppends / 4 / static_cast<int>(connections));
      }
    }
  }
}

}  // namespace
}  // namespace tcsync::micro

int main(int argc, char** argv) {
  tcsync::micro::RegisterAll();
  return tcsync::micro::RunBenchmarks(argc, argv);
}
