// A server on a real socket of 127.0.0.1 that follows a test's script, even to misbehave: be
// silent, send a byte now and then, break off, answer nonsense.
#ifndef TCSYNC_TESTS_UNIT_REMOTE_SCRIPTED_SERVER_H_
#define TCSYNC_TESTS_UNIT_REMOTE_SCRIPTED_SERVER_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "test_certificates.h"

namespace tcsync {

// One accepted connection, for a script. Every wait ends when the client closes, when the server is
// destroyed, or after 30 seconds, which only bounds how long a failure takes.
class Peer {
 public:
  // With `tls`, shakes hands first.
  Peer(int socket, SSL_CTX* tls);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  bool is_connected() const { return is_connected_; }
  int socket() const { return socket_; }

  // The next request, its head and its body of Content-Length bytes, as it came; "" at the end.
  std::string ReadRequest();
  // Whether all of it was taken.
  bool Write(absl::string_view bytes);
  // Waits until the client closes or sends something.
  void WaitForClient();
  // Like Write, with a pause of `pause_ms` behind each byte, until the client closes.
  void Drip(absl::string_view bytes, int pause_ms);
  // Passes bytes between the client and 127.0.0.1:`port` until either closes. Without TLS only.
  void RelayTo(uint16_t port);

 private:
  int Read(char* bytes, int size);

  const int socket_;
  OpensslPtr<SSL> ssl_;
  bool is_connected_ = true;
  std::string buffered_;
};

class ScriptedServer {
 public:
  using Script = std::function<void(Peer&)>;

  // Runs `script` for each connection, on a thread of its own; closes the connection behind it.
  explicit ScriptedServer(Script script, const TestCertificate* certificate = nullptr);
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer();

  uint16_t port() const { return port_; }
  // "http://127.0.0.1:port", or https with a certificate.
  std::string url() const;
  // How many connections were accepted so far.
  int connections() const;

 private:
  void Accept();

  const Script script_;
  OpensslPtr<SSL_CTX> tls_;
  int listening_ = -1;
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  bool is_stopping_ = false;
  int connections_ = 0;
  std::set<int> open_sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A script that answers every request with answer(request), until the client closes.
ScriptedServer::Script Answering(std::function<std::string(const std::string& request)> answer);

// "HTTP/1.1 <status and headers>\r\nContent-Length: ...\r\n\r\n<body>"; `head` is the status and,
// one a line ("\r\n"), further headers.
std::string HttpAnswer(absl::string_view head, absl::string_view body = "");

// A port of 127.0.0.1 on which nothing listens.
uint16_t RefusingPort();

}  // namespace tcsync

#endif  // TCSYNC_TESTS_UNIT_REMOTE_SCRIPTED_SERVER_H_
