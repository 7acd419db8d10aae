// A client of the administration API (docs/administration.md): of the server that runs on the data
// directory, over its socket there, or else of an engine in this process.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_ADMIN_CLIENT_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_ADMIN_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "nlohmann/json.hpp"
#include "server/administration/console.h"
#include "server/command_line.h"
#include "server/owned_handles.h"

namespace tcsync::server {

using Json = nlohmann::ordered_json;

// An answer of the API.
struct AdminAnswer {
  int status = 0;
  std::string next_page;  // the header X-Next-Page
  std::string body;

  // The body; throws Failure, with the sentence, for an error, and when it is not JSON.
  Json json() const;
  // The sentence of an error.
  std::string error() const;
};

// The requirements for the data directory.
enum class DataDirectory {
  kMustExist,
  kMayBeNew,  // it is created, as by a starting server
  kNone,      // the request needs none, or needs it closed: see tcsync_administer
  // The request is about the running server if there is one, and otherwise about the options alone.
  kServedOrNone,
};

// A job that ended with an error; the message is the job's.
class JobFailed : public Failure {
 public:
  explicit JobFailed(const std::string& message) : Failure(kExitFailure, message) {}
};

// One thread at a time.
class AdminClient {
 public:
  // Finds the server, or opens the data directory. Throws Failure.
  AdminClient(const Settings& flags, DataDirectory data_directory);
  ~AdminClient();
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;

  // Whether a server runs, and answers; otherwise this process has opened the data directory
  // itself.
  bool is_served() const { return connection_ != nullptr; }

  // Whether the data directory did not exist and was created.
  bool made_data_directory() const { return made_data_directory_; }

  // `target` is the part after "/v1/admin/". Any answer is returned. Throws Failure without one.
  AdminAnswer Request(std::string_view method, std::string_view target, std::string_view body = {});

  // The same for a request that must succeed: throws Failure, with the answer's sentence, for an
  // error.
  Json Get(std::string_view target);
  Json Post(std::string_view target, const Json& body = Json::object());
  Json Delete(std::string_view target);

  // Posts a request whose answer is a job, waits for its end, and returns its result. An
  // interruption of the command cancels the job. Throws JobFailed, or Failure.
  Json RunJob(std::string_view target, const Json& body, std::string_view what);

  // Waits for an existing job. `left`: the state after an interruption, as the end of a sentence.
  Json AwaitJob(uint64_t job, std::string_view what, std::string_view left);

  // Gets every page of a list, such as that of the clients: `target` and each page's "next" as its
  // "after", until there is none. `each` is called for every page.
  void WalkPages(std::string_view method, std::string_view target, const Json& body,
                 const std::string& left, const std::function<void(const Json& page)>& each);

 private:
  class Connection;  // to a server

  std::unique_ptr<Connection> connection_;  // null when this process has the engine
  Config config_;
  Engine engine_;
  bool made_data_directory_ = false;
};

// Percent-encodes a value of a query, or a part of a path.
std::string PercentEncoded(std::string_view value);

// The target of a request about the client of that name, followed by `rest`.
std::string ClientTarget(std::string_view name, std::string_view rest = {});

// A JSON document in one line. Bytes that are not UTF-8 become U+FFFD.
std::string JsonText(const Json& json);

// Prints it.
void PrintJson(const Json& json);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_ADMIN_CLIENT_H_
