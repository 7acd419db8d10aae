// The cost of the decision whether a request is admitted: compare with handler/get_child_404 of
// tcsync-bench-http, the cheapest request.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "access/access_control.h"
#include "access/access_table.h"
#include "base/clock.h"
#include "micro/program.h"
#include "tcsync/options.h"

namespace tcsync::micro {
namespace {

// Limits that are counted and never reached.
access::AccessPolicy Policy() {
  Options options;
  options.client_requests_per_second = options.address_requests_per_second = 1'000'000;
  options.client_requests_burst = options.address_requests_burst = 100'000'000;
  return *access::AccessPolicy::From(options);
}

// `clients` take turns; each has an address of its own.
void Admit(benchmark::State& state, size_t clients) {
  static const access::AccessTable table;
  static access::AccessControl* control = nullptr;
  if (state.thread_index() == 0) {
    delete control;
    control =
        new access::AccessControl(table, Policy(), base::Clock::System(), base::Clock::Steady());
  }
  std::vector<access::Visitor> visitors;
  for (size_t i = 0; i < clients; ++i) {
    const auto byte = [i](int shift) { return static_cast<uint8_t>(i >> shift); };
    visitors.push_back({.client_id = Uuid::Random(),
                        .token = std::nullopt,
                        .source = PeerAddress::FromIpv4({10, byte(16), byte(8), byte(0)})});
  }
  size_t next = 0;
  bool correct = true;
  for (auto _ : state) {
    correct = !control->RefusalOf(visitors[next], false) && correct;
    next = next + 1 == clients ? 0 : next + 1;
  }
  if (!correct) return state.SkipWithError("a request was refused");
  state.SetItemsProcessed(state.iterations());
}

void RegisterAll() {
  for (const size_t clients : {size_t{1}, size_t{10'000}}) {
    for (const int threads : {1, 2}) {
      Register("admit/clients:" + std::to_string(clients), Admit, clients)->Threads(threads);
    }
  }
}

}  // namespace
}  // namespace tcsync::micro

int main(int argc, char** argv) {
  tcsync::micro::RegisterAll();
  return tcsync::micro::RunBenchmarks(argc, argv);
}
