// Runs the installed engine, on RocksDB, and the client room, so that all libraries are linked.
#include <tcsync/engine.h>
#include <tcsync/remote_server.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>

namespace {

tcsync::http::Response Ask(tcsync::Engine& engine, const std::string& method,
                           const std::string& endpoint, const std::string& body) {
  const tcsync::http::HeaderView headers[] = {
      {"X-Client-Id", "123e4567-e89b-42d3-a456-426614174000"},
      {"Content-Type", "application/vnd.taskchampion.history-segment"},
  };
  const std::string target = "/v1/client/" + endpoint + "/" + tcsync::Uuid().ToString();
  return engine.handler().Handle({method, target, headers}, body);
}

}  // namespace

int main() {
  std::string directory = (std::filesystem::temp_directory_path() / "tcsync-XXXXXX").string();
  if (mkdtemp(directory.data()) == nullptr) return 1;
  {
    tcsync::Options options;
    options.data_dir = directory + "/data";
    auto engine = tcsync::Engine::Open(options);
    if (!engine.ok()) {
      std::cerr << engine.status() << "\n";
      return 1;
    }
    std::cout << "add-version: " << Ask(**engine, "POST", "add-version", "sealed bytes").status
              << "\nget-child-version: " << Ask(**engine, "GET", "get-child-version", "").body
              << "\n";
  }
  std::filesystem::remove_all(directory);
  const auto remote = tcsync::RemoteServer::Open("ftp://host", std::nullopt, nullptr, {});
  const auto* const error = std::get_if<tcsync::RemoteError>(&remote);
  std::cout << "remote: " << (error == nullptr ? "opened" : error->message) << "\n";
  return 0;
}
