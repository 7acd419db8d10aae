// A server behind an administration socket, whose answers a test writes byte by byte.
#ifndef TCSYNC_TESTS_UNIT_SERVER_FAKE_SERVER_H_
#define TCSYNC_TESTS_UNIT_SERVER_FAKE_SERVER_H_

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tcsync::server {

// Destroy it after its clients: it serves one connection after the other.
class FakeServer {
 public:
  struct Request {
    std::string method;
    std::string target;  // behind "/v1/admin/"
    std::string body;
  };
  struct Reply {
    std::string bytes;
    bool then_closes = false;
  };

  // Answers at the socket of that data directory. `answer` runs on the server's thread.
  FakeServer(const std::string& data_dir, std::function<Reply(const Request&)> answer);
  // The same answer to everything.
  FakeServer(const std::string& data_dir, Reply reply)
      : FakeServer(data_dir, [reply](const Request&) { return reply; }) {}
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  std::vector<Request> requests() const;

 private:
  void Run();
  void Serve(int connection);

  const std::string path_;
  const std::function<Reply(const Request&)> answer_;
  int listening_ = -1;
  std::atomic<bool> stops_ = false;
  mutable std::mutex mutex_;
  std::vector<Request> requests_;  // guarded by mutex_
  std::thread thread_;             // last: it uses the others
};

// A well-formed response. `headers`: further lines, each with its end.
FakeServer::Reply HttpReply(int status, const std::string& body, const std::string& headers = "");

}  // namespace tcsync::server

#endif  // TCSYNC_TESTS_UNIT_SERVER_FAKE_SERVER_H_
