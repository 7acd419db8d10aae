#include "server/administration/admin_client.h"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "server/administer.h"
#include "server/administration/interruption.h"
#include "server/concat.h"
#include "server/configuration.h"
#include "server/server_log.h"

namespace tcsync::server {
namespace {

constexpr std::string_view kPrefix = "/v1/admin/";
constexpr std::string_view kSocketName = "admin.sock";

// Longer than any page takes: a large client is read in one.
constexpr std::chrono::minutes kAnswerTimeout{30};
constexpr std::chrono::milliseconds kJobPollInterval{100};

// Connects to the socket and closes the connection again; returns 0 or the error. The HTTP client
// would not tell a socket without a server from one without permission.
int TryToConnect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return ENOENT;  // no server has such a socket either
  std::copy(path.begin(), path.end(), address.sun_path);
  const int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
  if (descriptor < 0) return errno;
  const int error =
      connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0
          ? 0
          : errno;
  close(descriptor);
  return error;
}

// Whether the directory has content. Throws if it cannot be read.
bool HasContent(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) {
    if (error) throw Failure(kExitFailure, Concat({directory, ": ", error.message()}));
    return false;
  }
  const bool is_empty = std::filesystem::is_empty(directory, error);
  if (error) throw Failure(kExitFailure, Concat({directory, ": ", error.message()}));
  return !is_empty;
}

}  // namespace

class AdminClient::Connection {
 public:
  explicit Connection(std::string path) : path_(std::move(path)), client_(path_, 80) {
    client_.set_address_family(AF_UNIX);
    client_.set_default_headers({{"Host", "localhost"}});
    client_.set_keep_alive(true);
    client_.set_read_timeout(kAnswerTimeout);
    client_.set_write_timeout(kAnswerTimeout);
  }

  AdminAnswer Send(std::string_view method, const std::string& target, std::string_view body) {
    httplib::Request request;
    request.method = std::string(method);
    request.path = target;
    request.body = std::string(body);
    if (!body.empty()) request.set_header("Content-Type", "application/json");
    const httplib::Result result = client_.send(request);
    if (!result) {
      throw Failure(kExitFailure,
                    Concat({"no answer from the server at ", path_, " (",
                            httplib::to_string(result.error()), "); is it stopping?"}));
    }
    return {result->status, result->get_header_value("X-Next-Page"), result->body};
  }

 private:
  const std::string path_;
  httplib::Client client_;
};

Json AdminAnswer::json() const {
  if (status >= 300) throw Failure(status == 400 ? kExitUsage : kExitFailure, error());
  Json parsed = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) {
    throw Failure(kExitFailure, Concat({"the server's answer, of status ", std::to_string(status),
                                        ", is not JSON: is it a newer release?"}));
  }
  return parsed;
}

std::string AdminAnswer::error() const {
  const Json parsed = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_object() && parsed.contains("error") && parsed["error"].is_string()) {
    return parsed["error"].get<std::string>();
  }
  return Concat({"the server answered with status ", std::to_string(status)});
}

AdminClient::AdminClient(const Settings& flags, DataDirectory data_directory) {
  const std::string storage = EffectiveText(flags, "storage");
  // An operator asked for one thing; the engine's messages at its opening are not part of it. Those
  // of PostgreSQL include warnings about its settings, which `storage check` prints.
  Settings quiet_flags = flags;
  if (data_directory != DataDirectory::kServedOrNone) {
    quiet_flags.try_emplace("log-level", storage == "postgres" ? "error" : "warning");
  }
  config_ = MakeConfig(quiet_flags);
  if (data_directory == DataDirectory::kNone) return;
  const bool is_needed = data_directory != DataDirectory::kServedOrNone;
  if (storage == "memory") {
    if (!is_needed) return;
    throw Failure(kExitUsage, "storage=memory keeps nothing that a command could work on");
  }
  const std::string data_dir = EffectiveText(flags, "data-dir");
  const std::string socket_path = (std::filesystem::path(data_dir) / kSocketName).string();
  const int error = TryToConnect(socket_path);
  if (error == 0) {
    connection_ = std::make_unique<Connection>(socket_path);
    return;
  }
  if (error == EACCES || error == EPERM) {
    throw Failure(kExitFailure, Concat({socket_path, ": ", std::strerror(error),
                                        "; run this as the user that the server runs as"}));
  }
  if (!is_needed) return;
  // A database is shared: this process is one more server of it, and never makes its tables.
  const bool is_new = storage == "rocksdb" && !HasContent(data_dir);
  if (data_directory == DataDirectory::kMustExist && is_new) {
    throw Failure(kExitFailure, Concat({"there is no data at '", data_dir,
                                        "'; name the data directory with --data-dir"}));
  }
  static ServerLog log("warning", EffectiveText(flags, "log-format"));
  Call(tcsync_config_set_log, config_.get(), &ServerLog::Receive, static_cast<void*>(&log));
  tcsync_engine* engine = nullptr;
  tcsync_error* raw_error = nullptr;
  const tcsync_code code = tcsync_engine_open(config_.get(), &engine, &raw_error);
  const std::unique_ptr<tcsync_error, FreeWith<tcsync_error_free>> owner(raw_error);
  engine_.reset(engine);
  if (code == TCSYNC_OK) {
    made_data_directory_ = is_new;
    return;
  }
  std::string message =
      raw_error != nullptr ? tcsync_error_message(raw_error) : tcsync_code_name(code);
  if (TCSYNC_COARSE(code) == TCSYNC_IN_USE) {
    message += Concat({"; and no server answers at ", socket_path,
                       ": another command is at work, or a server runs with admin-socket off, so "
                       "that it must be stopped first"});
  }
  throw Failure(TCSYNC_COARSE(code) == TCSYNC_INVALID_ARGUMENT ? kExitUsage : kExitFailure,
                message);
}

AdminClient::~AdminClient() = default;

AdminAnswer AdminClient::Request(std::string_view method, std::string_view target,
                                 std::string_view body) {
  const std::string full_target = Concat({kPrefix, target});
  if (connection_ != nullptr) return connection_->Send(method, full_target, body);
  const Response response = Administer(config_.get(), engine_.get(), method, full_target, body);
  const char* const next_page = tcsync_response_header_value(response.get(), "X-Next-Page");
  size_t size = 0;
  const char* const bytes = tcsync_response_body(response.get(), &size);
  return {tcsync_response_status(response.get()), next_page == nullptr ? "" : next_page,
          std::string(bytes, size)};
}

Json AdminClient::Get(std::string_view target) { return Request("GET", target).json(); }

Json AdminClient::Post(std::string_view target, const Json& body) {
  return Request("POST", target, JsonText(body)).json();
}

Json AdminClient::Delete(std::string_view target) { return Request("DELETE", target).json(); }

Json AdminClient::RunJob(std::string_view target, const Json& body, std::string_view what) {
  CatchInterruptions();
  return AwaitJob(Post(target, body).at("job").get<uint64_t>(), what, "nothing was changed");
}

Json AdminClient::AwaitJob(uint64_t job_number, std::string_view what, std::string_view left) {
  CatchInterruptions();
  const std::string number = std::to_string(job_number);
  ProgressLine progress(what);
  bool is_cancelled = false;
  for (;;) {
    const Json job = Get(Concat({"jobs/", number}));
    const std::string state = job.at("state").get<std::string>();
    if (state == "done") return job.at("result");
    if (state == "failed") throw JobFailed(job.at("error").get<std::string>());
    if (state == "cancelled") {
      EndIfInterrupted(Concat({"the ", what, " was cancelled, and ", left}));
      throw Failure(kExitFailure, Concat({"another command cancelled the ", what}));
    }
    if (job.contains("doing")) progress.SetWhat(job.at("doing").get<std::string>());
    progress.Show(job.at("done").get<uint64_t>(), job.at("total").get<uint64_t>());
    if (IsInterrupted() && !is_cancelled) {
      Post(Concat({"jobs/", number, "/cancel"}));
      is_cancelled = true;
    }
    std::this_thread::sleep_for(kJobPollInterval);
  }
}

void AdminClient::WalkPages(std::string_view method, std::string_view target, const Json& body,
                            const std::string& left,
                            const std::function<void(const Json& page)>& each) {
  CatchInterruptions();
  const std::string_view separator = target.find('?') == std::string_view::npos ? "?" : "&";
  std::string after;
  for (;;) {
    EndIfInterrupted(left);
    const std::string page_target =
        after.empty() ? std::string(target) : Concat({target, separator, "after=", after});
    const Json page = method == "GET" ? Get(page_target) : Post(page_target, body);
    each(page);
    const Json& next = page.at("next");
    if (next.is_null()) return;
    after = next.get<std::string>();
  }
}

std::string ClientTarget(std::string_view name, std::string_view rest) {
  return Concat({"clients/", PercentEncoded(name), rest});
}

std::string PercentEncoded(std::string_view value) {
  std::string encoded;
  for (const char character : value) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) != 0 || std::string_view("-._~").find(character) != std::string::npos) {
      encoded += character;
      continue;
    }
    static constexpr std::string_view kDigits = "0123456789ABCDEF";
    encoded += '%';
    encoded += kDigits[byte >> 4];
    encoded += kDigits[byte & 15];
  }
  return encoded;
}

std::string JsonText(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void PrintJson(const Json& json) { std::printf("%s\n", JsonText(json).c_str()); }

}  // namespace tcsync::server
