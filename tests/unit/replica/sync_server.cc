#include "tests/unit/replica/sync_server.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tcsync/engine.h"
#include "tcsync/httplib_adapter.h"
#include "tests/unit/remote/remote_calls.h"
#include "tests/unit/replica/gateway.h"

namespace tcsync {

class SyncServer::Implementation {
 public:
  explicit Implementation(const Options& options) {
    auto engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    gateway_.emplace(engine_->handler());
    // A replica keeps its connection, and with it a thread.
    server_.new_task_queue = [] { return new httplib::ThreadPool(24); };
    // Otherwise the body of each answer waits for the replica's acknowledgement of its head.
    server_.set_tcp_nodelay(true);
    server_.set_pre_routing_handler([this](const httplib::Request& request,
                                           httplib::Response& response) {
      const bool is_lost_snapshot =
          !gives_snapshots_ && request.method == "GET" && absl::EndsWith(request.path, "/snapshot");
      response.status = is_lost_snapshot ? 404 : Call(before_, request);
      return response.status == 0 ? httplib::Server::HandlerResponse::Unhandled
                                  : httplib::Server::HandlerResponse::Handled;
    });
    server_.set_post_routing_handler(
        [this](const httplib::Request& request, httplib::Response& response) {
          if (const int status = Call(after_, request); status != 0) response.status = status;
        });
    MountOnHttplib(server_, *gateway_, "");
    port_ = server_.bind_to_any_port("127.0.0.1");
    EXPECT_GT(port_, 0);
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();
  }

  ~Implementation() {
    server_.stop();
    thread_.join();
  }

  Gateway& gateway() { return *gateway_; }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }

  void Set(Hook& hook, Hook value) {
    const std::lock_guard lock(mutex_);
    hook = std::move(value);
  }

  std::atomic<bool> gives_snapshots_ = false;
  Hook before_;
  Hook after_;

 private:
  int Call(const Hook& hook, const httplib::Request& request) {
    Hook copy;
    {
      const std::lock_guard lock(mutex_);
      copy = hook;
    }
    return copy ? copy(request.method, request.path) : 0;
  }

  std::mutex mutex_;
  std::unique_ptr<Engine> engine_;
  std::optional<Gateway> gateway_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

SyncServer::SyncServer() : SyncServer(DefaultOptions()) {}

SyncServer::SyncServer(const Options& options)
    : implementation_(std::make_unique<Implementation>(options)) {}

SyncServer::~SyncServer() = default;

Options SyncServer::DefaultOptions() {
  Options options;
  options.storage = "memory";
  options.create_clients = true;
  return options;
}

std::unique_ptr<RemoteServer> SyncServer::Connect() const {
  return OpenRemote(implementation_->url());
}

std::unique_ptr<RemoteServer> SyncServer::Connect(const Uuid& client_id,
                                                  const SealingKey& key) const {
  auto opened = RemoteServer::Open(implementation_->url(), client_id, &key, TestOptions());
  if (const auto* const error = std::get_if<RemoteError>(&opened)) {
    ADD_FAILURE() << error->message;
    return nullptr;
  }
  return std::get<std::unique_ptr<RemoteServer>>(std::move(opened));
}

void SyncServer::set_gives_snapshots(bool gives) { implementation_->gives_snapshots_ = gives; }

Gateway& SyncServer::gateway() { return implementation_->gateway(); }

void SyncServer::set_before(Hook before) {
  implementation_->Set(implementation_->before_, std::move(before));
}

void SyncServer::set_after(Hook after) {
  implementation_->Set(implementation_->after_, std::move(after));
}

}  // namespace tcsync
