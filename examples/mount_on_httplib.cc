// mount_on_httplib.cc - read this first if your program already runs a cpp-httplib server.
//
// A program with a page of its own gets a sync server beneath /tasks. tcsync/httplib_adapter.h
// lists the limits of cpp-httplib in comparison with tcsync's own Listener.
//
// Run: mount_on_httplib DATA_DIR          and sync with http://127.0.0.1:8080/tasks
//      mount_on_httplib DATA_DIR --once   sends itself a few requests, and ends
#include <httplib.h>

#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tcsync/engine.h"
#include "tcsync/httplib_adapter.h"
#include "tcsync/options.h"
#include "tcsync/uuid.h"

namespace {

constexpr char kBasePath[] = "/tasks";
constexpr char kSegmentType[] = "application/vnd.taskchampion.history-segment";

// Every connection holds a thread while it is open: as many as computers that sync at one time.
constexpr size_t kThreads = 32;
// A little over the option body-bytes-max, so that tcsync's own answer to larger ones is given.
constexpr size_t kBodyBytesMax = size_t{33} << 20;

void SetUp(tcsync::Engine& engine, httplib::Server& server) {
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_keep_alive_timeout(2);
  server.set_read_timeout(30);
  server.set_payload_max_length(kBodyBytesMax);
  server.Get("/", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("My program's own page.\n", "text/plain");
  });
  tcsync::MountOnHttplib(server, engine.handler(), kBasePath);
}

void Print(const std::string& question, const httplib::Result& result) {
  std::cout << question << ": "
            << (result ? absl::StrCat(result->status) : httplib::to_string(result.error())) << "\n";
}

// A replica's requests.
void SendRequests(int port) {
  httplib::Client client("127.0.0.1", port);
  const httplib::Headers headers{{"X-Client-Id", tcsync::Uuid::Random().ToString()}};
  const std::string nil_version = tcsync::Uuid().ToString();
  const std::string endpoints = absl::StrCat(kBasePath, "/v1/client");
  Print("my own page", client.Get("/"));
  Print("tcsync's page", client.Get(absl::StrCat(kBasePath, "/")));
  const httplib::Result added = client.Post(absl::StrCat(endpoints, "/add-version/", nil_version),
                                            headers, "sealed bytes", kSegmentType);
  Print("add-version", added);
  const httplib::Result child =
      client.Get(absl::StrCat(endpoints, "/get-child-version/", nil_version), headers);
  Print("get-child-version", child);
  if (added && child) {
    const bool same_version =
        added->get_header_value("X-Version-Id") == child->get_header_value("X-Version-Id");
    std::cout << (same_version ? "the same version: " : "another version: ") << child->body << "\n";
  }
}

int Run(const std::string& data_dir, bool once) {
  tcsync::Options options;
  options.data_dir = data_dir;
  options.base_path = kBasePath;
  absl::StatusOr<std::unique_ptr<tcsync::Engine>> engine = tcsync::Engine::Open(options);
  if (!engine.ok()) {
    std::cerr << engine.status().message() << "\n";
    return 1;
  }
  httplib::Server server;
  SetUp(**engine, server);
  if (!once) {
    std::cout << "listening on http://127.0.0.1:8080" << kBasePath << std::endl;
    return server.listen("127.0.0.1", 8080) ? 0 : 1;
  }
  const int port = server.bind_to_any_port("127.0.0.1");
  std::thread thread([&server] { server.listen_after_bind(); });
  SendRequests(port);
  server.stop();
  thread.join();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool once = argc == 3 && absl::string_view(argv[2]) == "--once";
  if (argc != 2 && !once) {
    std::cerr << "usage: " << argv[0] << " DATA_DIR [--once]\n";
    return 2;
  }
  return Run(argv[1], once);
}
