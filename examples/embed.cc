// embed.cc - read this first if your program is in C++.
//
// An engine, used twice: called directly, as by a program with an HTTP server of its own, and
// served to the network by the Listener. The C++ API is in include/tcsync/; it is stable as source,
// not as a binary, so it is linked statically (tcsync::engine).
//
// Run: embed_cc DATA_DIR [--serve]   With --serve it serves until its input ends.
#include <iostream>
#include <limits>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tcsync/engine.h"
#include "tcsync/envelope.h"
#include "tcsync/handler.h"
#include "tcsync/http_message.h"
#include "tcsync/listener.h"
#include "tcsync/options.h"
#include "tcsync/uuid.h"

namespace {

absl::Status Run(const std::string& data_dir, bool serve) {
  tcsync::Options options;  // every default
  options.data_dir = data_dir;
  options.listen = {"127.0.0.1:0"};
  // Options have names too, for values from a configuration file. An invalid value is reported
  // with its reason.
  absl::Status status = tcsync::SetOption("memory-budget", "32M", options);
  if (!status.ok()) return status;

  const tcsync::LogFunction log = [](const tcsync::LogRecord& record) {
    if (record.level < tcsync::LogLevel::kWarning) return;
    std::cerr << "tcsync: " << tcsync::ToText(record) << "\n";
  };
  absl::StatusOr<std::unique_ptr<tcsync::Engine>> engine = tcsync::Engine::Open(options, log);
  if (!engine.ok()) return engine.status();

  // Without a socket: a new user's first version. A real replica seals it; see tcsync/envelope.h.
  const std::string client_id = tcsync::Uuid::Random().ToString();
  const std::string nil_version = tcsync::Uuid().ToString();
  const tcsync::http::HeaderView headers[] = {
      {"X-Client-Id", client_id},
      {"Content-Type", "application/vnd.taskchampion.history-segment"},
  };
  const std::string target = absl::StrCat("/v1/client/add-version/", nil_version);
  const tcsync::http::RequestHead add_version{"POST", target, headers};
  tcsync::http::Handler& handler = (*engine)->handler();
  // These wait. A program with an event loop passes a callback as well, and does not wait.
  std::cout << "add-version: " << handler.Handle(add_version, "sealed bytes").status << "\n";
  // Its parent is no longer the latest version: the answer is a conflict.
  std::cout << "the same again: " << handler.Handle(add_version, "sealed bytes").status << "\n";

  // To the network. Bind before Open if a port in use must change nothing on disk.
  absl::StatusOr<std::unique_ptr<tcsync::Listener>> listener = tcsync::Listener::Bind(options, log);
  if (!listener.ok()) return listener.status();
  status = (*listener)->Serve(**engine);
  if (!status.ok()) return status;
  for (const std::string& address : (*listener)->addresses()) {
    std::cout << "listening on " << address << std::endl;
  }
  if (serve) std::cin.ignore(std::numeric_limits<std::streamsize>::max());

  // Before the engine that it serves is destroyed.
  (*listener)->Stop();
  std::cout << "stopped\n";
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const bool serve = argc == 3 && absl::string_view(argv[2]) == "--serve";
  if (argc != 2 && !serve) {
    std::cerr << "usage: " << argv[0] << " DATA_DIR [--serve]\n";
    return 2;
  }
  const absl::Status status = Run(argv[1], serve);
  if (status.ok()) return 0;
  std::cerr << status.message() << "\n";
  return 1;
}
